"""All that people do in the state machine, as data: each is started and goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from goim.ids import conversation_key, message_id
from tests.client import Envelope
from tests.e2e.village import Phone, Place, Village

_NOT_WRITABLE = {"NOT_FRIEND", "BLOCKED", "MUTED", "NOT_FOUND", "CONV_CONFLICT"}
REFUSALS = {
    "send": _NOT_WRITABLE | {"INVALID"},
    "recall": {"NOT_FOUND", "FORBIDDEN", "RECALL_EXPIRED"},
    "edit": _NOT_WRITABLE | {"FORBIDDEN", "RECALL_EXPIRED"},
    "react": _NOT_WRITABLE,
    "read": {"NOT_FOUND"},
    "typing": _NOT_WRITABLE,
    "sync": set(),
}
"""What may be said to a request that is well-formed, whatever else goes on."""
_STRAYS, _SCATTERED = 2, 5  # of ten: who looks where they may not belong, who talks anywhere; the rest is in the group


@dataclass
class World:
    """The village and what was said in it.

    `acks` has the first ack of every message, which holds for ever; `latest` how far in their own order of sending
    somebody's messages have got in a conversation.
    """

    village: Village
    sends: list[tuple[str, Envelope]] = field(default_factory=list)
    acks: dict[tuple[str, str, str], Envelope] = field(default_factory=dict)
    latest: dict[tuple[str, int, str], int] = field(default_factory=dict)
    texts: int = 0

    def phone(self, device: int) -> Phone | None:
        """One of the connected devices."""
        live = [phone for phone in self.village.phones if phone.is_live]
        return live[device % len(live)] if live else None

    def place(self, number: int, user_id: str) -> Place:
        """Mostly one of one's own; half of all meet in the same."""
        places = self.village.places
        mine = [place for place in places if user_id in self.village.members(place.conv_id)]
        if number >= _SCATTERED and mine:
            return next((place for place in mine if not place.people), mine[-1])
        choice = places if number < _STRAYS or not mine else mine
        return choice[number % len(choice)]

    def group(self, number: int) -> Place | None:
        groups = [place for place in self.village.places if not place.people]
        return groups[number % len(groups)] if groups else None

    def ask(self, phone: Phone, action: str, data: Envelope, *, turn: int = 0) -> None:
        """Send a request; its answer is looked at when it comes."""
        node = id(phone.node)

        def look(answer: asyncio.Future[Envelope]) -> None:
            if not answer.cancelled():  # else the test has failed already
                self._look_at(phone, node, action, data, answer.result(), turn)

        phone.ask(action, data).add_done_callback(look)

    def _look_at(self, phone: Phone, node: int, action: str, data: Envelope, answer: Envelope, turn: int) -> None:
        told = answer["data"]
        if answer["action"] == "error":
            if told["code"] not in REFUSALS[action]:
                self.village.mistakes.append(f"{phone.name} asked {action} {data}: {told}")
        elif action == "send":
            self._look_at_ack(phone, node, told, turn)

    def _look_at_ack(self, phone: Phone, node: int, ack: Envelope, turn: int) -> None:
        conv = (phone.user_id, ack["convId"])
        first = self.acks.setdefault((*conv, ack["clientMsgId"]), ack)
        if first is not ack and {**first, "duplicate": True} != ack:
            self.village.mistakes.append(f"{phone.name} was told {first} and then {ack}")
        here = (phone.name, node, ack["convId"])
        if turn and turn < self.latest.get(here, 0):
            self.village.mistakes.append(f"{phone.name} was overtaken by its own {self.latest[here]}: {ack}")
        self.latest[here] = max(turn, self.latest.get(here, 0))


@dataclass(frozen=True)
class Act:
    """Something that somebody does."""

    def start(self, world: World) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Connect(Act):
    number: int

    def start(self, world: World) -> None:
        village = world.village
        phone = village.phones[self.number % len(village.phones)]
        village.work(phone.connect(village.node))


