"""What a route is: everything about it in one place, so that nothing about it can be forgotten.

The OpenAPI document, the reference page and the tests that drive every route are made from these.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

import msgspec
from litestar.types import Receive

from mailwright.api.answers import Answer
from mailwright.api.closing import Closing
from mailwright.api.settings import ApiSettings
from mailwright.connector.calls import Office
from mailwright.errors import InvalidInput
from mailwright.model.access import Access, Action
from mailwright.wire.base import Nothing, Wire

Body = TypeVar("Body")
Query = TypeVar("Query")
Method = Literal["GET", "POST", "PUT", "DELETE", "OPTIONS"]


class Open(Enum):
    #: anybody may call it, without a token
    PUBLIC = "public"


class BodyKind(Enum):
    JSON = "application/json"
    #: read by the handler as it arrives
    STREAM = "application/jsonl"


class Call(Generic[Body, Query]):
    """One request, as its handler sees it."""

    __slots__ = ("access", "body", "closing", "headers", "office", "path", "query", "receive", "settings")

    def __init__(
        self,
        *,
        access: Access,
        office: Office,
        path: Mapping[str, str],
        query: Query,
        body: Body,
        headers: Mapping[bytes, bytes],
        receive: Receive,
        settings: ApiSettings,
        closing: Closing,
    ) -> None:
        self.access = access
        self.office = office
        self.path = path
        self.query = query
        self.body = body
        self.headers = headers
        self.receive = receive
        self.settings = settings
        self.closing = closing

    def header(self, name: bytes) -> str:
        """Empty when it is not there."""
        try:
            return self.headers.get(name, b"").decode("utf-8").strip()
        except UnicodeDecodeError:
            raise InvalidInput("the header is not UTF-8", field=name.decode()) from None


Handle = Callable[[Call[Any, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    method: Method
    path: str
    #: all of them
    needs: Sequence[Action] | Open
    handle: Handle
    #: status: what its body is; None: no body. A text is a media type of something else than JSON
    answers: Mapping[int, Any]
    query: type[Wire] = Nothing
    body: type[Wire] = Nothing
    body_kind: BodyKind = BodyKind.JSON
    #: takes a message: its body may be big
    big: bool = False
    #: headers of the request that it understands, with what they are for
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as `GET /v1/accounts/{name}`: the only thing about a call that logs and metrics say."""
        return f"{self.method} {self.path}"

    @property
    def summary(self) -> str:
        return (inspect.getdoc(self.handle) or "").partition("\n")[0]

    @property
    def description(self) -> str:
        return (inspect.getdoc(self.handle) or "").partition("\n")[2].strip()

    @property
    def parameters(self) -> list[str]:
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def route(
    method: Method,
    path: str,
    *,
    needs: Sequence[Action] | Open,
    answers: Mapping[int, Any],
    query: type[Wire] = Nothing,
    body: type[Wire] = Nothing,
    body_kind: BodyKind = BodyKind.JSON,
    big: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Callable[[Handle], Route]:
    """Makes a Route of the function below it."""
    if not needs:
        raise ValueError(f"{method} {path} does not say who may call it")

    def made(handle: Handle) -> Route:
        return Route(method, path, needs, handle, answers, query, body, body_kind, big, headers or {})

    return made


def routes_of(module: ModuleType) -> list[Route]:
    return [value for value in vars(module).values() if isinstance(value, Route)]


def list_fields(shape: type[Wire]) -> frozenset[str]:
    """Fields that may stand several times in a query."""
    several = (msgspec.inspect.VarTupleType, msgspec.inspect.ListType)
    info = msgspec.inspect.type_info(shape)
    assert isinstance(info, msgspec.inspect.StructType)
    return frozenset(part.encode_name for part in info.fields if isinstance(_bare(part.type), several))


def _bare(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
