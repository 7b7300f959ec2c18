"""Sessions: what a token costs to check, how it is renewed, and that it ends when it should."""

from __future__ import annotations

import asyncio

import jwt
import pytest

from goim.errors import ErrorCode, StoreDown
from goim.model.users import Login
from goim.notices import SessionsEnded
from goim.protocol.close_codes import CloseCode
from goim.services.sessions import CHECK_SECONDS, MAX_SESSIONS
from tests.services.reception import HERE, PASSWORD, Reception, refused


async def test_a_token_speaks_for_its_user_and_session(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice, "phone")
    login = await reception.desk.verify(tokens.token)
    assert (login.user_id, login.device_id) == (alice, "phone")
    assert [session.session_id for session in await reception.desk.of_user(alice)] == [login.session_id]
    assert tokens.expires_at == reception.clock.now_ms() + 3_600_000


async def test_a_valid_token_costs_no_query_from_its_login_on(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    before = reception.queries
    await reception.desk.verify(tokens.token)
    assert reception.queries == before


async def test_another_node_asks_once(two_receptions: tuple[Reception, Reception]) -> None:
    here, there = two_receptions
    tokens = await here.log_in(await here.person("alice"))
    at_first = there.queries
    await there.desk.verify(tokens.token)
    assert there.queries != at_first
    before = there.queries
    await there.desk.verify(tokens.token)
    assert there.queries == before
    assert before["sessions.living"] == 1


async def test_after_a_minute_the_database_is_asked_again(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    reception.clock.advance(CHECK_SECONDS)
    before = reception.queries["sessions.living"]
    await reception.desk.verify(tokens.token)
    await reception.desk.verify(tokens.token)
    assert reception.queries["sessions.living"] == before + 1


async def test_a_session_that_another_process_ended_is_over_within_a_minute(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    (session,) = await reception.desk.of_user(alice)
    await reception.stores["sessions"].end([session.session_id])
    reception.clock.advance(CHECK_SECONDS)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(tokens.token)


async def test_an_expired_token_is_refused_although_its_session_lives(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    reception.clock.advance(3600)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(tokens.token)


async def test_no_token_outlives_its_session(reception: Reception) -> None:
    reception.desk._token_ms = 2 * 86_400_000  # longer than the session
    tokens = await reception.log_in(await reception.person("alice"))
    assert tokens.expires_at == reception.clock.now_ms() + 86_400_000


# ending


async def test_logout_ends_tokens_and_sockets_on_every_node(two_receptions: tuple[Reception, Reception]) -> None:
    here, there = two_receptions
    tokens = await here.log_in(await here.person("alice"))
    socket = await there.connect(tokens)
    await here.desk.logout(await here.desk.verify(tokens.token))
    assert socket.closed is CloseCode.SESSION_ENDED
    for desk in (here.desk, there.desk):
        with refused(ErrorCode.UNAUTHORIZED):
            await desk.verify(tokens.token)
    with refused(ErrorCode.UNAUTHORIZED):
        await here.desk.refresh(tokens.refresh_token)


async def test_logout_leaves_the_other_sessions_alone(reception: Reception) -> None:
    alice = await reception.person("alice")
    first, second = await reception.log_in(alice), await reception.log_in(alice)
    socket = await reception.connect(second)
    await reception.desk.logout(await reception.desk.verify(first.token))
    await reception.desk.verify(second.token)
    assert socket.closed is None


async def test_a_session_that_ends_while_the_database_is_asked_is_refused(
    two_receptions: tuple[Reception, Reception],
) -> None:
    """Else a socket could come up just after the sockets of its session were closed."""
    here, there = two_receptions
    tokens = await here.log_in(await here.person("alice"))
    login = await here.desk.verify(tokens.token)
    ended = SessionsEnded([login.session_id], CloseCode.SESSION_ENDED)
    there.stores["sessions"].after["living"] = lambda: there.notices.emit(ended)
    with refused(ErrorCode.UNAUTHORIZED):
        await there.desk.verify(tokens.token)
    with refused(ErrorCode.UNAUTHORIZED):
        await there.desk.verify(tokens.token)


async def test_end_others_keeps_the_callers_session(reception: Reception) -> None:
    alice = await reception.person("alice")
    mine, other = await reception.log_in(alice), await reception.log_in(alice)
    await reception.desk.end_others(await reception.desk.verify(mine.token))
    await reception.desk.verify(mine.token)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(other.token)


async def test_end_all_ends_every_session_of_one_user_only(reception: Reception) -> None:
    alice, bob = await reception.person("alice"), await reception.person("bob")
    ours = [await reception.log_in(alice), await reception.log_in(alice)]
    his = await reception.log_in(bob)
    await reception.desk.end_all(alice)
    for tokens in ours:
        with refused(ErrorCode.UNAUTHORIZED):
            await reception.desk.verify(tokens.token)
    await reception.desk.verify(his.token)


async def test_sockets_of_a_session_that_went_behind_our_back_are_closed(reception: Reception) -> None:
    alice, bob = await reception.person("alice"), await reception.person("bob")
    gone, stays = await reception.online(alice), await reception.online(bob)
    await reception.stores["sessions"].end([gone.session_id])
    async with reception.desk.running():
        await reception.clock.until_asleep()
        reception.clock.advance(CHECK_SECONDS)
        await reception.clock.until_asleep()
    assert gone.closed is CloseCode.SESSION_ENDED
    assert stays.closed is None


async def test_a_socket_ends_with_its_token_and_the_session_goes_on(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    socket = await reception.connect(tokens)
    reception.clock.advance(1800)
    fresh = await reception.desk.refresh(tokens.refresh_token)
    later = await reception.connect(fresh, "laptop")
    reception.stores["sessions"].fails["living"] = StoreDown()
    async with reception.desk.running():
        await reception.clock.until_asleep()
        reception.clock.advance(1740)
        await reception.clock.until_asleep()
        assert [socket.closed, later.closed] == [None, None]
        reception.clock.advance(CHECK_SECONDS)
        await reception.clock.until_asleep()
    assert [socket.closed, later.closed] == [CloseCode.SESSION_ENDED, None]
    reception.stores["sessions"].fails.clear()
    assert (await reception.desk.verify(fresh.token)).user_id == alice


async def test_a_database_that_is_down_closes_no_socket(reception: Reception) -> None:
    socket = await reception.online(await reception.person("alice"))
    reception.stores["sessions"].fails["living"] = StoreDown()
    async with reception.desk.running():
        for _ in range(2):
            await reception.clock.until_asleep()
            reception.clock.advance(CHECK_SECONDS)
        await reception.clock.until_asleep()
    assert socket.closed is None


# opening


async def test_a_second_login_of_a_device_ends_the_first(reception: Reception) -> None:
    alice = await reception.person("alice")
    first = await reception.log_in(alice, "phone")
    socket = await reception.connect(first)
    tablet = await reception.log_in(alice, "tablet")
    anywhere = await reception.log_in(alice)
    second = await reception.log_in(alice, "phone")
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(first.token)
    assert socket.closed is CloseCode.SESSION_ENDED
    for tokens in (second, tablet, anywhere):
        await reception.desk.verify(tokens.token)


async def test_of_two_logins_of_a_device_at_once_one_session_lives(
    two_receptions: tuple[Reception, Reception],
) -> None:
    here, there = two_receptions
    alice = await here.person("alice")
    await asyncio.gather(*(node.log_in(alice, "phone") for node in (here, there, here, there)))
    assert len(await here.desk.of_user(alice)) == 1


async def test_the_same_device_name_of_somebody_else_is_another_device(reception: Reception) -> None:
    alice = await reception.log_in(await reception.person("alice"), "phone")
    await reception.log_in(await reception.person("bob"), "phone")
    await reception.desk.verify(alice.token)


async def test_sessions_are_bounded_and_the_oldest_make_room(reception: Reception) -> None:
    alice = await reception.person("alice")
    first = await reception.log_in(alice)
    for _ in range(MAX_SESSIONS):
        reception.clock.advance(1)
        last = await reception.log_in(alice)
    assert len(await reception.desk.of_user(alice)) == MAX_SESSIONS
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(first.token)
    await reception.desk.verify(last.token)


async def test_sessions_that_expired_are_swept_at_the_next_login(reception: Reception) -> None:
    alice = await reception.person("alice")
    await reception.log_in(alice)
    reception.clock.advance(86_400)
    assert await reception.desk.of_user(alice) == []
    await reception.log_in(alice)
    assert len(await reception.stores["sessions"].of_user(alice)) == 1


async def test_an_account_disabled_while_it_logs_in_gets_no_session(reception: Reception) -> None:
    alice = await reception.person("alice")
    user = await reception.accounts.get(alice)
    await reception.accounts.disable(alice)  # after the login asked for the user, before it opened the session
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.issue(user, None)
    assert await reception.desk.of_user(alice) == []


async def test_a_password_that_is_changed_while_somebody_logs_in_with_it_opens_nothing(reception: Reception) -> None:
    """Be it by its owner or by an administrator: whoever else knew it would be in, and stay."""
    alice = await reception.person("alice")
    mine = await reception.desk.verify((await reception.log_in(alice)).token)
    user = await reception.accounts.get(alice)  # a login has looked at the password, and not opened its session yet
    await reception.accounts.change_password(mine, PASSWORD, "battery staple", HERE)
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.desk.issue(user, None)
    assert [session.session_id for session in await reception.desk.of_user(alice)] == [mine.session_id]
    user = await reception.accounts.get(alice)
    await reception.accounts.set_password(alice, "purple elephant")
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.desk.issue(user, "phone")
    assert await reception.desk.of_user(alice) == []


@pytest.mark.parametrize("device_id", ["", "x" * 65])
async def test_a_device_id_has_1_to_64_characters(reception: Reception, device_id: str) -> None:
    alice = await reception.person("alice")
    with refused(ErrorCode.INVALID):
        await reception.log_in(alice, device_id)
    await reception.log_in(alice, "x" * 64)


# renewing


async def test_a_refresh_token_gives_new_tokens_of_the_same_session(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"), "phone")
    reception.clock.advance(3600)
    renewed = await reception.desk.refresh(tokens.refresh_token)
    login = await reception.desk.verify(renewed.token)
    assert login.device_id == "phone"
    assert login.session_id == jwt.decode(tokens.token, options={"verify_signature": False})["sid"]
    assert renewed.refresh_token != tokens.refresh_token
    assert renewed.expires_at == reception.clock.now_ms() + 3_600_000


async def test_a_session_lasts_as_long_as_it_is_used(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    for _ in range(3):
        reception.clock.advance(86_399)
        tokens = await reception.desk.refresh(tokens.refresh_token)
    reception.clock.advance(86_400)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.refresh(tokens.refresh_token)


async def test_a_spent_refresh_token_ends_the_whole_session(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    socket = await reception.connect(tokens)
    renewed = await reception.desk.refresh(tokens.refresh_token)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.refresh(tokens.refresh_token)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.verify(renewed.token)
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.refresh(renewed.refresh_token)
    assert socket.closed is CloseCode.SESSION_ENDED


async def test_of_two_refreshes_at_once_not_both_succeed(two_receptions: tuple[Reception, Reception]) -> None:
    here, there = two_receptions
    tokens = await here.log_in(await here.person("alice"))
    results = await asyncio.gather(
        *(node.desk.refresh(tokens.refresh_token) for node in (here, there)), return_exceptions=True
    )
    assert sum(isinstance(result, Exception) for result in results) == 1


@pytest.mark.parametrize("token", ["", "x", "x.y", ".", "x" * 1000, "\udcff.x"])
async def test_what_is_no_refresh_token_is_refused(reception: Reception, token: str) -> None:
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.refresh(token)


async def test_a_disabled_account_cannot_refresh(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    await reception.stores["users"].update(alice, {"is_disabled": True})  # by another process
    with refused(ErrorCode.UNAUTHORIZED):
        await reception.desk.refresh(tokens.refresh_token)


async def test_only_a_hash_of_the_refresh_token_is_kept(reception: Reception) -> None:
    alice = await reception.person("alice")
    tokens = await reception.log_in(alice)
    (session,) = await reception.desk.of_user(alice)
    assert session.refresh_hash not in tokens.refresh_token
    assert tokens.refresh_token.partition(".")[2] not in session.refresh_hash
    assert tokens.refresh_token.partition(".")[0] == session.session_id


async def test_no_token_shows_in_what_is_printed(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    assert tokens.token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)


async def test_a_login_is_not_affected_by_the_end_of_a_session_nobody_has(reception: Reception) -> None:
    tokens = await reception.log_in(await reception.person("alice"))
    await reception.desk.logout(Login("mallory", "no such session", None))
    await reception.desk.verify(tokens.token)
