"""What the keys do with a chosen message, and with a name that was begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from goim.client.answers import Message
from goimctl.talk import attachments
from goimctl.talk.screen.composer import Composer
from goimctl.talk.screen.dialogs import Ask, Paths, React, Reading, table_of
from goimctl.talk.texts import clock_time, content_of, file_of
from goimctl.talk.words import t

if TYPE_CHECKING:
    from goimctl.talk.screen.app import ChatApp


def reply(app: ChatApp, message: Message) -> None:
    app.begin_with(message)


def edit(app: ChatApp, message: Message) -> None:
    if message.from_ != app.session.me.user_id or message.type != "text" or message.payload is None:
        app.tell(t("only your own texts can be edited"))
        return
    app.begin_with(message, is_edit=True)
    app.write(content_of(message))


def recall(app: ChatApp, message: Message) -> None:
    app.go(app.session.recall(message))


def react(app: ChatApp, message: Message) -> None:
    def put(emoji: str | None) -> None:
        if emoji:
            app.go(app.session.react(message, emoji))

    app.push_screen(React(), put)


def save(app: ChatApp, message: Message) -> None:
    shown = file_of(message)
    if shown is None:
        app.tell(t("there is no file in this message"))
        return

    def keep(folder: str | None) -> None:
        if folder:
            app.go(_keep(app, message, attachments.path_of(folder)))

    hint = t("the folder; Enter saves, Esc leaves")
    app.push_screen(Ask(t("Save {name}", name=shown[1]), hint, str(attachments.downloads()), Paths()), keep)


async def _keep(app: ChatApp, message: Message, folder: Path) -> None:
    path = await attachments.save(app.session, message, folder)
    app.tell(t("saved as {path}", path=path))


def readers(app: ChatApp, message: Message) -> None:
    app.go(_show_readers(app, message))


async def _show_readers(app: ChatApp, message: Message) -> None:
    found = await app.session.readers(message)
    name = app.session.people.name
    rows = [(name(each.user_id), t("read {time}", time=clock_time(each.read_at))) for each in found.readers]
    rows += [(name(user_id), t("not yet")) for user_id in found.unread]
    if rows:
        app.push_screen(Reading(t("Read by"), table_of(rows)))
    else:
        app.tell(t("who has read it is not told here"))


def copy(app: ChatApp, message: Message) -> None:
    app.copy_to_clipboard(content_of(message))
    app.tell(t("copied"))


def complete(app: ChatApp, composer: Composer, start: str) -> None:
    """Put the name of the first member in that is called like this."""
    room, people = app.session.here, app.session.people
    for user_id in room.members if room else []:
        name = people.name(user_id)
        if any(each.lower().startswith(start.lower()) for each in (name, people.username(user_id))):
            row, column = composer.cursor_location
            composer.replace(f"{name} ", (row, column - len(start)), (row, column))
            return


ACTS: dict[str, Callable[[ChatApp, Message], None]] = {
    "reply": reply,
    "edit": edit,
    "recall": recall,
    "react": react,
    "save": save,
    "copy": copy,
    "readers": readers,
}
