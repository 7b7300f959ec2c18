"""Passwords: hashed off the loop, and no hint whether there is such an account."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher

from goim.errors import ErrorCode
from goim.services import passwords as module
from goim.services.passwords import Passwords
from tests.services.reception import refused


@pytest.fixture(autouse=True)
def as_in_production(real_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HASHER", real_hasher)


async def test_the_right_password_matches_and_another_does_not(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert await passwords.matches(stored, "correct horse")
    assert not await passwords.matches(stored, "correct horsE")
    assert "correct horse" not in stored


async def test_the_same_password_is_stored_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse") != await passwords.hash("correct horse")


async def test_the_parameters_are_those_of_owasp(passwords: Passwords) -> None:
    assert (await passwords.hash("correct horse")).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password", ["", "nobody has this password", "x" * 128])
async def test_without_an_account_nothing_matches(passwords: Passwords, password: str) -> None:
    assert not await passwords.matches(None, password)


async def test_without_an_account_the_same_work_is_done(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    verify = module._verify

    def spy(password_hash: str, password: str) -> bool:
        verified.append(password_hash)
        return verify(password_hash, password)

    monkeypatch.setattr(module, "_verify", spy)
    await passwords.matches(None, "correct horse")
    await passwords.matches(await passwords.hash("x" * 8), "correct horse")
    nobodys, somebodys = verified
    assert nobodys.rpartition("$")[0].rpartition("$")[0] == somebodys.rpartition("$")[0].rpartition("$")[0]


@pytest.mark.parametrize("stored", ["", "plain text", "$argon2id$broken"])
async def test_a_broken_hash_matches_nothing(passwords: Passwords, stored: str) -> None:
    assert not await passwords.matches(stored, "plain text")


async def test_no_hash_is_computed_on_the_loop(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[str] = set()

    def spy(*_: Any) -> bool:
        threads.add(threading.current_thread().name)
        return True

    monkeypatch.setattr(module, "_verify", spy)
    await asyncio.gather(*(passwords.matches("x", "y") for _ in range(20)))
    assert threads
    assert all(name.startswith("passwords") for name in threads)
    assert len(threads) <= 2


async def test_more_than_can_be_worked_off_soon_are_refused(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = threading.Event()
    monkeypatch.setattr(module, "_verify", lambda *_: blocked.wait(60))
    monkeypatch.setattr(module, "_MAX_WAITING", 3)
    waiting = [asyncio.ensure_future(passwords.matches("x", "y")) for _ in range(3)]  # noqa: TID251 - awaited below
    await asyncio.wait(waiting, timeout=0)
    with refused(ErrorCode.UNAVAILABLE) as error:
        await passwords.matches("x", "y")
    assert error[0].retry_after_ms
    blocked.set()
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert await passwords.matches("x", "y")
