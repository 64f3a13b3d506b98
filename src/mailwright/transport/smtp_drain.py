"""Has the socket taken what was written? The final dot of a long message waits for that, and nothing else does."""

import asyncio
from collections.abc import Callable

#: how often to look, where nobody tells
DRAIN_POLL = 0.002


class Drain:
    """Looks at the bytes that wait in this process: at the connection, and in TLS on top of it.

    `emptied` is called when a look that `poll` has asked for finds nothing left; it has to judge for itself whether
    that still matters, and whether the bytes were sent or dropped.
    """

    __slots__ = ("_emptied", "_left_at_check", "_look_at", "_loop", "_transport", "_wire")

    def __init__(
        self,
        transport: asyncio.Transport,
        wire: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        emptied: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._wire = wire
        self._loop = loop
        self._emptied = emptied
        self._look_at: asyncio.TimerHandle | None = None
        self._left_at_check = 0

    @property
    def left(self) -> int:
        above, below = self._transport, self._wire
        return below.get_write_buffer_size() + (above.get_write_buffer_size() if above is not below else 0)

    def poll(self) -> None:
        """TLS takes everything at once and never says when the socket has taken it from there, so it is asked."""
        if self._transport is not self._wire and self._look_at is None:
            self._look_at = self._loop.call_later(DRAIN_POLL, self._look)

    def _look(self) -> None:
        self._look_at = None
        if self.left:
            self.poll()
        else:
            self._emptied()

    def stop(self) -> None:
        """There is nothing to wait for any more; the next long message begins anew."""
        self._left_at_check = 0
        if self._look_at is not None:
            self._look_at.cancel()
            self._look_at = None

    def progressing(self) -> bool:
        """A long message on a slow line is no silence, as long as the server goes on taking bytes."""
        before, self._left_at_check = self._left_at_check, self.left
        return before == 0 or self._left_at_check < before
