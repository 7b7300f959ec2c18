"""The bus of nodes that live in one process: nothing to carry when there is only one."""

from __future__ import annotations

from goim.bus.base import Alarm, Interruption, Receiver


class MemoryHub:
    """Where the buses of several nodes in one process meet."""

    def __init__(self) -> None:
        self.subscribers: dict[str, list[MemoryBus]] = {}
        self.buses = 0


class MemoryBus:
    """One node's bus on a hub of its own or a shared one."""

    def __init__(self, hub: MemoryHub | None = None) -> None:
        self._hub = hub or MemoryHub()
        self._hub.buses += 1
        self._receiver: Receiver | None = None
        self._alarm: Alarm | None = None
        self._cut_at: int | None = None

    @property
    def has_company(self) -> bool:
        return self._hub.buses > 1

    @property
    def ahead_ms(self) -> int:
        return 0  # nodes of one process have one clock

    def publish(self, topic: str, body: bytes) -> None:
        if self._cut_at is not None:
            return
        for bus in list(self._hub.subscribers.get(topic, ())):
            if bus is not self and bus._receiver is not None and bus._cut_at is None:
                bus._receiver(topic, body)

    def subscribe(self, topic: str) -> None:
        subscribers = self._hub.subscribers.setdefault(topic, [])
        if self not in subscribers:
            subscribers.append(self)

    def unsubscribe(self, topic: str) -> None:
        subscribers = self._hub.subscribers.get(topic, [])
        if self in subscribers:
            subscribers.remove(self)
            if not subscribers:
                del self._hub.subscribers[topic]

    def listen(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def on_interruption(self, alarm: Alarm) -> None:
        self._alarm = alarm

    async def settled(self) -> None: ...

    def cut(self, now_ms: int) -> None:
        """Lose everything that comes or goes from now on, as a bus may."""
        self._cut_at = now_ms

    def mend(self) -> None:
        """Be well again."""
        since, self._cut_at = self._cut_at, None
        if since is not None and self._alarm is not None:
            self._alarm(Interruption(since, is_mutual=True))