@dataclass(frozen=True)
class HangUp(Act):
    """`is_lost`: with whatever was on its way."""

    device: int
    is_lost: bool

    def start(self, world: World) -> None:
        if phone := world.phone(self.device):
            phone.hang_up(is_lost=self.is_lost)


@dataclass(frozen=True)
class Send(Act):
    device: int
    place: int
    text: str = "hi"
    special: str = ""

    def start(self, world: World) -> None:
        if (phone := world.phone(self.device)) is None:
            return
        place = world.place(self.place, phone.user_id)
        world.texts += 1
        data: Envelope = {
            "type": "text",
            "payload": {"text": f"{self.text}{world.texts}"},
            "clientMsgId": f"m{world.texts}",
        }
        data |= place.address(phone.user_id)
        if self.special == "burn" and place.people:
            data["burnAfterRead"] = True
        if self.special == "expire":
            data["expireAtMs"] = world.village.clock.now_ms() + 60_000
        world.sends.append((phone.user_id, data))
        world.ask(phone, "send", data, turn=world.texts)


@dataclass(frozen=True)
class SendAgain(Act):
    """From any of one's devices."""

    device: int
    back: int

    def start(self, world: World) -> None:
        phone = world.phone(self.device)
        mine = [data for user_id, data in world.sends if phone is not None and user_id == phone.user_id]
        if phone is not None and mine:
            world.ask(phone, "send", mine[-1 - self.back % len(mine)])


@dataclass(frozen=True)
class Change(Act):
    """Recall, edit or react to one of the last messages of a place, named as everybody could guess."""

    device: int
    place: int
    back: int
    action: str
    text: str
    remove: bool = False

    def start(self, world: World) -> None:
        if (phone := world.phone(self.device)) is None:
            return
        conv_id = world.place(self.place, phone.user_id).conv_id
        mirrors = [p.client.mirrors[conv_id] for p in world.village.phones if conv_id in p.client.mirrors]
        seq = max(1, max((mirror.last_seq for mirror in mirrors), default=0) - self.back)
        data: Envelope = {"convId": conv_id, "serverMsgId": message_id(conversation_key(conv_id), seq)}
        if self.action == "edit":
            data["payload"] = {"text": self.text}
        if self.action == "react":
            data |= {"emoji": self.text, "remove": self.remove}
        world.ask(phone, self.action, data)


@dataclass(frozen=True)
class Read(Act):
    device: int
    place: int
    seq: int

    def start(self, world: World) -> None:
        if phone := world.phone(self.device):
            world.ask(phone, "read", {"convId": world.place(self.place, phone.user_id).conv_id, "seq": self.seq})


@dataclass(frozen=True)
class Type(Act):
    device: int
    place: int

    def start(self, world: World) -> None:
        if phone := world.phone(self.device):
            world.ask(phone, "typing", {"convId": world.place(self.place, phone.user_id).conv_id, "typing": True})


@dataclass(frozen=True)
class Sync(Act):
    """Once more, though nothing is missed."""

    device: int

    def start(self, world: World) -> None:
        if phone := world.phone(self.device):
            for mirror in phone.client.mirrors.values():
                mirror.needs_sync = True
            phone.ask_for_missing(world.village.sync_limit)


@dataclass(frozen=True)
class SetLine(Act):
    somebody: int
    place: int
    setting: str
    is_on: bool

    def start(self, world: World) -> None:
        village, conversations = world.village, world.village.node.services.conversations
        user_id = village.user_ids[self.somebody]
        conv_id = world.place(self.place, user_id).conv_id
        if self.setting == "pin":
            village.work(conversations.pin(user_id, conv_id, pinned=self.is_on))
        else:
            village.work(conversations.mute(user_id, conv_id, muted=self.is_on))


