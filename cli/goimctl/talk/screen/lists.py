"""The list of conversations at the side."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from goimctl.talk.screen.drawing import line_for
from goimctl.talk.session import Session


class Rooms(OptionList):
    """Pinned ones first, then the latest; the open one is marked."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="rooms")
        self._session = session
        self._drawn: dict[str, Content] = {}

    def show(self) -> None:
        """Show them as they are now; the chosen one stays chosen wherever it has moved."""
        session = self._session
        rooms = session.ordered()
        chosen = session.here.other_id if session.here else None
        if self.has_focus and self.highlighted is not None and self.highlighted < self.option_count:
            chosen = self.get_option_at_index(self.highlighted).id
        width = max(self.scrollable_content_region.width - 2, 10)
        now = session.clock.now_ms()
        drawn = {room.other_id: line_for(session, room, width, now) for room in rooms}
        if list(drawn) == list(self._drawn):
            for index, (other_id, line) in enumerate(drawn.items()):
                if not line.is_same(self._drawn[other_id]):
                    self.replace_option_prompt_at_index(index, line)
        else:
            self.set_options(Option(line, id=other_id) for other_id, line in drawn.items())
        self._drawn = drawn
        at = next((index for index, room in enumerate(rooms) if room.other_id == chosen), 0 if rooms else None)
        if at != self.highlighted:
            self.highlighted = at

    def on_resize(self) -> None:
        self.show()
