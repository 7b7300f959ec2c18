"""What the keys do with a chosen message, and with a name that was begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from goim.client.answers import Message
from goimctl.talk import attachments, forwards
from goimctl.talk.commands import words_in
from goimctl.talk.screen.composer import Composer
from goimctl.talk.screen.dialogs import Ask, Paths, React, Reading, table_of
from goimctl.talk.screen.view import ChatView
from goimctl.talk.texts import clock_time, content_of, file_of
from goimctl.talk.words import t


def reply(view: ChatView, message: Message) -> None:
    view.begin_with(message)


def edit(view: ChatView, message: Message) -> None:
    if message.from_ != view.session.me.user_id or message.type != "text" or message.payload is None:
        view.tell(t("only your own texts can be edited"))
        return
    view.begin_with(message, is_edit=True)
    view.write(content_of(message))


def forward(view: ChatView, message: Message) -> None:
    def to(names: str | None) -> None:
        if names:
            view.go(_forward(view, message, names))

    hint = t("names, with a space between, or quoted; Enter sends, Esc leaves")
    view.push_screen(Ask(t("Forward to"), hint), to)


async def _forward(view: ChatView, message: Message, names: str) -> None:
    await forwards.forward(view.session, message, words_in(names))


def recall(view: ChatView, message: Message) -> None:
    view.go(view.session.recall(message))


def react(view: ChatView, message: Message) -> None:
    def put(emoji: str | None) -> None:
        if emoji:
            view.go(view.session.react(message, emoji))

    view.push_screen(React(), put)


def save(view: ChatView, message: Message) -> None:
    shown = file_of(message)
    if shown is None:
        view.tell(t("there is no file in this message"))
        return

    def keep(folder: str | None) -> None:
        if folder:
            view.go(_keep(view, message, attachments.path_of(folder)))

    hint = t("the folder; Enter saves, Esc leaves")
    view.push_screen(Ask(t("Save {name}", name=shown[1]), hint, str(attachments.downloads()), Paths()), keep)


async def _keep(view: ChatView, message: Message, folder: Path) -> None:
    path = await attachments.save(view.session, message, folder)
    view.tell(t("saved as {path}", path=path))


def readers(view: ChatView, message: Message) -> None:
    view.go(_show_readers(view, message))


async def _show_readers(view: ChatView, message: Message) -> None:
    found = await view.session.readers(message)
    name = view.session.people.name
    rows = [(name(each.user_id), t("read {time}", time=clock_time(each.read_at))) for each in found.readers]
    rows += [(name(user_id), t("not yet")) for user_id in found.unread]
    if rows:
        view.push_screen(Reading(t("Read by"), table_of(rows)))
    else:
        view.tell(t("who has read it is not told here"))


def copy(view: ChatView, message: Message) -> None:
    view.copy_to_clipboard(content_of(message))
    view.tell(t("copied"))


def complete(view: ChatView, composer: Composer, start: str) -> None:
    """Put the name of the first member in that is called like this."""
    room, people = view.session.here, view.session.people
    for user_id in room.members if room else []:
        name = people.name(user_id)
        if any(each.lower().startswith(start.lower()) for each in (name, people.username(user_id))):
            row, column = composer.cursor_location
            composer.replace(f"{name} ", (row, column - len(start)), (row, column))
            return


ACTS: dict[str, Callable[[ChatView, Message], None]] = {
    "reply": reply,
    "forward": forward,
    "edit": edit,
    "recall": recall,
    "react": react,
    "save": save,
    "copy": copy,
    "readers": readers,
}
