"""Accounts: what may be registered, who gets in, what changes, and what an erased one leaves behind."""

from __future__ import annotations

import asyncio

import pytest

from goim.errors import ErrorCode, StoreDown
from goim.model.conversations import c2c
from goim.model.users import Login
from goim.protocol.close_codes import CloseCode
from goim.services.accounts import QUIET_SECONDS, Profile, PublicUser
from tests.services.reception import HERE, PASSWORD, Reception, refused

ELSEWHERE = "198.51.100.9"


async def _login(reception: Reception, user_id: str) -> Login:
    return await reception.desk.verify((await reception.log_in(user_id)).token)


# registering


async def test_who_registers_can_log_in(reception: Reception) -> None:
    user = await reception.accounts.register("alice", PASSWORD, None, HERE)
    tokens = await reception.accounts.login("alice", PASSWORD, "phone", HERE)
    assert tokens.user_id == user.user_id
    assert (await reception.desk.verify(tokens.token)).device_id == "phone"


async def test_the_nickname_is_the_username_unless_given(reception: Reception) -> None:
    alice = await reception.accounts.register("alice", PASSWORD, None, HERE)
    bob = await reception.accounts.register("bob", PASSWORD, "  Bob the Builder ", HERE)
    assert (alice.nickname, bob.nickname) == ("alice", "Bob the Builder")


async def test_a_username_is_taken_whatever_its_case(reception: Reception) -> None:
    await reception.accounts.register("Alice", PASSWORD, None, HERE)
    with refused(ErrorCode.USERNAME_TAKEN):
        await reception.accounts.register("aLICE", PASSWORD, None, HERE)
    await reception.accounts.login("alice", PASSWORD, None, HERE)


async def test_of_two_who_register_a_name_at_once_one_gets_it(reception: Reception) -> None:
    results = await asyncio.gather(
        *(reception.accounts.register("alice", PASSWORD, None, HERE) for _ in range(4)), return_exceptions=True
    )
    codes = [getattr(result, "code", None) for result in results]
    assert codes.count(ErrorCode.USERNAME_TAKEN) == 3


@pytest.mark.parametrize("username", ["", "ab", "x" * 33, "al ice", "alice\n", "älice", "a/b/c", "alice@x"])
async def test_a_username_has_3_to_32_plain_characters(reception: Reception, username: str) -> None:
    with refused(ErrorCode.INVALID):
        await reception.accounts.register(username, PASSWORD, None, HERE)


@pytest.mark.parametrize("username", ["abc", "x" * 32, "A-b_c.9"])
async def test_these_usernames_are_fine(reception: Reception, username: str) -> None:
    await reception.accounts.register(username, PASSWORD, None, HERE)


@pytest.mark.parametrize(
    ("password", "is_fine"), [("x" * 7, False), ("x" * 8, True), ("x" * 128, True), ("x" * 129, False)]
)
async def test_a_password_has_8_to_128_characters(reception: Reception, password: str, is_fine: bool) -> None:
    if is_fine:
        await reception.accounts.register("alice", password, None, HERE)
        return
    with refused(ErrorCode.INVALID) as error:
        await reception.accounts.register("alice", password, None, HERE)
    assert password not in error[0].message


@pytest.mark.parametrize("nickname", ["", "   ", "x" * 65, "a\nb", "a\u2028b"])
async def test_a_nickname_has_1_to_64_characters_without_controls(reception: Reception, nickname: str) -> None:
    with refused(ErrorCode.INVALID):
        await reception.accounts.register("alice", PASSWORD, nickname, HERE)


async def test_registrations_from_one_address_are_limited(reception: Reception) -> None:
    for number in range(600):
        with refused(ErrorCode.INVALID):  # an attempt counts, whatever comes of it
            await reception.accounts.register("no", PASSWORD, str(number), HERE)
    with refused(ErrorCode.RATE_LIMIT) as error:
        await reception.accounts.register("alice", PASSWORD, None, HERE)
    assert error[0].retry_after_ms in (100, 101)  # rounded up
    await reception.accounts.register("alice", PASSWORD, None, ELSEWHERE)


async def test_no_hash_shows_in_what_is_printed(reception: Reception) -> None:
    user = await reception.accounts.register("alice", PASSWORD, None, HERE)
    await reception.log_in(user.user_id)
    (session,) = await reception.desk.of_user(user.user_id)
    printed = f"{user!r} {user} {session!r} {session}"
    assert user.password_hash not in printed
    assert session.refresh_hash not in printed
    assert "alice" in printed


