"""Bodies of requests: never more than is allowed, never slower than is allowed."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from litestar.types import Receive

from mailwright.api.problems import Refusal, refusal


class CallerGone(Exception):
    """The connection was closed before the request was complete."""


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """RFC 9112 section 6: one of these headers announces a body."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], *, limit: int, seconds: float) -> bytes:
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or int(length) > limit):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _whole(receive, limit)
    except TimeoutError:
        raise refusal("body_timeout", connection="close") from None


async def _whole(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise CallerGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            # The usual request comes in one piece.
            return b"".join((*pieces, piece)) if pieces else piece
        pieces.append(piece)


async def pieces_of_body(receive: Receive, *, seconds: float) -> AsyncIterator[bytes]:
    """As they arrive; the time is for each."""
    more = True
    while more:
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise refusal("body_timeout", connection="close") from None
        if message["type"] != "http.request":
            raise CallerGone
        more = message.get("more_body", False)
        piece = message.get("body", b"")
        if piece:
            yield piece


def _too_large(limit: int) -> Refusal:
    # Closed, so that nobody has to read to the end what nobody wants.
    return refusal("body_too_large", f"a body of this route has at most {limit} bytes", connection="close")
