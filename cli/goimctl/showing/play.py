"""Keeps the demo alive: people go on talking, answer what you write to them, and the bot streams its answers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

from goim.client import Client, GoimError, MessagePush, text_of
from goim.clock import SystemClock
from goimctl.showing import cast
from goimctl.showing.stage import Stage, say

_BETWEEN_LINES = 6.0
_TYPING = 1.5
_BETWEEN_WORDS = 0.08
_clock = SystemClock()


async def play(stage: Stage) -> None:
    """Until it is cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_chat_on(stage))
        for name, client in stage.people.items():
            if name != cast.YOU:
                tasks.create_task(_attend(client, stage.you.user_id, is_bot=name == cast.BOT))


async def _chat_on(stage: Stage) -> None:
    for place, line in itertools.cycle(cast.CHATTER):
        await _clock.sleep(_BETWEEN_LINES)
        room = stage.rooms[place]
        with contextlib.suppress(GoimError):  # the group is gone, or this one is not in it any more: so be it
            await stage.people[line.who].typing(room.conv_id)
            await _clock.sleep(_TYPING)
            await say(stage, line, room, [])


async def _attend(client: Client, you: str, *, is_bot: bool) -> None:
    """Read what comes, and answer what you write to this one alone."""
    replies = itertools.cycle(cast.REPLIES)
    async for event in client.events():
        if not isinstance(event, MessagePush):
            continue
        message = event.data
        try:
            await client.read(message.conv_id, message.seq)
            if message.from_ != you or message.conv_type != "c2c":
                continue
            if is_bot:
                await _speak(client, message.conv_id, text_of(message))
            else:
                await client.typing(message.conv_id)
                await _clock.sleep(_TYPING)
                await client.send(next(replies), conv=message.conv_id)
        except GoimError:  # you unfriended or blocked this one, or the conversation is gone: so be it
            continue


async def _speak(client: Client, conv_id: str, said: str) -> None:
    async with client.stream(conv=conv_id) as stream:
        for word in _words("".join(cast.SPEECH).format(said=said[:200])):
            await stream.write(word)
            await _clock.sleep(_BETWEEN_WORDS)


def _words(text: str) -> list[str]:
    """The text in pieces as a language model hands them out."""
    return [word + " " for word in text.split(" ")]
