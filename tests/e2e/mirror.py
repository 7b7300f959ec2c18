"""What a client knows: only what its acks, pushes and sync replies say, kept the way the contract wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.client import Envelope

_RARE = ("editedAt", "replyTo", "mentions", "burnAfterRead", "reactions")
_SETTINGS = ("pinned", "muted", "draft")


def _conv_of_group(data: Envelope) -> str:
    return f"group:{data['groupId']}"


def shown(base: Envelope, changes: Iterable[Envelope]) -> Envelope:
    """A message with what happened to it; its reactions as sets: a change that the base has already may move one."""
    message = dict(base)
    reactions = {each["emoji"]: set(each["userIds"]) for each in base.get("reactions", ())}
    for change in changes:
        data = change["data"]
        if change["action"] == "recalled":
            message |= {"recalled": True, "payload": None, "burnAfterRead": data.get("reason") == "burned"}
        elif change["action"] == "edited":
            message |= {"payload": data["payload"], "editedAt": data["editedAt"]}
        elif data["removed"]:
            reactions.get(data["emoji"], set()).discard(data["userId"])
        else:
            reactions.setdefault(data["emoji"], set()).add(data["userId"])
    message["reactions"] = {emoji: people for emoji, people in reactions.items() if people}
    if message["recalled"]:
        rare = [name for name in _RARE if name != "burnAfterRead" or not message.get(name)]
        return {name: value for name, value in message.items() if name not in rare}
    return message


@dataclass
class Mirror:
    """One conversation as one device knows it. Everything up to `last_seq` and `last_change` is here or not to be seen.

    `is_new`: the line in the list and the watermarks have to be fetched. `unsure`: whose watermark nobody told.
    `asked`: what the last sync asked for, until it is answered.
    """

    conv_id: str
    base: dict[int, Envelope] = field(default_factory=dict)
    changes: dict[int, Envelope] = field(default_factory=dict)
    last_seq: int = 0
    last_change: int = 0
    floor: int = 0
    read: dict[str, int] = field(default_factory=dict)
    settings: Envelope = field(default_factory=dict)
    is_new: bool = True
    needs_sync: bool = True
    asked: Envelope | None = None
    unsure: set[str] = field(default_factory=set)

    @property
    def is_whole(self) -> bool:
        """Whether nothing came that what should have come before it has not."""
        return max(self.base, default=0) <= self.last_seq and max(self.changes, default=0) <= self.last_change

    def put_message(self, message: Envelope) -> None:
        known = self.base.setdefault(message["seq"], message)
        same = ("serverMsgId", "clientMsgId", "from", "timestamp")
        assert all(known[name] == message[name] for name in same), f"two messages in one place: {known} {message}"
        self.raise_read(message["from"], message["seq"])
        self._go_on()

    def put_change(self, action: str, data: Envelope) -> None:
        change = {"action": action, "data": data}
        known = self.changes.setdefault(data["change"], change)
        assert known == change, f"two changes with one number: {known} {change}"
        self._go_on()

    def raise_read(self, user_id: str, seq: int) -> None:
        self.read[user_id] = max(seq, self.read.get(user_id, 0))

    def reach(self, seq: int, change: int) -> None:
        """Everything up to there is known now."""
        self.last_seq = max(self.last_seq, seq)
        self.last_change = max(self.last_change, change)
        self._go_on()

    def _go_on(self) -> None:
        while self.last_seq + 1 in self.base:
            self.last_seq += 1
        while self.last_change + 1 in self.changes:
            self.last_change += 1

    def hide(self) -> None:
        """Deleted for me, up to here."""
        self.floor = max(self.floor, self.last_seq)

    def messages(self, now_ms: int) -> list[Envelope]:
        """What is shown of it."""
        numbers = sorted(self.changes)
        return [
            shown(message, [c for c in map(self.changes.__getitem__, numbers) if c["data"]["seq"] == seq])
            for seq, message in sorted(self.base.items())
            if seq > self.floor and message.get("expireAt", now_ms + 1) > now_ms
        ]


class Client:
    """The memory of one device, which survives its connections."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.mirrors: dict[str, Mirror] = {}
        self._pushed: dict[tuple[str, str], int] = {}
        self.is_one_of_many = False

    def arrive(self, deleted: dict[tuple[str, str], int]) -> None:
        """A new connection: what it is pushed is in order and once, and all that was missed has to be asked for.

        That another device deleted a conversation meanwhile is `deleted`: nothing in the contract would say so.
        """
        self._pushed = {}
        for mirror in self.mirrors.values():
            mirror.floor = deleted.get((self.user_id, mirror.conv_id), mirror.floor)
            mirror.needs_sync = mirror.is_new = True
            mirror.asked = None

    def mirror(self, conv_id: str) -> Mirror:
        """What is known of a conversation; one never heard of has to be synced."""
        return self.mirrors.setdefault(conv_id, Mirror(conv_id))

    def take(self, envelope: Envelope, request: Envelope | None) -> None:
        """A frame came: the reply to `request`, or a push."""
        if request is None:
            _PUSHES[envelope["action"]](self, envelope["action"], envelope["data"])
        elif envelope["action"] != "error":
            _REPLIES[envelope["action"]](self, request["data"], envelope["data"])
        elif request["action"] == "sync":
            raise AssertionError(f"sync was refused: {envelope}")

    def wanted(self) -> list[Envelope]:
        """What to ask `sync` for now; it counts as asked."""
        convs = []
        for mirror in self.mirrors.values():
            if mirror.needs_sync and mirror.asked is None:
                wanted = {"convId": mirror.conv_id, "fromSeq": mirror.last_seq, "fromChange": mirror.last_change}
                mirror.needs_sync, mirror.asked = False, wanted
                convs.append(wanted)
        return convs

    def seed(self, conv_id: str, view: Envelope | None, readers: dict[str, int]) -> None:
        """Take a line of the list and the watermarks, which were fetched; pushes that came meanwhile follow."""
        mirror = self.mirror(conv_id)
        mirror.is_new = False
        mirror.read = dict(readers)
        for message in mirror.base.values():  # who sends has read: another node may not have written that yet
            mirror.raise_read(message["from"], message["seq"])
        mirror.unsure.clear()
        mirror.settings = {}  # of a line that is not in the list nothing is told
        if view is not None:
            mirror.settings = {name: view[name] for name in _SETTINGS}
            mirror.raise_read(self.user_id, view["readSeq"])

    # replies

    def _sent(self, asked: Envelope, data: Envelope) -> None:
        if data.get("duplicate"):
            return  # it was pushed to this device, or it is found by sync
        if not self.is_one_of_many:  # else an earlier one of another node may come later
            self._in_order("seq", data["convId"], data["seq"])
        self._told("read", data["convId"], data["seq"])
        mirror = self.mirror(data["convId"])
        message = {name: value for name, value in data.items() if name != "duplicate"}
        message |= {name: asked[name] for name in ("type", "payload", "replyTo", "burnAfterRead") if name in asked}
        mirror.put_message(message | _address(asked, data, self.user_id) | {"from": self.user_id, "recalled": False})
        if self.is_one_of_many and not mirror.is_whole:
            mirror.needs_sync = True  # where nothing was delivered yet a node does not know that something is owed

    def _changed(self, _: Envelope, data: Envelope) -> None:
        """The ack has the number of the change, and `sync` what it is: when it was, for one."""
        mirror = self.mirror(data["convId"])
        if data["change"] > mirror.last_change:
            mirror.needs_sync = True

    def _acked(self, asked: Envelope, data: Envelope) -> None:
        if "clientMsgId" in data:
            self._sent(asked, data)
        elif "change" in data:
            self._changed(asked, data)

    def _read_acked(self, _: Envelope, data: Envelope) -> None:
        self._told("read", data["convId"], data["seq"])
        self.mirror(data["convId"]).raise_read(self.user_id, data["seq"])

    def _synced(self, asked: Envelope, data: Envelope) -> None:
        found = {conv["convId"]: conv for conv in data["convs"]}
        convs: list[Envelope] = asked["convs"]
        for wanted in convs:
            mirror = self.mirrors.get(wanted["convId"])
            conv = found.get(wanted["convId"])
            if mirror is None or mirror.asked is not wanted:
                continue  # left meanwhile, or come back into
            mirror.asked = None
            if conv is not None:
                _merge(mirror, wanted, conv)
            elif not mirror.needs_sync:  # else it became mine after this was answered
                del self.mirrors[wanted["convId"]]

    # pushes

    def _in_order(self, what: str, conv_id: str, number: int) -> None:
        """On one connection everything comes in order, and once."""
        key = (what, conv_id)
        assert number > self._pushed.get(key, 0), f"{self.user_id} was told {key} {number} after {self._pushed[key]}"
        self._pushed[key] = number

    def _told(self, what: str, conv_id: str, number: int) -> None:
        """What only rises, and may be told again."""
        assert number >= self._pushed.get((what, conv_id), 0), f"{self.user_id}: {what} of {conv_id} fell to {number}"
        self._pushed[what, conv_id] = number

    def _message(self, _: str, data: Envelope) -> None:
        self._in_order("seq", data["convId"], data["seq"])
        self.mirror(data["convId"]).put_message(data)

    def _change(self, action: str, data: Envelope) -> None:
        self._in_order("change", data["convId"], data["change"])
        self.mirror(data["convId"]).put_change(action, data)

    def _read_by(self, _: str, data: Envelope) -> None:
        self._in_order(f"read by {data['userId']}", data["convId"], data["seq"])
        self.mirror(data["convId"]).raise_read(data["userId"], data["seq"])

    def _updated(self, _: str, data: Envelope) -> None:
        mirror = self.mirror(data["convId"])
        mirror.settings |= {name: data[name] for name in _SETTINGS if name in data}
        if data.get("deleted"):
            mirror.hide()

    def _joined(self, _: str, data: Envelope) -> None:
        conv_id, user_id = _conv_of_group(data), data["userId"]
        if user_id == self.user_id:
            self._forget(conv_id)
        self._pushed.pop((f"read by {user_id}", conv_id), None)
        self._pushed.pop(("read", conv_id), None)
        self.mirror(conv_id).unsure.add(user_id)

    def _left(self, _: str, data: Envelope) -> None:
        if data["userId"] == self.user_id:
            self._gone("", data)
        else:
            self.mirror(_conv_of_group(data)).read.pop(data["userId"], None)

    def _gone(self, _: str, data: Envelope) -> None:
        self._forget(_conv_of_group(data))

    def _forget(self, conv_id: str) -> None:
        self.mirrors.pop(conv_id, None)

    def _created(self, _: str, data: Envelope) -> None:
        self.mirror(_conv_of_group(data))

    def _nothing(self, _: str, __: Envelope) -> None:
        """Changes nothing that is kept."""