# logging in


async def test_a_wrong_password_and_an_unknown_name_are_told_the_same(reception: Reception) -> None:
    await reception.person("alice")
    with refused(ErrorCode.BAD_CREDENTIALS) as wrong:
        await reception.accounts.login("alice", "wrong horse", None, HERE)
    with refused(ErrorCode.BAD_CREDENTIALS) as unknown:
        await reception.accounts.login("nobody", PASSWORD, None, HERE)
    with refused(ErrorCode.BAD_CREDENTIALS) as impossible:
        await reception.accounts.login("no such name!", PASSWORD, None, HERE)
    assert wrong[0].message == unknown[0].message == impossible[0].message


@pytest.mark.parametrize("username", ["alice", "nobody"])
async def test_ten_failures_of_an_account_stop_even_the_right_password(reception: Reception, username: str) -> None:
    await reception.person("alice")
    for number in range(10):
        with refused(ErrorCode.BAD_CREDENTIALS):
            await reception.accounts.login(username.swapcase(), "wrong horse", None, f"192.0.2.{number}")
    with refused(ErrorCode.RATE_LIMIT) as error:
        await reception.accounts.login(username, PASSWORD, None, ELSEWHERE)
    assert error[0].retry_after_ms == 6000
    reception.clock.advance(6)
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.accounts.login(username, "wrong horse", None, HERE)


async def test_sixty_failures_from_an_address_stop_it_for_all_accounts(reception: Reception) -> None:
    await reception.person("alice")
    for number in range(60):
        with refused(ErrorCode.BAD_CREDENTIALS):
            await reception.accounts.login(f"nobody-{number}", PASSWORD, None, HERE)
    with refused(ErrorCode.RATE_LIMIT):
        await reception.accounts.login("alice", PASSWORD, None, HERE)
    await reception.accounts.login("alice", PASSWORD, None, ELSEWHERE)


async def test_a_refused_attempt_at_a_locked_account_costs_the_address_nothing(reception: Reception) -> None:
    for number in range(10):
        with refused(ErrorCode.BAD_CREDENTIALS):
            await reception.accounts.login("alice", PASSWORD, None, f"192.0.2.{number}")
    for _ in range(100):
        with refused(ErrorCode.RATE_LIMIT):
            await reception.accounts.login("alice", PASSWORD, None, ELSEWHERE)
    await reception.person("bob")
    await reception.accounts.login("bob", PASSWORD, None, ELSEWHERE)


async def test_a_disabled_account_is_told_so_only_with_the_right_password(reception: Reception) -> None:
    alice = await reception.person("alice")
    await reception.accounts.disable(alice)
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.accounts.login("alice", "wrong horse", None, HERE)
    with refused(ErrorCode.FORBIDDEN):
        await reception.accounts.login("alice", PASSWORD, None, HERE)
    await reception.accounts.enable(alice)
    await reception.accounts.login("alice", PASSWORD, None, HERE)


# the profile


async def test_what_is_left_out_of_a_profile_stays(reception: Reception) -> None:
    alice = await reception.person("alice")
    await reception.accounts.update_profile(alice, None, "https://pictures.test/a.png")
    profile = await reception.accounts.update_profile(alice, "Alice L.", None)
    assert profile == Profile(
        user_id=alice,
        username="alice",
        nickname="Alice L.",
        avatar_url="https://pictures.test/a.png",
        created_at=reception.clock.now_ms(),
    )
    assert await reception.accounts.update_profile(alice, None, None) == profile == await reception.accounts.me(alice)


@pytest.mark.parametrize("url", ["", "http://x.test/a", "https://x.test/" + "a" * 1009, "/files/abc/def.png"])
async def test_these_pictures_are_fine(reception: Reception, url: str) -> None:
    alice = await reception.person("alice")
    assert (await reception.accounts.update_profile(alice, None, url)).avatar_url == url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:image/png;base64,xx",
        "ftp://x.test/a",
        "//x.test/a",
        "/etc/passwd",
        "/files/",
        "/files//x.test",
        "https://",
        "https://x.test/a b",
        "https://x.test/" + "a" * 1010,
    ],
)
async def test_these_pictures_are_not(reception: Reception, url: str) -> None:
    alice = await reception.person("alice")
    with refused(ErrorCode.INVALID):
        await reception.accounts.update_profile(alice, None, url)


