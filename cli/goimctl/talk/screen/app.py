"""`goimctl chat` on a terminal: shows a session and turns keys into what it can do."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import OptionList

from goim.client.events import Event, MessagePush
from goimctl.talk import attachments
from goimctl.talk.commands import COMMANDS, obey
from goimctl.talk.news import told_of
from goimctl.talk.rooms import Pending, Room
from goimctl.talk.screen.acts import ACTS, complete
from goimctl.talk.screen.composer import Composer
from goimctl.talk.screen.dialogs import Ask, Paths, Reading, table_of
from goimctl.talk.screen.find import Find, follow
from goimctl.talk.screen.keys import all_of_them
from goimctl.talk.screen.theme import DARK, LIGHT
from goimctl.talk.screen.thread import Thread
from goimctl.talk.screen.view import ChatView
from goimctl.talk.session import Session
from goimctl.talk.words import t


class ChatApp(ChatView):
    """One session on the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+k", "find", t("Go to"), priority=True),
        Binding("ctrl+o", "send_file", t("File"), priority=True),
        Binding("alt+up", "step(-1)", t("Above"), show=False, priority=True),
        Binding("alt+down", "step(1)", t("Below"), show=False, priority=True),
        Binding("f1", "help", t("Keys")),
        Binding("f2", "theme", t("Light/dark"), show=False),
        Binding("ctrl+q", "quit", t("Leave"), priority=True),
    ]

    def __init__(self, session: Session, theme: str = DARK.name) -> None:
        super().__init__(session, theme)
        self.unsent = 0
        self._is_warned = False

    # the face of a session: told from outside of the application

    async def talk(self) -> None:
        await self.run_async()
        if self._exception is not None:
            raise self._exception
        self.unsent = sum(len(room.pending) for room in self.session.rooms.values())

    def _fatal_error(self) -> None:
        """End; `talk` raises what it was. The base class would print all variables, which hold what people said."""
        self._close_messages_no_wait()

    def over(self) -> None:
        self.call_later(self.exit)

    def heard(self, event: Event, room: Room | None) -> None:
        is_elsewhere = room is not self.session.here or not self.app_focus
        if isinstance(event, MessagePush) and room and not room.is_muted and room.unread and is_elsewhere:
            self.call_later(self.bell)
        told = told_of(self.session, event)
        if told:
            self.note(told)
        self.changed(room)

    def refused(self, room: Room, pending: Pending, why: str) -> None:
        self.note(why)
        text = pending.payload.get("text")
        if isinstance(text, str):
            self.call_later(self._give_back, room, text)
        self.changed(room)

    def show_help(self) -> None:
        self.call_later(self.action_help)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Not two questions at once."""
        return len(self.screen_stack) == 1 or action not in ("find", "send_file", "step", "help")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        room = self.session.rooms.get(event.option_id or "")
        if room is not None:
            self.visit(room)

    def action_step(self, step: int) -> None:
        rooms = self.session.ordered()
        if rooms:
            here = self.session.here
            self.visit(rooms[(rooms.index(here) + step) % len(rooms) if here in rooms else 0])

    def action_find(self) -> None:
        self.push_screen(Find(self.session), partial(follow, self))

    # writing

    async def on_composer_submitted(self, event: Composer.Submitted) -> None:
        editing, answering = self._editing, self._answering
        self.begin_with(None)
        if editing is not None:
            self.go(self.session.edit(editing, event.text))
            return
        self._main.query_one(Thread).anchor()
        self._unread_from = None
        self.go(obey(self.session, event.text, answering.server_msg_id if answering else None))

    def on_composer_left(self, event: Composer.Left) -> None:
        if event.where == "up":
            self._main.query_one(Thread).focus()
        elif event.where == "had_enough":
            self.run_worker(self.action_quit())
        elif self._editing or self._answering:
            if self._editing:
                self._main.query_one(Composer).clear()
            self.begin_with(None)
        else:
            self._list(True)

    def on_composer_scrolled(self, event: Composer.Scrolled) -> None:
        thread = self._main.query_one(Thread)
        thread.scroll_relative(y=event.pages * max(thread.size.height - 2, 1), animate=False)

    def on_text_area_changed(self, event: Composer.Changed) -> None:
        text, room = event.text_area.text, self.session.here
        if text and not text.startswith("/") and room is not None and event.text_area.has_focus:
            self.session.typing(room)

    def on_composer_completing(self, event: Composer.Completing) -> None:
        complete(self, self._main.query_one(Composer), event.start)

    def _give_back(self, room: Room, text: str) -> None:
        """What was refused is there to be sent again, or to somebody else."""
        composer = self._main.query_one(Composer)
        if room is not self._open_room:
            room.draft = room.draft or text
        elif not composer.text:
            self.write(text)

    def action_send_file(self) -> None:
        if self.session.here is None:
            self.tell(t("to whom? Ctrl+K finds somebody"))
            return
        ask = Ask(
            t("Send a file to {name}", name=self.session.here.title),
            t("its path; → completes it, Enter sends, Esc leaves"),
            "",
            Paths(),
        )
        self.push_screen(ask, self._send_file)

    def _send_file(self, typed: str | None) -> None:
        room = self.session.here
        if typed and room is not None:
            self.go(attachments.send(self.session, room, attachments.path_of(typed)))

    # what happens to messages

    def on_thread_near_top(self) -> None:
        if self.session.here is not None and self.session.here.is_loaded:
            self._load(self.session.here)

    def on_thread_wanted(self, event: Thread.Wanted) -> None:
        message = event.message
        if event.act == "leave" or message is None:
            self._main.query_one(Composer).focus()
            return
        ACTS[event.act](self, message)

    def on_thread_at_end(self) -> None:
        self.changed(self.session.here)  # now it is read

    def on_app_focus(self) -> None:
        self.changed(self.session.here)

    # everything else

    async def action_quit(self) -> None:
        """Leave; somebody whose words have not arrived yet is asked once more."""
        waiting = sum(len(room.pending) for room in self.session.rooms.values())
        if waiting and not self._is_warned:
            self._is_warned = True
            self.tell(t("{count} not sent yet: Ctrl+Q again leaves without", count=waiting))
            return
        self.exit()

    def action_help(self) -> None:
        self.push_screen(Reading(t("Keys and commands"), table_of(all_of_them())))

    async def action_theme(self) -> None:
        self.theme = LIGHT.name if self.current_theme.dark else DARK.name
        await self.draw()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:  # noqa: ARG002
        """The keys by their names, and the commands, ready to be completed."""
        yield SystemCommand(t("Light or dark"), t("Change the colours"), self.action_theme)
        yield SystemCommand(t("Keys"), t("What the keys do"), self.action_help)
        yield SystemCommand(t("Send a file"), t("A picture or anything else"), self.action_send_file)
        for name, entry in COMMANDS.items():
            yield SystemCommand(entry.usage, t(entry.meaning), partial(self.write, f"/{name} "))