def _address(asked: Envelope, ack: Envelope, user_id: str) -> Envelope:
    """What a message object says of where it went, as its sender knows."""
    if ack["convId"].startswith("group:"):
        address = {"convType": "group", "groupId": ack["convId"].removeprefix("group:")}
    else:
        address = {"convType": "c2c", "to": asked["to"]}
    return address | ({"expireAt": asked["expireAtMs"]} if "expireAtMs" in asked else {})


def _merge(mirror: Mirror, asked: Envelope, conv: Envelope) -> None:
    """A page of what was missed."""
    seqs = [message["seq"] for message in conv["messages"]]
    changes = [change["change"] for change in conv["changes"]]
    assert seqs == sorted(set(seqs)), f"messages out of order: {seqs}"
    assert not seqs or asked["fromSeq"] < seqs[0] <= seqs[-1] <= conv["lastSeq"]
    assert changes == sorted(set(changes)), f"changes out of order: {changes}"
    assert not changes or asked["fromChange"] < changes[0] <= changes[-1] <= conv["lastChange"]
    is_dense = changes == list(range(asked["fromChange"] + 1, asked["fromChange"] + 1 + len(changes)))
    hides = mirror.floor or (conv["lastSeq"] > asked["fromSeq"] and seqs[:1] != [asked["fromSeq"] + 1])
    assert is_dense or hides, f"changes are missing: {changes}"  # else some tell what was deleted, here or elsewhere
    for message in conv["messages"]:
        mirror.put_message(message)
    for change in conv["changes"]:
        assert change["data"]["change"] == change["change"]
        mirror.put_change(change["action"], change["data"])
    if conv["hasMore"]:
        assert seqs or changes, "there is more and nothing to go on from"
        mirror.needs_sync = True
        mirror.reach(max(seqs, default=0), max(changes, default=0))
    else:
        mirror.reach(conv["lastSeq"], conv["lastChange"])


_PUSHES: dict[str, Callable[[Client, str, Any], None]] = {
    "message": Client._message,
    "recalled": Client._change,
    "edited": Client._change,
    "reaction": Client._change,
    "read": Client._read_by,
    "conversation_updated": Client._updated,
    "member_joined": Client._joined,
    "member_left": Client._left,
    "group_created": Client._created,
    "group_disbanded": Client._gone,
    **dict.fromkeys(
        ("mention", "typing", "presence", "friend_request", "friend_accepted", "friend_removed"), Client._nothing
    ),
    **dict.fromkeys(("group_updated", "member_updated", "group_invite"), Client._nothing),
}
_REPLIES: dict[str, Callable[[Client, Any, Any], None]] = {
    "ack": Client._acked,
    "read_ack": Client._read_acked,
    "synced": Client._synced,
}
