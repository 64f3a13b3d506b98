"""Calls to a service over HTTP: the token, the workspace, time limits, and what is tried again."""

import asyncio
import ipaddress
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from mailwright.client.problems import error_of_answer
from mailwright.errors import EgressFailed, EgressReason, EgressTimeout, InvalidSetting, MailwrightError
from mailwright.secret import Secret

Read = TypeVar("Read")
Query = Mapping[str, str | int | bool | Sequence[str] | None]

#: more than any answer but the body of a message, which has no limit here
_CONNECT_SECONDS = 10.0
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0

# Nothing of the request was read by anybody: whatever it asks for, it may be made again.
_NOT_ASKED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


_EMPTY: Mapping[str, str] = MappingProxyType({})


class Server(NamedTuple):
    #: without a slash at its end
    base: str
    #: host and port, for errors
    name: str
    loopback: bool


class Request(NamedTuple):
    method: str
    path: str
    query: Query = _EMPTY
    #: what msgspec encodes; None: no body
    body: object = None
    headers: Mapping[str, str] = _EMPTY
    #: asking twice does the same as asking once
    repeatable: bool = False
    #: seconds that the service may take before its answer, beside the usual time
    waits: float = 0.0


class Http:
    """One service, one token, one workspace."""

    def __init__(
        self,
        url: str,
        token: Secret | str,
        *,
        workspace: str = "",
        timeout: float = 30.0,
        retries: int = 3,
        ca_file: str = "",
    ) -> None:
        self._server = read_server(url)
        self._token = Secret(token)
        self._workspace = workspace
        self._timeout = timeout
        self._retries = retries
        self._client = httpx2.AsyncClient(
            verify=_context(ca_file) if ca_file else True,
            # A proxy that the environment names cannot reach what listens on this machine.
            trust_env=not self._server.loopback,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0),
        )

    def in_workspace(self, name: str) -> "Http":
        """The same connections for another workspace."""
        other = object.__new__(Http)
        other.__dict__.update(self.__dict__)
        other._workspace = name
        return other

    async def close(self) -> None:
        await self._client.aclose()

    async def call(self, request: Request, read: Callable[[Any], Read]) -> Read:
        """What `read` makes of the answer's JSON."""
        content = await self.content(request)
        try:
            return read(msgspec.json.decode(content) if content else None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._not_understood() from error

    async def content(self, request: Request) -> bytes:
        pause = _FIRST_PAUSE
        for left in range(self._retries, -1, -1):
            try:
                answer = await self._client.send(self._built(request, self._limits(request)))
            except httpx2.TransportError as error:
                if left == 0 or not (request.repeatable or isinstance(error, _NOT_ASKED)):
                    raise self._failed(error) from error
            else:
                self._check(answer)
                return answer.content
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - so that not all come back at once
            pause = min(2 * pause, _LONGEST_PAUSE)
        raise AssertionError("the last try returns or raises")

    @asynccontextmanager
    async def streamed(
        self, request: Request, *, content: AsyncIterator[bytes] | None = None, quiet_seconds: float
    ) -> AsyncIterator[httpx2.Response]:
        """The answer as it comes; nothing is tried again. `quiet_seconds` is the longest time without a byte."""
        limits = httpx2.Timeout(quiet_seconds, connect=_CONNECT_SECONDS)
        built = self._built(request, limits, content)
        try:
            answer = await self._client.send(built, stream=True)
            try:
                if not answer.is_success:
                    await answer.aread()
                self._check(answer)
                yield answer
            finally:
                await answer.aclose()
        except httpx2.TransportError as error:
            raise self._failed(error) from error

    def _limits(self, request: Request) -> httpx2.Timeout:
        return httpx2.Timeout(self._timeout + request.waits, connect=min(self._timeout, _CONNECT_SECONDS))

    def _built(
        self, request: Request, limits: httpx2.Timeout, content: AsyncIterator[bytes] | None = None
    ) -> httpx2.Request:
        headers = {"authorization": f"Bearer {self._token.reveal()}", **request.headers}
        if self._workspace:
            headers["mailwright-workspace"] = self._workspace
        if request.body is not None:
            headers["content-type"] = "application/json"
        return self._client.build_request(
            request.method,
            self._server.base + request.path,
            params={name: _parameter(value) for name, value in request.query.items() if _said(value)},
            headers=headers,
            content=content
            if content is not None
            else msgspec.json.encode(request.body)
            if request.body is not None
            else None,
            timeout=limits,
        )

    def _check(self, answer: httpx2.Response) -> None:
        if not answer.is_success:
            retry_after = answer.headers.get("retry-after", "")
            raise error_of_answer(
                answer.status_code,
                answer.content,
                server=self._server.name,
                retry_after=retry_after,
            )

    def _failed(self, error: httpx2.TransportError) -> MailwrightError:
        name = self._server.name
        hint = "is the service running, and is this its address?"
        if isinstance(error, httpx2.TimeoutException):
            return EgressTimeout(f"{name} did not answer in time", reason=EgressReason.TIMEOUT, server=name, hint=hint)
        if isinstance(error, httpx2.ConnectError):
            reason = EgressReason.TLS if _is_tls(error) else EgressReason.CONNECT
            return EgressFailed(f"no connection to {name}: {error}", reason=reason, server=name, hint=hint)
        if isinstance(error, httpx2.NetworkError | httpx2.RemoteProtocolError):
            return EgressFailed(
                f"{name} closed the connection without an answer", reason=EgressReason.LOST, server=name
            )
        return EgressFailed(f"{name}: {error}", reason=EgressReason.PROTOCOL, server=name)

    def _not_understood(self) -> EgressFailed:
        name = self._server.name
        return EgressFailed(
            f"the answer of {name} is not understood",
            reason=EgressReason.PROTOCOL,
            server=name,
            hint="is it a Mailwright, and not a newer one than this program?",
        )


def read_server(url: str) -> Server:
    hint = "such as https://mail.example.org or http://127.0.0.1:8400"
    try:
        parts = urlsplit(url.strip())
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urlsplit(""), 0
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise InvalidSetting("the address of the service is an http or https URL", field="url", hint=hint)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Server(
        f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", f"{host}:{port}", _is_loopback(parts.hostname)
    )


def path_of(*parts: str) -> str:
    """`/v1/` and the parts, names of any kind among them."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_tls(error: BaseException) -> bool:
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLError):
            return True
        found = found.__cause__ or found.__context__
    return False


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=Path(ca_file).read_text("utf-8"))
    except OSError as error:
        raise InvalidSetting(f"cannot read {ca_file!r}: {error.strerror or error}", field="ca_file") from None
    except ValueError:
        raise InvalidSetting(f"{ca_file!r} holds no certificates", field="ca_file", hint="a PEM file") from None


def _said(value: str | int | bool | Sequence[str] | None) -> bool:
    return value is not None and value is not False and value not in ("", [])


def _parameter(value: str | int | bool | Sequence[str] | None) -> str | list[str]:
    if isinstance(value, bool):
        return "true"
    return [*value] if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