@dataclass(frozen=True)
class ComeOrGo(Act):
    somebody: int
    group: int
    how: str

    def start(self, world: World) -> None:
        village = world.village
        if (place := world.group(self.group)) is not None:
            user_id = village.user_ids[self.somebody]
            is_coming = self.how in ("join", "add")
            village.work(village.move(place, user_id, self._work(village, place, user_id), is_coming=is_coming))

    def _work(self, village: Village, place: Place, user_id: str) -> Coroutine[Any, Any, Any]:
        services, owner = village.node.services, village.user_ids[0]
        if self.how == "join":
            return services.group_door.join(user_id, place.group_id)
        if self.how == "leave":
            return services.groups.leave(user_id, place.group_id)
        if self.how == "add":
            return services.groups.add(owner, place.group_id, [user_id])
        return services.groups.kick(owner, place.group_id, user_id)


@dataclass(frozen=True)
class Silence(Act):
    """A member for a while, or with `seconds=0` no longer; or everybody."""

    somebody: int
    group: int
    seconds: int
    is_everybody: bool

    def start(self, world: World) -> None:
        village, groups = world.village, world.village.node.services.groups
        if (place := world.group(self.group)) is None:
            return
        owner, user_id = village.user_ids[0], village.user_ids[self.somebody]
        if self.is_everybody:
            village.work(groups.mute(owner, place.group_id, muted=self.seconds > 0))
        else:
            until = village.clock.now_ms() + self.seconds * 1000 if self.seconds else 0
            village.work(groups.set_member(owner, place.group_id, user_id, mute_until=until))


@dataclass(frozen=True)
class Relate(Act):
    somebody: int
    other: int
    how: str

    def start(self, world: World) -> None:
        friends, village = world.village.node.services.friends, world.village
        one, other = village.user_ids[self.somebody], village.user_ids[self.other]
        if self.how == "befriend":
            village.work(friends.befriend(one, other, None))
            village.work(friends.befriend(other, one, None))
        else:
            works = {"part": friends.remove, "block": friends.block, "unblock": friends.unblock}
            village.work(works[self.how](one, other))


_DEVICE = st.integers(0, 7)
_SOMEBODY = st.integers(0, 3)
_PLACE = st.integers(0, 9)
_BACK = st.integers(0, 4)
_TEXT = st.sampled_from(["hi", "", "你好", 'a "quote"\n'])
_EMOJI = st.sampled_from(["👍", "❤"])
_send = st.builds(Send, _DEVICE, _PLACE, _TEXT, st.sampled_from(["", "", "", "burn", "expire"]))
_set_line = st.builds(SetLine, _SOMEBODY, _PLACE, st.sampled_from(["pin", "mute"]), st.booleans())
_change = st.one_of(
    st.builds(Change, _DEVICE, _PLACE, _BACK, st.just("recall"), st.just("")),
    st.builds(Change, _DEVICE, _PLACE, _BACK, st.just("edit"), _TEXT),
    st.builds(Change, _DEVICE, _PLACE, _BACK, st.just("react"), _EMOJI, st.booleans()),
)
_aside = st.one_of(
    st.builds(HangUp, _DEVICE, st.booleans()),
    st.builds(Type, _DEVICE, _PLACE),
    st.builds(Silence, _SOMEBODY, _PLACE, st.sampled_from([0, 30]), st.booleans()),
    st.builds(Relate, _SOMEBODY, _SOMEBODY, st.sampled_from(["befriend", "befriend", "part", "block", "unblock"])),
)
ACTS = st.one_of(
    _send,
    _send,
    _send,
    st.builds(SendAgain, _DEVICE, _BACK),
    _change,
    _change,
    _set_line,
    st.builds(Read, _DEVICE, _PLACE, st.integers(0, 12)),
    st.builds(Connect, _DEVICE),
    st.builds(Sync, _DEVICE),
    st.builds(ComeOrGo, _SOMEBODY, _PLACE, st.sampled_from(["join", "add", "leave", "kick"])),
    _aside,
)
