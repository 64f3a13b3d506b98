"""The way of one request: who calls, may they, is it too much, what do they ask, what is the answer."""

import itertools
import re
import secrets
import time
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from mailwright.api.answers import Answer, Stream
from mailwright.api.body import CallerGone, has_body, read_body
from mailwright.api.closing import Closing
from mailwright.api.desk import Desk
from mailwright.api.gate import Gate
from mailwright.api.media_type import media_type
from mailwright.api.meter import Meter
from mailwright.api.problems import Refusal, malformed, problem_of, refusal
from mailwright.api.route import BodyKind, Call, Open, Route, list_fields
from mailwright.api.settings import ApiSettings
from mailwright.errors import InvalidInput, MailwrightError, NotFound, Unauthenticated
from mailwright.model.access import Access
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.wire.base import Nothing, Wire

_log = structlog.get_logger("mailwright.api")
# What callers give us to find a call again may stand in our logs.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{8,64}\Z")
_GONE = 499
_NOTHING = Nothing()
_NOBODY = Access(actor="", actions=frozenset(), accounts=frozenset())


class Floor:
    """What all endpoints share."""

    def __init__(self, desk: Desk, settings: ApiSettings) -> None:
        self.desk = desk
        self.settings = settings
        self.gate = Gate(settings)
        self.meter = Meter()
        self.closing = Closing()
        self._prefix = f"req_{secrets.token_hex(6)}"
        self._numbers = itertools.count(1)

    def request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.match(given):
            return given.decode()
        return f"{self._prefix}{next(self._numbers):08x}"

    async def access(self, headers: Mapping[bytes, bytes]) -> Access:
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Unauthenticated(hint="send the header Authorization: Bearer <token>")
        access = await self.desk.authenticate(token.strip().decode("latin-1"))
        wanted = headers.get(b"mailwright-workspace")
        if access.workspace:
            if wanted is not None and wanted.decode("latin-1") != access.workspace:
                raise NotFound("there is no such workspace", field="Mailwright-Workspace")
            return access
        workspace = wanted.decode("latin-1") if wanted else DEFAULT_WORKSPACE
        return Access(access.actor, workspace, access.actions, access.accounts, access.everywhere)


class Endpoint:
    """One route as an ASGI application."""

    def __init__(self, route: Route, floor: Floor) -> None:
        self._route = route
        self._floor = floor
        settings = floor.settings
        self._name = route.name
        self._decoder = msgspec.json.Decoder(route.body)
        self._limit = settings.max_message_bytes if route.big else settings.max_body_bytes
        self._lists = list_fields(route.query)
        self._parameters = bool(route.parameters)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = self._floor.request_id(headers)
        status = _GONE
        actor = ""
        try:
            try:
                access = await self._admitted(headers, started)
                actor = access.actor
                answer = await self._answer(access, scope, headers, receive)
            except (MailwrightError, Refusal) as error:
                answer = problem_of(error, request_id)
                if answer.status >= 500:
                    log_failure(error, self._name, request_id)
            except CallerGone:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer and the log a line
                log_failure(error, self._name, request_id)
                answer = problem_of(refusal("internal_error", hint="the log has the same request id"), request_id)
            status = answer.status
            if isinstance(answer, Stream) and scope.get("method") == "HEAD":
                # A server drops the body of any answer to HEAD; of this one it would wait for the end.
                await answer.chunks.aclose()
                answer = Answer(status)
            await self._send(answer, send, request_id)
        finally:
            if actor:
                self._floor.gate.leave(actor)
            seconds = time.perf_counter() - started
            self._floor.meter.count(self._name, status, seconds)
            if self._floor.settings.log_requests:
                _log.info(
                    "request", route=self._name, status=status, seconds=round(seconds, 6), actor=actor, id=request_id
                )

    async def _send(self, answer: Answer, send: Send, request_id: str) -> None:
        try:
            await answer.send(send, request_id)
        except Exception as error:  # noqa: BLE001 - the answer has begun: the server closes what does not end well
            log_failure(error, self._name, request_id)

    async def _admitted(self, headers: Mapping[bytes, bytes], now: float) -> Access:
        needs = self._route.needs
        if isinstance(needs, Open):
            return _NOBODY
        access = await self._floor.access(headers)
        for action in needs:
            access.require(action)
        self._floor.gate.enter(access.actor, now)
        return access

    async def _answer(self, access: Access, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        call = Call(
            access=access,
            office=self._floor.desk.office(access),
            path=_path(scope) if self._parameters else {},
            query=self._query(scope["query_string"]),
            body=await self._body(headers, receive),
            headers=headers,
            receive=receive,
            settings=self._floor.settings,
            closing=self._floor.closing,
        )
        return await self._route.handle(call)

    def _query(self, raw: bytes) -> Wire:
        if not raw and self._route.query is Nothing:
            return _NOTHING
        given: dict[str, Any] = {}
        for name, value in _pairs(raw):
            if name in self._lists:
                given.setdefault(name, []).append(value)
            elif name in given:
                raise InvalidInput("this stands there twice", field=name)
            else:
                given[name] = value
        try:
            return msgspec.convert(given, self._route.query, strict=False)
        except msgspec.ValidationError as error:
            raise malformed(error) from None

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> Any:
        route = self._route
        if route.body_kind is BodyKind.STREAM:
            return _NOTHING
        if not has_body(headers):
            if route.body is not Nothing:
                raise refusal("bad_json", "the body is missing")
            return _NOTHING
        _check_media_type(headers)
        settings = self._floor.settings
        raw = await read_body(receive, headers, limit=self._limit, seconds=settings.body_seconds)
        if not raw and route.body is Nothing:
            return _NOTHING
        try:
            return self._decoder.decode(raw)
        except (ValueError, RecursionError) as error:
            raise malformed(error) from None


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", strict_parsing=bool(raw), max_num_fields=100
        )
    except ValueError:
        raise refusal(
            "bad_request", "the query cannot be read", hint="name=value&name=value, percent-encoded"
        ) from None


def _path(scope: Scope) -> dict[str, str]:
    # A slash inside of a name came percent-encoded, and went through the router as NUL.
    return {name: value.replace("\0", "/") for name, value in scope["path_params"].items()}


def _check_media_type(headers: Mapping[bytes, bytes]) -> None:
    given = headers.get(b"content-type", b"application/json")
    if given != b"application/json" and media_type(given) != "application/json":
        raise refusal("unsupported_media_type", hint="send application/json in UTF-8")


def log_failure(error: Exception, route: str, request_id: str) -> None:
    """Where it happened. What foreign errors say may be a part of a message or a secret, and stays out."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    said = error.message if isinstance(error, MailwrightError | Refusal) else ""
    _log.error("request failed", id=request_id, route=route, error=type(error).__name__, message=said, frames=frames)
