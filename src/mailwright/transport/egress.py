"""The one HTTP client. Every request says what it is for, goes to an address that was vetted for that purpose, and is
limited in time, size and redirects. Proxies, cookies and credentials of the environment are never used.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Self

import httpcore2
import httpx2

from mailwright.errors import EgressError, EgressFailed, EgressReason, EgressRefused, EgressRule, EgressTimeout
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import Purpose
from mailwright.transport.egress_network import DialledNetwork
from mailwright.transport.egress_request import Hop, first_hop, next_hop

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
#: what we ask for and can unpack in bounded pieces; chains of encodings are how a small answer becomes a big one
_ENCODINGS = frozenset({"", "identity", "gzip"})
#: connections that rest between requests, and for how many seconds; a server that closes sooner is noticed
_RESTING = 20
_REST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class EgressResponse:
    status: int
    #: names in lower case; several of one name are joined by a comma (RFC 9110 section 5.3)
    headers: Mapping[str, str]
    #: unpacked
    body: bytes
    #: address and port that answered
    address: str
    #: seconds, redirects included
    elapsed: float


@dataclass(slots=True)
class _Progress:
    """How far a request has come, so that an error can say so."""

    server: str
    status: int = 0


class Egress:
    """HTTP requests under the policy of a dialler."""

    def __init__(self, dialler: Dialler, context: ssl.SSLContext | None = None) -> None:
        self._dialler = dialler
        self._context = context
        # One pool for each purpose: a connection that one purpose was allowed to open is not lent to another.
        self._pools: dict[Purpose, httpcore2.AsyncConnectionPool] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        purpose: Purpose,
        headers: Mapping[str, str] = _NO_HEADERS,
        content: bytes = b"",
        timeout: float = 20.0,  # noqa: ASYNC109 - named in the error
        max_bytes: int = 1_048_576,
        max_redirects: int = 0,
    ) -> EgressResponse:
        """The answer, whatever its status. Without `max_redirects` a redirect is an answer like any other.

        Raises EgressRefused when a rule forbids it, EgressFailed when there is no whole answer.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        hop = first_hop(method, url, headers, content)
        progress = _Progress(hop.server)
        try:
            async with _time_limit(timeout, progress):
                status, found, body, address = await self._follow(hop, purpose, max_bytes, max_redirects, progress)
        except EgressError as error:
            error.elapsed = loop.time() - started
            raise
        return EgressResponse(status, found, body, address, loop.time() - started)

    def only(self, purpose: Purpose) -> "EgressFor":
        """A client that can do nothing else, for a room that needs no more."""
        return EgressFor(self, purpose)

    async def close(self) -> None:
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            await pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _follow(
        self, hop: Hop, purpose: Purpose, max_bytes: int, max_redirects: int, progress: _Progress
    ) -> tuple[int, Mapping[str, str], bytes, str]:
        for left in range(max_redirects, -1, -1):
            progress.server, progress.status = hop.server, 0
            answer = await self._exchange(hop, purpose, max_bytes, progress)
            following = next_hop(hop, answer[0], answer[1].get("location", "")) if max_redirects else None
            if following is None:
                return answer
            if left:
                hop = following
        message = f"the server redirects more than {max_redirects} times"
        raise EgressRefused(message, rule=EgressRule.REDIRECT, server=hop.server)

    async def _exchange(
        self, hop: Hop, purpose: Purpose, max_bytes: int, progress: _Progress
    ) -> tuple[int, Mapping[str, str], bytes, str]:
        try:
            core = await self._pool(purpose).handle_async_request(_core_request(hop))
            progress.status = core.status
            try:
                limit = _Limit(max_bytes, progress)
                response = httpx2.Response(core.status, headers=core.headers, stream=_Raw(core, limit))
                body = await _unpacked(response, limit, progress)
            finally:
                await core.aclose()
        except httpcore2.ProtocolError as error:
            # The library says the same of a server that hangs up and of one that speaks another protocol.
            message = "the server closed the connection or does not speak HTTP"
            raise EgressFailed(
                message, reason=EgressReason.PROTOCOL, server=hop.server, status=progress.status
            ) from error
        except httpcore2.NetworkError as error:
            message = "the connection was lost"
            raise EgressFailed(message, reason=EgressReason.LOST, server=hop.server, status=progress.status) from error
        address = core.extensions["network_stream"].get_extra_info("server_addr")
        return core.status, MappingProxyType(dict(response.headers)), body, address

    def _pool(self, purpose: Purpose) -> httpcore2.AsyncConnectionPool:
        if purpose not in self._pools:
            if self._context is None:
                self._context = _context()
            self._pools[purpose] = httpcore2.AsyncConnectionPool(
                ssl_context=self._context,
                # How many at once is for the caller to decide: here one slow server would keep others waiting.
                max_connections=None,
                max_keepalive_connections=_RESTING,
                keepalive_expiry=_REST_SECONDS,
                network_backend=DialledNetwork(self._dialler, purpose),
            )
        return self._pools[purpose]


