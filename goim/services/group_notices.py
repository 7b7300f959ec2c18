"""The notices of groups: what owner and admins want every member to know, also those who come later."""

from __future__ import annotations

from goim.clock import Clock
from goim.delivery import Delivery
from goim.errors import invalid
from goim.ids import new_id
from goim.model.groups import GroupNotice, Role
from goim.protocol.pushes import NoticePosted, NoticePostedData
from goim.services.group_gate import GroupGate
from goim.services.group_views import NoticeView
from goim.stores.base_admissions import NoticeBoard

MAX_TITLE = 200
MAX_CONTENT = 10_000


class GroupNotices:
    """Posts and shows them. They are no messages: they take no seq and are not unread."""

    def __init__(self, gate: GroupGate, board: NoticeBoard, delivery: Delivery, clock: Clock) -> None:
        self._gate = gate
        self._board = board
        self._delivery = delivery
        self._clock = clock

    async def post(self, user_id: str, group_id: str, title: str, content: str) -> NoticeView:
        """Tell every member something: owner and admins."""
        title = title.strip()
        if not 1 <= len(title) <= MAX_TITLE:
            raise invalid(f"a notice's title has 1 to {MAX_TITLE} characters")
        if len(content) > MAX_CONTENT:
            raise invalid(f"a notice's content has at most {MAX_CONTENT} characters")
        await self._gate.inside(user_id, group_id, Role.ADMIN)
        notice = GroupNotice(
            notice_id=new_id(),
            group_id=group_id,
            title=title,
            content=content,
            created_by=user_id,
            created_at=self._clock.now_ms(),
        )
        await self._board.add(notice)
        told = NoticePostedData(
            notice.notice_id, group_id, notice.title, notice.content, notice.created_by, notice.created_at
        )
        self._delivery.to_group(group_id, NoticePosted(told))
        return _view(notice)

    async def page(self, user_id: str, group_id: str, limit: int, offset: int) -> list[NoticeView]:
        """The notices of a group, latest first, for members."""
        await self._gate.inside(user_id, group_id)
        return [_view(notice) for notice in await self._board.page(group_id, limit, offset)]


def _view(notice: GroupNotice) -> NoticeView:
    return NoticeView(
        notice_id=notice.notice_id,
        title=notice.title,
        content=notice.content,
        created_by=notice.created_by,
        created_at=notice.created_at,
    )
