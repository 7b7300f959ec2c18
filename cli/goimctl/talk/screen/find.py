"""Ctrl+K: go to a conversation, a person, a group or a message by a part of its name or of what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

from msgspec import Struct
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from goim.client import GoimError, Unreachable
from goim.client.answers import Message
from goim.model.conversations import ConvType
from goimctl.talk.commands import run
from goimctl.talk.rooms import Room
from goimctl.talk.screen.thread import Thread
from goimctl.talk.screen.view import ChatView
from goimctl.talk.session import Session
from goimctl.talk.texts import clean, line_of
from goimctl.talk.words import reason, t

T = TypeVar("T")
_MOST = 8
_PAUSE = 0.2
_PAGE = 200
_PAGES_BACK = 10


class Found(Struct, frozen=True, eq=False):
    """Something to go to, or to do."""

    mark: str
    title: str
    about: str
    room: Room | None = None
    message: Message | None = None
    command: tuple[str, str] | None = None
    """Its name and its word."""


class Find(ModalScreen[Found | None]):
    """What this device knows comes at once, what only the server knows a moment later."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", t("Leave")),
        Binding("down", "move(1)", t("Next"), show=False, priority=True),
        Binding("up", "move(-1)", t("Before"), show=False, priority=True),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._found: list[Found] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -wide"):
            yield Input(placeholder=t("conversation, person, group, or words that were said"), compact=True)
            yield OptionList(id="found", compact=True)

    def on_mount(self) -> None:
        self._show(known(self._session, ""))

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.strip()
        self._show(known(self._session, words))
        self.run_worker(self._ask(words), exclusive=True)

    async def _ask(self, words: str) -> None:
        await self._session.clock.sleep(_PAUSE)
        if words:
            self._show([*known(self._session, words), *await asked(self._session, words)])

    def _show(self, found: list[Found]) -> None:
        self._found = found
        shown = self.query_one("#found", OptionList)
        shown.set_options(Option(_drawn(each)) for each in found)
        shown.highlighted = 0 if found else None

    def action_move(self, step: int) -> None:
        shown = self.query_one("#found", OptionList)
        if self._found:
            shown.highlighted = ((shown.highlighted or 0) + step) % len(self._found)

    def on_input_submitted(self) -> None:
        at = self.query_one("#found", OptionList).highlighted
        if at is not None and at < len(self._found):
            self.dismiss(self._found[at])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._found[event.option_index])

    def action_leave(self) -> None:
        self.dismiss(None)


def _drawn(found: Found) -> Content:
    return Content.assemble(
        (f"{found.mark} ", "$primary"), found.title, (f"  {found.about}" if found.about else "", "$soft")
    )


def known(session: Session, words: str) -> list[Found]:
    """What this device knows with these words in its name."""
    found: list[Found] = []
    if not words:
        found += _requests(session)
    matching = _matching(words, session.ordered(), lambda room: room.title)
    found += [Found("#" if room.is_group else "●", room.title, _about(room), room=room) for room in matching]
    there = {room.other_id for room in matching}
    friends = (friend for user_id, friend in session.friends.items() if user_id not in there)
    for friend in _matching(words, friends, lambda each: f"{session.people.name(each.user_id)} {each.username}"):
        room = session.room(friend.user_id, ConvType.C2C)
        found.append(Found("●", room.title, t("friend"), room=room))
    return found


def _requests(session: Session) -> Iterable[Found]:
    """Who and what waits for an answer."""
    for person in session.requests.values():
        name = session.people.name(person.user_id)
        yield Found("+", name, t("would like to be your friend: Enter says yes"), command=("friend", person.username))
    for group_id, name in session.invitations.items():
        yield Found("+", name, t("you are invited to this group: Enter joins"), command=("group", f"join {group_id}"))


def _about(room: Room) -> str:
    return t("{count} unread", count=room.unread) if room.unread else ""


def _matching(words: str, things: Iterable[T], name: Callable[[T], str]) -> list[T]:
    parts = words.lower().split()
    return [thing for thing in things if all(part in name(thing).lower() for part in parts)][:_MOST]


async def asked(session: Session, words: str) -> list[Found]:
    """What the server knows: people who are no friends, and messages."""
    try:
        people = await session.api.find_users(words, limit=_MOST)
        messages = await session.api.search(words, limit=_MOST)
        await session.people.learn(message.from_ for message in messages)
    except (GoimError, Unreachable) as error:
        return [Found("!", clean(reason(error)), "")]
    strangers = [each for each in people if each.user_id not in session.friends and each.user_id != session.me.user_id]
    found = [
        Found(
            "+",
            clean(each.nickname or each.username),
            t("Enter asks for friendship"),
            command=("friend", each.username),
        )
        for each in strangers
    ]
    for message in messages:
        room = session.room_of(message)
        about = t("{who} in {room}", who=session.people.name(message.from_), room=room.title)
        found.append(Found("“", line_of(message), about, room=room, message=message))
    return found


def follow(view: ChatView, found: Found | None) -> None:
    """Go where it leads, or do what it says."""
    if found is None:
        return
    if found.command is not None:
        view.go(run(view.session, found.command[0], found.command[1].split()))
    elif found.room is not None:
        view.visit(found.room)
        if found.message is not None:
            view.go(_look_at(view, found.room, found.message))


async def _look_at(view: ChatView, room: Room, message: Message) -> None:
    """See a message, and what was said since, as far as that is not too much."""
    for _ in range(_PAGES_BACK):
        if message.seq in room.messages or not room.has_earlier:
            break
        await view.session.load(room, _PAGE)
    if message.seq not in room.messages:
        view.tell(t("that was said long ago: scroll up to it"))
        return
    await view.draw()
    view.screen.query_one(Thread).choose_message(message.seq)
