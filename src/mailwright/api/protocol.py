"""uvicorn's HTTP/1.1, with limits on what comes before the body: it has none of its own."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: bytes of the request line and all header fields
MAX_HEAD = 65_536
#: from the connection, or from the first byte of a further request, to the end of its header
HEAD_SECONDS = 30.0


class HeadTooLarge(Exception):
    """The parser turns it into a 400, and the connection is closed."""


class LimitedProtocol(HttpToolsProtocol):
    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = 0
        #: a header has begun and not ended
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and self._head_timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        self._head = 0
        self._in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_timer is not None:
            self._stop_timer()
        super().on_headers_complete()

    def _count(self, octets: int) -> None:
        self._head += octets
        if self._head > MAX_HEAD:
            raise HeadTooLarge

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
