"""The list of conversations at the side."""

from __future__ import annotations

from textual.widgets import OptionList
from textual.widgets.option_list import Option

from goimctl.talk.screen.drawing import line_for
from goimctl.talk.session import Session


class Rooms(OptionList):
    """Pinned ones first, then the latest; the open one is marked."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="rooms")
        self._session = session

    def show(self) -> None:
        """Show them as they are now; the chosen one stays chosen wherever it has moved."""
        session = self._session
        rooms = session.ordered()
        chosen = session.here.other_id if session.here else None
        if self.has_focus and self.highlighted is not None and self.highlighted < self.option_count:
            chosen = self.get_option_at_index(self.highlighted).id
        width = max(self.scrollable_content_region.width - 2, 10)
        now = session.clock.now_ms()
        self.set_options(Option(line_for(session, room, width, now), id=room.other_id) for room in rooms)
        at = next((index for index, room in enumerate(rooms) if room.other_id == chosen), None)
        self.highlighted = 0 if at is None and rooms else at

    def on_resize(self) -> None:
        self.show()
