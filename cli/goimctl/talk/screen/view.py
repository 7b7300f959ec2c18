"""What is seen of a session, and what may be done to it: drawn anew whenever there is something new."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from goim.client import GoimError, SessionOver, Unreachable
from goim.client.answers import Message
from goimctl.talk.commands import Quit
from goimctl.talk.rooms import Room
from goimctl.talk.screen.composer import Composer
from goimctl.talk.screen.dialogs import Reading
from goimctl.talk.screen.drawing import Drawing, head_of, state_of
from goimctl.talk.screen.lists import Rooms
from goimctl.talk.screen.theme import DARK, THEMES
from goimctl.talk.screen.thread import Thread, while_it_stands
from goimctl.talk.session import Session
from goimctl.talk.texts import clean, line_of
from goimctl.talk.words import reason, t

_FRAME = 1 / 20
_WIDE = 76


class ChatView(App[None]):
    """Everything that comes is drawn at the next frame, however much comes at once."""

    CSS_PATH = "chat.tcss"
    TITLE = "goim"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012  # as the base class has it

    def __init__(self, session: Session, theme: str = DARK.name) -> None:
        super().__init__()
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme
        self.session = session
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

    def changed(self, room: Room | None) -> None:  # noqa: ARG002  # all is drawn: only what differs costs
        if not self._is_due:
            self._is_due = True
            self.call_later(self._soon)

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

    def visit(self, room: Room) -> None:
        self.session.here = room
        self._list(False)
        self._main.query_one(Composer).focus()
        self.changed(room)

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

    def write(self, text: str) -> None:
        """Have this in the composer, to be gone on with."""
        composer = self._main.query_one(Composer)
        with self.prevent(Composer.Changed):  # nobody is typing
            composer.load_text(text)
        composer.move_cursor(composer.document.end)
        composer.focus()

    # telling

    def note(self, text: str) -> None:
        self._notes.append(text)
        self.call_later(self._tell_all)

    def _tell_all(self) -> None:
        """Tell what there is to tell, as soon as there is a screen to see it on."""
        if self._may_note:
            notes, self._notes = self._notes, []
            for note in notes:
                self.tell(note)

    def tell(self, text: str) -> None:
        if "\n" in text:
            self.push_screen(Reading("", text))
        else:
            self.notify(text, markup=False)

    # everything else

    def go(self, doing: Coroutine[Any, Any, None]) -> None:
        """Do it beside the rest; what goes wrong is told."""
        self.run_worker(self._attempt(doing))

    async def _attempt(self, doing: Coroutine[Any, Any, None]) -> None:
        try:
            await doing
        except Quit:
            await self.action_quit()
        except SessionOver:
            pass  # the session says so, and ends this
        except (GoimError, Unreachable, OSError) as error:
            self.tell(clean(reason(error)))
