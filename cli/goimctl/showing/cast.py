"""The people of the demo and what they say: nothing but data."""

from __future__ import annotations

from typing import NamedTuple

YOU = "demo"
BOT = "demo_bot"
PEOPLE = {
    YOU: "You",
    "demo_ada": "Ada Ruiz",
    "demo_lin": "林晓 Lin Xiao",
    "demo_max": "Max Okafor",
    "demo_mei": "王梅",
    "demo_sam": "Sam Patel",
    BOT: "Goim Bot",
}


class Line(NamedTuple):
    """One message; `kind` is that of its payload, `answers` counts back to the line it replies to."""

    who: str
    text: str
    kind: str = "text"
    answers: int = 0
    reactions: tuple[tuple[str, str], ...] = ()
    mentions: tuple[str, ...] = ()
    fate: str = ""
    """What becomes of it: `recalled`, `edited` (to `text` without its last word) or `kept` among the favourites."""


class Room(NamedTuple):
    """A group, with you in it."""

    name: str
    members: tuple[str, ...]
    lines: tuple[Line, ...]
    notice: str = ""
    is_pinned: bool = False


ROOMS = (
    Room(
        "Launch week",
        ("demo_ada", "demo_lin", "demo_max", "demo_sam", YOU),
        (
            Line("demo_ada", "Morning all! Four days to go. Who has the release notes?"),
            Line("demo_max", "I do. First draft by noon.", answers=1),
            Line("demo_lin", "新的登录页好了，大家看看 👀"),
            Line("demo_lin", "The new sign-in page", "image", reactions=(("demo_ada", "😍"), ("demo_max", "👍"))),
            Line("demo_ada", "This looks so much calmer than the old one.", answers=1),
            Line("demo_sam", "Load test of last night: 500 senders, nothing lost, nothing doubled.", fate="kept"),
            Line("demo_max", "🎉🎉🎉", reactions=(("demo_lin", "🎉"), ("demo_ada", "🎉"))),
            Line("demo_sam", "The database password is hunter2", fate="recalled"),
            Line("demo_sam", "That was the wrong window. Good that one can take things back."),
            Line("demo_ada", "@You could you read the announcement once before it goes out?", mentions=(YOU,)),
            Line("demo_ada", "announcement.txt", "file"),
        ),
        notice="Friday 10:00: we go live. No merges after Thursday noon.",
        is_pinned=True,
    ),
    Room(
        "周末爬山 ⛰️",
        ("demo_mei", "demo_lin", "demo_sam", YOU),
        (
            Line("demo_mei", "周六去香山吗？天气预报说是晴天。"),
            Line("demo_lin", "去！几点集合？", answers=1),
            Line("demo_mei", "八点半，地铁站东口", reactions=(("demo_lin", "👌"), ("demo_sam", "👌"))),
            Line("demo_mei", "香山公园东门", "location"),
            Line("demo_sam", "I'll bring the tea 🍵"),
            Line("demo_mei", "去年秋天拍的", "image", reactions=(("demo_lin", "🍁"),)),
        ),
    ),
    Room(
        "Book club",
        ("demo_max", "demo_ada", "demo_mei", YOU),
        (
            Line("demo_max", "Next month: The Left Hand of Darkness?"),
            Line("demo_ada", "Yes please.", answers=1),
            Line("demo_mei", "中文版我已经借到了 📚"),
            Line("demo_max", "Then it is settled: the first Tuesday, at mine. Bring cake too", fate="edited"),
        ),
    ),
)

LETTERS = {
    "demo_ada": ("Hey! Have you seen how quickly messages arrive here?", "Open a second browser and watch the ticks."),
    "demo_lin": ("在吗？", "设计稿我放在群里了，有空看一下 🙏"),
    BOT: ("I am a bot. Ask me anything: I answer in a streamed message, as a language model does.",),
}

CHATTER = (
    (0, Line("demo_max", "Release notes are up. 1,204 words, sorry.")),
    (0, Line("demo_ada", "Reading them now ☕")),
    (1, Line("demo_lin", "我带相机 📷")),
    (2, Line("demo_ada", "Chapter three is so good.")),
    (0, Line("demo_sam", "All green on staging ✅")),
    (1, Line("demo_mei", "别忘了带水！")),
    (2, Line("demo_max", "No spoilers!")),
    (0, Line("demo_lin", "Icons are final, I promise.")),
)

REPLIES = ("Good point!", "Ha, yes 😄", "Let me think about it.", "好的，没问题 👍", "Tell me more?")

SPEECH = (
    "You said: “{said}”. ",
    "I am no language model, only a demo, but I write like one: ",
    "bit by bit, in one message that keeps its place, ",
    "whichever device you look at it from. ",
    "Close the page while I write and open it again: what I have written so far is there. ",
    "你也可以用中文问我。",
    "examples/llm_bot.py puts a real model in my place.",
)
