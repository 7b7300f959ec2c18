"""What a client asks over HTTP: one typed method a route. `GoimError` if the server says no, `Unreachable` if it is
not there."""

from __future__ import annotations

from collections.abc import Sequence

from goim.client import answers
from goim.client.http import Http, Nothing, part
from goim.model.calls import Call
from goim.model.groups import JoinPolicy


class Api:
    """Everything but the live connection. What is not here is a line with `http`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    # people

    async def user(self, user_id: str) -> answers.User:
        return await self.http.get(f"/api/users/{part(user_id)}", answers.User)

    async def find_users(self, text: str, limit: int = 50) -> list[answers.User]:
        """Those with `text` in username or nickname."""
        return (await self.http.get("/api/users/search", answers.Users, q=text, limit=limit)).users

    async def friends(self, limit: int = 200, offset: int = 0) -> list[answers.Friend]:
        return (await self.http.get("/api/friends", answers.Friends, limit=limit, offset=offset)).friends

    async def friend_requests(self, limit: int = 200) -> list[answers.User]:
        """Who waits for my half of a friendship."""
        return (await self.http.get("/api/friends/requests", answers.Requests, limit=limit)).requests

    async def befriend(self, user_id: str, remark: str = "") -> str:
        """Say my half of a friendship: `pending` until the other one does, then `accepted`."""
        body = {"friendId": user_id} | ({"remark": remark} if remark else {})
        return (await self.http.post("/api/friends", answers.Befriended, body)).status

    async def unfriend(self, user_id: str) -> None:
        await self.http.delete(f"/api/friends/{part(user_id)}")

    async def block(self, user_id: str) -> None:
        await self.http.tell(f"/api/blocks/{part(user_id)}", {})

    async def unblock(self, user_id: str) -> None:
        await self.http.delete(f"/api/blocks/{part(user_id)}")

    async def presence(self, user_ids: Sequence[str]) -> list[answers.Presence]:
        """Of those among at most 200 who are friends or fellow members."""
        return (await self.http.get("/api/presence", answers.Presences, userIds=",".join(user_ids))).presence

    # groups

    async def groups(self, limit: int = 200, offset: int = 0) -> list[answers.Group]:
        return (await self.http.get("/api/groups", answers.Groups, limit=limit, offset=offset)).groups

    async def group(self, group_id: str) -> answers.Group:
        return await self.http.get(f"/api/groups/{part(group_id)}", answers.Group)

    async def make_group(
        self, name: str, user_ids: Sequence[str] = (), policy: JoinPolicy = JoinPolicy.OPEN
    ) -> answers.MadeGroup:
        body = {"name": name, "memberIds": list(user_ids), "joinPolicy": policy}
        return await self.http.post("/api/groups", answers.MadeGroup, body)

    async def join_group(self, group_id: str) -> bool:
        """Whether I am in now; otherwise owner or an admin decides."""
        answer = await self.http.post(f"/api/groups/{part(group_id)}/join", _Joined, {})
        return answer.status != "pending"

    async def leave_group(self, group_id: str) -> None:
        await self.http.tell(f"/api/groups/{part(group_id)}/leave", {})

    async def members(self, group_id: str, cursor: str | None = None, limit: int = 200) -> answers.Members:
        path = f"/api/groups/{part(group_id)}/members"
        return await self.http.get(path, answers.Members, limit=limit, cursor=cursor)

    async def add_members(self, group_id: str, user_ids: Sequence[str]) -> answers.Added:
        path = f"/api/groups/{part(group_id)}/members"
        return await self.http.post(path, answers.Added, {"userIds": list(user_ids)})

    async def remove_member(self, group_id: str, user_id: str) -> None:
        await self.http.delete(f"/api/groups/{part(group_id)}/members/{part(user_id)}")

    # conversations and messages

    async def conversations(self, limit: int = 50, cursor: str | None = None) -> answers.Conversations:
        return await self.http.get("/api/conversations", answers.Conversations, limit=limit, cursor=cursor)

    async def history(
        self, conv_id: str, *, after: int | None = None, before: int | None = None, limit: int = 50
    ) -> answers.History:
        """The messages after a seq or before one, ascending; with neither, the latest."""
        return await self.http.get(
            "/api/messages/history", answers.History, convId=conv_id, fromSeq=after, beforeSeq=before, limit=limit
        )

    async def readers(self, conv_id: str, server_msg_id: str) -> answers.Readers:
        """`UNSUPPORTED` in groups that are too large to tell."""
        path = f"/api/messages/{part(server_msg_id)}/readers"
        return await self.http.get(path, answers.Readers, convId=conv_id)

    async def search(self, words: str, conv_id: str | None = None, limit: int = 50) -> list[answers.Message]:
        """Messages with all the words, the latest first."""
        found = await self.http.get("/api/messages/search", answers.History, q=words, convId=conv_id, limit=limit)
        return found.messages

    async def delete_conversation(self, conv_id: str) -> None:
        """Hide everything up to now, from me alone."""
        await self.http.tell("/api/conversations/delete", {"convId": conv_id})

    # files

    async def upload(self, name: str, content: bytes) -> answers.File:
        return await self.http.upload("/api/files/upload", answers.File, name, content)

    async def download(self, url: str) -> bytes:
        """The bytes at the `url` of a file or a message's payload."""
        return await self.http.bytes_at(url)

    async def files(self, limit: int = 20, offset: int = 0) -> list[answers.File]:
        return (await self.http.get("/api/files", answers.Files, limit=limit, offset=offset)).files

    async def file_link(self, file_id: str) -> answers.Link:
        return await self.http.get(f"/api/files/{part(file_id)}/link", answers.Link)

    async def delete_file(self, file_id: str) -> None:
        await self.http.delete(f"/api/files/{part(file_id)}")

    # favourites

    async def keep_message(self, conv_id: str, server_msg_id: str, tags: Sequence[str] = ()) -> answers.Favourite:
        """A message as it is now, whatever becomes of it later."""
        body = {"convId": conv_id, "messageId": server_msg_id, "tags": list(tags)}
        return await self.http.post("/api/favorites/message", answers.Favourite, body)

    async def keep_note(self, title: str, content: str, tags: Sequence[str] = ()) -> answers.Favourite:
        body = {"title": title, "content": content, "tags": list(tags)}
        return await self.http.post("/api/favorites/custom", answers.Favourite, body)

    async def favourites(self, limit: int = 20, offset: int = 0) -> list[answers.Favourite]:
        return (await self.http.get("/api/favorites", answers.Favourites, limit=limit, offset=offset)).favorites

    async def find_favourites(self, keyword: str) -> list[answers.Favourite]:
        return (await self.http.get("/api/favorites/search", answers.Favourites, keyword=keyword)).favorites

    async def drop_favourite(self, favorite_id: str) -> None:
        await self.http.delete(f"/api/favorites/{part(favorite_id)}")

    # calls

    async def ice_servers(self) -> list[answers.IceServer]:
        return (await self.http.get("/api/webrtc/ice-servers", answers.IceServers)).ice_servers

    async def current_call(self) -> Call:
        """`NOT_FOUND` if there is none."""
        return await self.http.get("/api/webrtc/current-call", Call)

    async def log_out(self) -> None:
        """End this session, on the server too."""
        await self.http.post("/api/logout", Nothing, {})


class _Joined(answers.Answer, frozen=True):
    status: str = "joined"
