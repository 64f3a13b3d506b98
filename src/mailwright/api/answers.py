"""Answers, written straight to the server: no framework between our bytes and its."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from litestar.types import Send

JSON = "application/json"

#: An API shows nothing in a browser, and nobody keeps what it says.
COMMON_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_TYPES: dict[str, tuple[bytes, bytes]] = {}
_ENCODER = msgspec.json.Encoder()


class Answer:
    """A whole answer, known before its first byte leaves."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self, status: int, body: bytes = b"", media_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers = headers

    async def send(self, send: Send, request_id: str) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [*self._head(request_id), (b"content-length", b"%d" % len(self.body))],
            }
        )
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def _head(self, request_id: str) -> list[tuple[bytes, bytes]]:
        head: list[tuple[bytes, bytes]] = [*COMMON_HEADERS]
        if self.body:
            head.append(_content_type(self.media_type))
        if request_id:
            head.append((b"x-request-id", request_id.encode()))
        if self.headers:
            # A later header of the same name takes the place of a common one.
            own = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in self.headers.items()]
            names = {name for name, _ in own}
            head = [pair for pair in head if pair[0] not in names] + own
        return head


class Stream(Answer):
    """An answer whose length nobody knows yet."""

    __slots__ = ("chunks",)

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(200, b"\n", media_type, headers)
        self.chunks = chunks

    async def send(self, send: Send, request_id: str) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._head(request_id)})
        async with aclosing(self.chunks):
            async for chunk in self.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """`value` as JSON."""
    named = {name.replace("_", "-"): text for name, text in headers.items()} if headers else None
    return Answer(status, _ENCODER.encode(value), JSON, named)


def nothing(status: int = 204) -> Answer:
    return Answer(status)


def _content_type(media_type: str) -> tuple[bytes, bytes]:
    found = _TYPES.get(media_type)
    if found is None:
        found = _TYPES[media_type] = (b"content-type", media_type.encode())
    return found