@dataclass(frozen=True, slots=True)
class EgressFor:
    """The HTTP client for one purpose."""

    _egress: Egress
    _purpose: Purpose

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        content: bytes = b"",
        timeout: float = 20.0,  # noqa: ASYNC109 - named in the error
        max_bytes: int = 1_048_576,
        max_redirects: int = 0,
    ) -> EgressResponse:
        return await self._egress.request(
            method,
            url,
            purpose=self._purpose,
            headers=headers,
            content=content,
            timeout=timeout,
            max_bytes=max_bytes,
            max_redirects=max_redirects,
        )


@asynccontextmanager
async def _time_limit(seconds: float, progress: _Progress) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"no complete answer within {seconds:g} s"
        raise EgressTimeout(
            message, reason=EgressReason.TIMEOUT, server=progress.server, status=progress.status
        ) from None


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _core_request(hop: Hop) -> httpcore2.Request:
    headers = httpx2.Headers({"User-Agent": "Mailwright", "Accept": "*/*", "Accept-Encoding": "gzip"})
    headers.update(hop.headers)
    request = httpx2.Request(hop.method, hop.url, headers=headers, content=hop.content or None)
    url = httpcore2.URL(scheme=hop.url.raw_scheme, host=hop.url.raw_host, port=hop.url.port, target=hop.url.raw_path)
    return httpcore2.Request(hop.method, url, headers=request.headers.raw, content=request.stream)


@dataclass(slots=True)
class _Limit:
    """Counts bytes; those that arrive and those that come out of unpacking each have the whole limit."""

    max_bytes: int
    progress: _Progress

    def check(self, count: int) -> None:
        if count > self.max_bytes:
            raise EgressFailed(
                f"the answer is bigger than {self.max_bytes} bytes",
                reason=EgressReason.TOO_BIG,
                server=self.progress.server,
                status=self.progress.status,
            )


class _Raw(httpx2.AsyncByteStream):
    """The bytes as they arrive."""

    def __init__(self, core: httpcore2.Response, limit: _Limit) -> None:
        self._core = core
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for chunk in self._core.aiter_stream():
            count += len(chunk)
            # An answer may be small when unpacked and endless all the same: empty blocks, bytes after the end.
            self._limit.check(count)
            yield chunk


async def _unpacked(response: httpx2.Response, limit: _Limit, progress: _Progress) -> bytes:
    if response.headers.get("content-encoding", "").strip().lower() not in _ENCODINGS:
        message = "the answer is packed in a way that was not asked for"
        raise EgressFailed(message, reason=EgressReason.PROTOCOL, server=progress.server, status=progress.status)
    pieces: list[bytes] = []
    count = 0
    try:
        async for piece in response.aiter_bytes():
            count += len(piece)
            limit.check(count)
            pieces.append(piece)
    except httpx2.DecodingError as error:
        message = "the answer cannot be unpacked"
        raise EgressFailed(
            message, reason=EgressReason.PROTOCOL, server=progress.server, status=progress.status
        ) from error
    return b"".join(pieces)