# the password


async def test_a_new_password_ends_the_other_sessions(reception: Reception) -> None:
    alice = await reception.person("alice")
    mine = await _login(reception, alice)
    other = await reception.online(alice)
    await reception.accounts.change_password(mine, PASSWORD, "battery staple", HERE)
    assert other.closed is CloseCode.SESSION_ENDED
    assert [session.session_id for session in await reception.desk.of_user(alice)] == [mine.session_id]
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.accounts.login("alice", PASSWORD, None, HERE)
    await reception.accounts.login("alice", "battery staple", None, HERE)


async def test_of_two_new_passwords_at_once_one_is_taken(two_receptions: tuple[Reception, Reception]) -> None:
    """Else whoever knows the old one, too, could replace the new one that its owner was just told is theirs."""
    here, there = two_receptions
    alice = await here.person("alice")
    wanted = {
        "battery staple": (here, await _login(here, alice)),
        "purple elephant": (there, await _login(there, alice)),
    }
    results = await asyncio.gather(
        *(node.accounts.change_password(login, PASSWORD, new, HERE) for new, (node, login) in wanted.items()),
        return_exceptions=True,
    )
    assert [getattr(result, "code", None) for result in results].count(ErrorCode.BAD_CREDENTIALS) == 1
    taken = list(wanted)[results.index(None)]
    await here.accounts.login("alice", taken, None, HERE)


async def test_the_old_password_must_be_right_and_cannot_be_guessed_either(reception: Reception) -> None:
    mine = await _login(reception, await reception.person("alice"))
    for _ in range(10):
        with refused(ErrorCode.BAD_CREDENTIALS):
            await reception.accounts.change_password(mine, "wrong horse", "battery staple", HERE)
    with refused(ErrorCode.RATE_LIMIT):
        await reception.accounts.change_password(mine, PASSWORD, "battery staple", HERE)
    reception.clock.advance(60)
    await reception.accounts.login("alice", PASSWORD, None, HERE)


async def test_a_new_password_is_held_to_the_same_rule(reception: Reception) -> None:
    mine = await _login(reception, await reception.person("alice"))
    with refused(ErrorCode.INVALID):
        await reception.accounts.change_password(mine, PASSWORD, "short", HERE)


