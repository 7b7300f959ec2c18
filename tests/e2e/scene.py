"""People in every relation to a person and to a group that matters for what they may do, each with a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.client import PASSWORD, Device, Person, World

ROLES = ("nobody", "stranger", "blocked", "former", "left", "kicked", "muted", "member", "admin", "owner")
"""Without a token · no relation to Ann or the group · Ann blocked them · was Ann's friend · left the group · put out of
it · silenced in it · in it · may run it · owns it and is Ann's only friend of all these."""

IN_GROUP = ROLES[ROLES.index("left") :]
FOREVER = 4_000_000_000_000
TUS = {"Tus-Resumable": "1.0.0"}
TEXT = {"type": "text", "payload": {"text": "hello"}}

Names = dict[str, str]


def filled(template: Any, names: Names) -> Any:
    """The template with every `{name}` in it, however deep, replaced."""
    if isinstance(template, dict):
        return {key: filled(value, names) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, names) for value in template]
    return template.format(**names) if isinstance(template, str) else template


@dataclass
class Scene:
    """Who is who, and what everything is called. Ann is an ordinary member of the group."""

    world: World
    ann: Person
    cast: dict[str, Person]
    sockets: dict[str, Device] = field(default_factory=dict)
    shared: Names = field(default_factory=dict)
    own: dict[str, Names] = field(default_factory=dict)

    def names(self, role: str) -> Names:
        """What everything is called for one of them."""
        return self.shared | self.own.get(role, {})

    async def new_group(self, *, is_silent: bool = False) -> dict[str, Names]:
        """Another group with everybody in their role; the names each of them needs for it."""
        owner, cast = self.cast["owner"], self.cast
        everybody = [self.ann, *(cast[role] for role in IN_GROUP if role != "owner")]
        made = await owner.post("/api/groups", {"name": "Walks", "memberIds": [one.user_id for one in everybody]})
        assert len(made["added"]) == len(everybody)
        path = f"/api/groups/{made['groupId']}"
        names = {"group": made["groupId"], "conv": made["convId"]}
        send = {"groupId": made["groupId"], **TEXT}
        names["message"] = (await self.ann.post("/api/messages", send))["serverMsgId"]
        mine = {role: (await cast[role].post("/api/messages", send))["serverMsgId"] for role in IN_GROUP}
        await cast["left"].post(f"{path}/leave")
        await owner.delete(f"{path}/members/{cast['kicked'].user_id}")
        await owner.put(f"{path}/members/{cast['muted'].user_id}", {"muteUntil": FOREVER})
        await owner.put(f"{path}/members/{cast['admin'].user_id}", {"role": "admin"})
        if is_silent:
            await owner.post(f"{path}/mute", {"muted": True})
        return {role: names | {"mine": mine.get(role, names["message"])} for role in ROLES}


GHOSTS: Names = {
    "ann": "0nobody0000000",
    "group": "0nogroup000000",
    "conv": "group:0nogroup000000",
    "pair": "nowhere",
    "theirs": "nowhere-else",
    "message": "nomessage-1",
    "pair_message": "nomessage-1",
    "theirs_message": "nomessage-1",
    "device": "no-device",
    "call": "0nocall0000000",
    "stream": "0nostream00000",
    "secret": "0nofile0000000",
    "secret_path": "0nofile0000000/a.txt",
    "sent": "0nofile0000000",
    "sent_path": "0nofile0000000/a.txt",
    "partial": "0nofile0000000",
}
"""Names of the right form that nothing has. What is somebody else's must look like them."""


async def set_scene(world: World) -> Scene:
    """Everybody in place, once for all tests. Bob's call to Ann rings on, and Ann's stream is open."""
    ann, bob, zoe, yan, xim, *others = await asyncio.gather(*(world.person() for _ in range(5 + len(ROLES) - 1)))
    cast = dict(zip(ROLES[1:], others, strict=True))
    scene = Scene(world, ann, cast)
    owner = cast["owner"]
    for friend in (bob, owner, cast["blocked"], cast["former"]):
        await world.befriend(ann, friend)
    for other in (yan, *(cast[role] for role in IN_GROUP if role != "owner")):
        await world.befriend(owner, other)
    for role in ("blocked", "former", "owner"):
        sent = await ann.post("/api/messages", ann.text(cast[role], "hello"))
        scene.own[role] = {"pair": sent["convId"], "pair_message": sent["serverMsgId"]}
    await ann.post(f"/api/blocks/{cast['blocked'].user_id}")
    await zoe.post(f"/api/blocks/{cast['blocked'].user_id}")
    await ann.delete(f"/api/friends/{cast['former'].user_id}")
    theirs = await ann.post("/api/messages", ann.text(bob, "between us"))
    anns = await world.device(ann, "anns-phone")
    call = await (await world.device(bob)).ask("call_start", {"to": ann.user_id, "type": "audio"})
    scene.shared = GHOSTS | {
        "ann": ann.user_id,
        "ann_name": ann.username,
        "zoe": zoe.user_id,
        "yan": yan.user_id,
        "xim": xim.user_id,
        "owner": owner.user_id,
        "password": PASSWORD,
        "asset": "schema.js",
        "page": "openapi.json",
        "theirs": theirs["convId"],
        "theirs_message": theirs["serverMsgId"],
        "device": "anns-phone",
        "call": call["callId"],
    }
    for role, names in (await scene.new_group()).items():
        scene.own[role] = scene.own.get(role, {}) | names
    stream = {"groupId": scene.own["owner"]["group"], "type": "stream", "payload": {"text": "Well,"}}
    scene.shared["stream"] = (await anns.ask("start_stream", stream))["streamId"]
    scene.shared |= await _files(ann, scene.own["owner"]["group"])
    for role, person in cast.items():
        scene.sockets[role] = await world.device(person)
    return scene


async def _files(ann: Person, group_id: str) -> Names:
    """Files of Ann's: one that nobody else has, one in the group, one that is half here."""
    names: Names = {}
    for name in ("secret", "sent"):
        answer = await ann.http.post("/api/files/upload", files={"file": ("a.txt", b"words")}, headers=_token_of(ann))
        view = answer.json()
        names |= {name: view["fileId"], f"{name}_path": view["url"].removeprefix("/files/")}
    payload = {"url": f"/files/{names['sent_path']}", "name": "a.txt", "size": 5}
    await ann.post("/api/messages", {"groupId": group_id, "type": "file", "payload": payload})
    begun = await ann.http.post("/api/files/tus", headers=_token_of(ann) | {"Upload-Length": "5"} | TUS)
    return names | {"partial": begun.headers["location"].rpartition("/")[2]}


def _token_of(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}
