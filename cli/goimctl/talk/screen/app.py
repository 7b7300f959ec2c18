"""`goimctl chat` on a terminal: shows a session and turns keys into what it can do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static

from goim.client import GoimError, Unreachable
from goim.client.answers import Message
from goim.client.events import Event, MessagePush
from goimctl.talk import attachments
from goimctl.talk.commands import Quit, obey
from goimctl.talk.news import told_of
from goimctl.talk.rooms import Pending, Room
from goimctl.talk.screen.acts import ACTS, complete
from goimctl.talk.screen.composer import Composer
from goimctl.talk.screen.dialogs import Ask, Paths, Reading, table_of
from goimctl.talk.screen.drawing import Drawing, head_of, state_of
from goimctl.talk.screen.find import Find, follow
from goimctl.talk.screen.keys import all_of_them, commands_of
from goimctl.talk.screen.lists import Rooms
from goimctl.talk.screen.theme import DARK, LIGHT, THEMES
from goimctl.talk.screen.thread import Thread, while_it_stands
from goimctl.talk.session import Session
from goimctl.talk.texts import clean, line_of
from goimctl.talk.words import reason, t

_FRAME = 1 / 20
_WIDE = 76


class ChatApp(App[None]):
    """One session on the screen. Everything that comes is drawn at the next frame, however much comes at once."""

    CSS_PATH = "chat.tcss"
    TITLE = "goim"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012  # as the base class has it
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
        super().__init__()
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self.session = session
        self.unsent = 0
        self._drawing = Drawing(session)
        self._drawing_now = asyncio.Lock()
        self._notes: list[str] = []
        self._may_note = False
        self._open_room: Room | None = None
        self._unread_from: int | None = None
        self._answering: Message | None = None
        self._editing: Message | None = None
        self._is_due = False
        self._is_loading = False
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

    def changed(self, room: Room | None) -> None:  # noqa: ARG002  # all is drawn: only what differs costs
        if not self._is_due:
            self._is_due = True
            self.call_later(self._soon)

    def refused(self, room: Room, pending: Pending, why: str) -> None:
        self.note(why)
        text = pending.payload.get("text")
        if isinstance(text, str):
            self.call_later(self._give_back, room, text)
        self.changed(room)

    def note(self, text: str) -> None:
        self._notes.append(text)
        self.call_later(self._tell_all)

    def _tell_all(self) -> None:
        """Tell what there is to tell, as soon as there is a screen to see it on."""
        if self._may_note:
            notes, self._notes = self._notes, []
            for note in notes:
                self.tell(note)

    # drawing

    def compose(self) -> ComposeResult:
        yield Static(id="state", markup=False)
        with Horizontal(id="panes"):
            yield Rooms(self.session)
            with Vertical(id="conversation"):
                yield Static(id="head", markup=False)
                yield Thread()
                yield Static(id="doing", markup=False)
                yield Composer()
        yield Footer(compact=True, show_command_palette=False)

    async def on_mount(self) -> None:
        self._main = self.screen
        self._list(self.session.here is None)
        await self.draw()
        self._may_note = True
        self.call_after_refresh(self._tell_all)
        self.set_interval(1.0, self._tick)  # who types may stop without saying so

    def _tick(self) -> None:
        with while_it_stands():
            self._draw_head()

    def _soon(self) -> None:
        self.set_timer(_FRAME, self.draw)

    async def draw(self) -> None:
        self._is_due = False
        async with self._drawing_now:
            with while_it_stands():
                await self._draw_all()

    async def _draw_all(self) -> None:
        room = self.session.here
        if room is not self._open_room:
            self._turn_to(room)
        self._draw_head()
        self._main.query_one(Rooms).show()
        thread = self._main.query_one(Thread)
        if room is None:
            await thread.show([])
            return
        await thread.show(self._drawing.rows_of(room, self._unread_from, dark=self.current_theme.dark))
        self.call_after_refresh(self._after_drawing, room)

    def _draw_head(self) -> None:
        session, main = self.session, self._main
        main.query_one("#state", Static).update(state_of(session, self.size.width - 1))
        main.query_one("#state").set_class(not session.is_connected, "-lost")
        main.query_one("#head", Static).update(head_of(session, session.here, session.clock.monotonic()))

    def _after_drawing(self, room: Room) -> None:
        """What is on the screen is read; what does not fill it is not all there is."""
        with while_it_stands():
            self._look(room)

    def _look(self, room: Room) -> None:
        if room is not self.session.here:
            return
        if not room.is_loaded:  # there was no connection when it was opened
            if self.session.is_connected:
                self._load(room)
            return
        thread = self._main.query_one(Thread)
        if thread.max_scroll_y == 0:
            self._load(room)
        if room.unread and thread.is_at_end and self.app_focus and self.screen is self._main and thread.is_on_screen:
            self.session.spawn(self._read(room))

    async def _read(self, room: Room) -> None:
        await self.session.read(room)

    def tell(self, text: str) -> None:
        if "\n" in text:
            self.push_screen(Reading("", text))
        else:
            self.notify(text, markup=False)

    # going somewhere

    def _turn_to(self, room: Room | None) -> None:
        """Open a conversation, with the line that was begun there."""
        composer, thread = self._main.query_one(Composer), self._main.query_one(Thread)
        if self._open_room is not None and self._editing is None:
            self._open_room.draft = composer.text
        self._open_room = room
        self._unread_from = room.read_seq if room is not None and room.unread else None
        self.begin_with(None)
        self.write(room.draft if room else "")
        composer.placeholder = t("Write to {name}", name=room.title) if room else t("Ctrl+K finds somebody to write to")
        if room is None:
            return
        room.draft = ""
        self._list(False)
        thread.anchor()
        if not room.is_loaded:
            self._load(room)
        if room.is_group and not room.members:
            self.go(self.session.load_members(room))

    def _load(self, room: Room) -> None:
        if self._is_loading or (room.is_loaded and not room.has_earlier):
            return
        self._is_loading = True
        self.go(self._loaded(room))

    async def _loaded(self, room: Room) -> None:
        try:
            await self.session.load(room)
        finally:
            self._is_loading = False

    def _list(self, is_listing: bool) -> None:  # noqa: FBT001  # a state, not a mode
        """Go to the list of conversations or from it; a narrow terminal shows one at a time."""
        self._main.set_class(is_listing, "-listing")
        if is_listing:
            self._main.query_one(Rooms).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Not two questions at once."""
        return len(self.screen_stack) == 1 or action not in ("find", "send_file", "step", "help")

    def visit(self, room: Room) -> None:
        self.session.here = room
        self._list(False)
        self._main.query_one(Composer).focus()
        self.changed(room)

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

    def begin_with(self, message: Message | None, *, is_edit: bool = False) -> None:
        """Answer or edit this message with what is written next; None: neither."""
        self._editing = message if is_edit else None
        self._answering = None if is_edit else message
        doing = self._main.query_one("#doing", Static)
        doing.set_class(message is not None, "-on")
        if message is not None:
            what = t("Edit") if is_edit else t("Reply to {name}", name=self.session.people.name(message.from_))
            doing.update(f"↳ {what}: {line_of(message)[:60]}   {t('(Esc gives up)')}")
            self._main.query_one(Composer).focus()

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

    def go(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do it beside the rest; what goes wrong is told."""
        self.run_worker(self._attempt(doing))

    async def _attempt(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        except Quit:
            await self.action_quit()
        except (GoimError, Unreachable, OSError) as error:
            self.tell(clean(reason(error)))

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
        return commands_of(self)

    def write(self, text: str) -> None:
        """Have this in the composer, to be gone on with."""
        composer = self._main.query_one(Composer)
        with self.prevent(Composer.Changed):  # nobody is typing
            composer.load_text(text)
        composer.move_cursor(composer.document.end)
        composer.focus()