async def test_a_password_set_by_an_administrator_ends_every_session(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket = await reception.online(alice)
    await reception.accounts.set_password(alice, "battery staple")
    assert socket.closed is CloseCode.SESSION_ENDED
    await reception.accounts.login("alice", "battery staple", None, HERE)
    with refused(ErrorCode.NOT_FOUND):
        await reception.accounts.set_password("nobody", "battery staple")


async def test_disabling_ends_every_session(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket = await reception.online(alice)
    await reception.accounts.disable(alice)
    assert socket.closed is CloseCode.SESSION_ENDED
    assert await reception.desk.of_user(alice) == []


async def test_an_administrator_is_made_and_unmade(reception: Reception) -> None:
    alice = await reception.person("alice")
    await reception.accounts.make_admin(alice)
    assert (await reception.accounts.get(alice)).is_admin
    await reception.accounts.make_admin(alice, is_admin=False)
    assert not (await reception.accounts.get(alice)).is_admin


# finding people


async def test_search_finds_usernames_and_nicknames_and_tells_only_what_is_public(reception: Reception) -> None:
    alice = await reception.person("alice")
    bob = (await reception.accounts.create("bob", PASSWORD, "Alicia's friend")).user_id
    await reception.person("carol")
    found = await reception.accounts.search(" ALIC ", 50)
    assert found == [
        PublicUser(user_id=alice, username="alice", nickname="alice", avatar_url=""),
        PublicUser(user_id=bob, username="bob", nickname="Alicia's friend", avatar_url=""),
    ]
    assert len(await reception.accounts.search("alic", 1)) == 1


async def test_search_does_not_find_disabled_accounts(reception: Reception) -> None:
    await reception.accounts.disable(await reception.person("alice"))
    assert await reception.accounts.search("alice", 50) == []


@pytest.mark.parametrize("query", ["", "  ", "x" * 65])
async def test_search_wants_something_to_search_for(reception: Reception, query: str) -> None:
    with refused(ErrorCode.INVALID):
        await reception.accounts.search(query, 50)


async def test_an_account_is_found_by_name_or_id(reception: Reception) -> None:
    alice = await reception.person("alice")
    assert (await reception.accounts.find("ALICE")).user_id == alice
    assert (await reception.accounts.find(alice)).user_id == alice
    with refused(ErrorCode.NOT_FOUND):
        await reception.accounts.find("nobody")


@pytest.mark.parametrize("user_id", ["", "nobody", "x" * 65, "x" * 100_000])
async def test_nobody_is_not_found(reception: Reception, user_id: str) -> None:
    with refused(ErrorCode.NOT_FOUND):
        await reception.accounts.get(user_id)


# erasing


async def test_an_erased_account_is_gone_and_its_name_free(reception: Reception) -> None:
    alice = await reception.person("alice")
    login = await _login(reception, alice)
    await reception.accounts.erase_own(login, PASSWORD, HERE)
    with refused(ErrorCode.NOT_FOUND):
        await reception.accounts.get(alice)
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.accounts.login("alice", PASSWORD, None, HERE)
    assert await reception.person("alice") != alice


async def test_erasing_asks_for_the_password(reception: Reception) -> None:
    alice = await reception.person("alice")
    login = await _login(reception, alice)
    with refused(ErrorCode.BAD_CREDENTIALS):
        await reception.accounts.erase_own(login, "wrong horse", HERE)
    assert (await reception.accounts.get(alice)).username == "alice"


async def test_friends_of_an_erased_account_are_told_and_can_no_longer_write(reception: Reception) -> None:
    alice, bob = await reception.person("alice"), await reception.person("bob")
    await reception.friends.befriend(alice, bob, None)
    await reception.friends.befriend(bob, alice, None)
    conv = await reception.access._conversations.create(c2c(alice, bob))
    (await reception.access.of(bob, conv.conv_id)).check_write(0)
    socket = await reception.online(bob)
    await reception.accounts.erase(alice)
    assert socket.take() == [("friend_removed", {"userId": alice})]
    assert await reception.friends.friends(bob, 50, 0) == []
    with refused(ErrorCode.NOT_FRIEND):
        (await reception.access.of(bob, conv.conv_id)).check_write(0)


async def test_who_is_erased_while_they_are_connected_is_cut_off_first(reception: Reception) -> None:
    alice = await reception.person("alice")
    socket, login, asked = await reception.online(alice), await _login(reception, alice), asyncio.Event()

    async def forget(_: str) -> None:
        asked.set()

    reception.accounts.on_erase.append(forget)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reception.accounts.erase_own(login, PASSWORD, HERE))
        await reception.clock.until_asleep()
        assert socket.closed is CloseCode.SESSION_ENDED
        assert not asked.is_set(), "what they were at may not be done yet"
        reception.clock.advance(QUIET_SECONDS)
    assert asked.is_set()


async def test_others_are_asked_to_forget_an_account_before_it_goes(reception: Reception) -> None:
    alice = await reception.person("alice")
    seen: list[tuple[str, str]] = []

    async def forget(user_id: str) -> None:
        seen.append((user_id, (await reception.accounts.get(user_id)).username))

    reception.accounts.on_erase.append(forget)
    await reception.accounts.erase(alice)
    assert seen == [(alice, "alice")]


async def test_friends_are_told_of_an_erasure_whatever_goes_wrong_behind_it(reception: Reception) -> None:
    alice, bob = await reception.person("alice"), await reception.person("bob")
    await reception.friends.befriend(alice, bob, None)
    await reception.friends.befriend(bob, alice, None)
    socket = await reception.online(bob)

    async def forget(_: str) -> None:
        raise StoreDown

    reception.accounts.after_erase.append(forget)
    with pytest.raises(StoreDown):
        await reception.accounts.erase(alice)
    assert socket.take() == [("friend_removed", {"userId": alice})]


async def test_an_erasure_that_fails_half_way_can_be_tried_again(reception: Reception) -> None:
    alice = await reception.person("alice")
    login = await _login(reception, alice)
    failures: list[Exception] = [StoreDown()]

    async def forget(user_id: str) -> None:
        if failures:
            raise failures.pop()

    reception.accounts.on_erase.append(forget)
    with pytest.raises(StoreDown):
        await reception.accounts.erase_own(login, PASSWORD, HERE)
    await reception.accounts.erase_own(login, PASSWORD, HERE)
    with refused(ErrorCode.NOT_FOUND):
        await reception.accounts.get(alice)
    with refused(ErrorCode.NOT_FOUND):
        await reception.accounts.erase(alice)
