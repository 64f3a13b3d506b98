"""The application: every route in its place, and nothing reachable that does not say who may call it."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

from litestar import Litestar, Request
from litestar.exceptions import HTTPException, ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute
from litestar.types import (
    ASGIApp,
    ControllerRouterHandler,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Receive,
    Scope,
    Send,
)

from mailwright.api.answers import COMMON_HEADERS, Answer
from mailwright.api.desk import Desk
from mailwright.api.endpoint import Endpoint, Floor, log_failure
from mailwright.api.problems import Refusal, problem_of, refusal
from mailwright.api.route import Call, Open, Route
from mailwright.api.routes import all_routes
from mailwright.api.routes.service import service_routes
from mailwright.api.settings import ApiSettings
from mailwright.errors import MailwrightError
from mailwright.wire.base import Nothing


class Application(Litestar):
    """With its routes, for whoever wants to know them, and a way to let go of callers that wait."""

    def __init__(self, floor: Floor, routes: Sequence[Route], handlers: Sequence[ControllerRouterHandler]) -> None:
        self.floor = floor
        self.declared = tuple(routes)
        super().__init__(
            [*_options(routes, floor), *(_handler(route, floor) for route in routes), *handlers],
            openapi_config=None,
            logging_config=None,
            exception_handlers={Exception: self._failed},
        )
        _check_declared(self)

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        if scope["type"] != "lifespan" and b"%" in scope["raw_path"]:
            scope["path"] = _path(scope["raw_path"])
        await super().__call__(scope, receive, send)

    def begin_closing(self) -> None:
        """Streams end, calls that wait are answered as things stand; /ready says no."""
        self.floor.closing.begin()

    def _failed(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """Errors of the router, before any route is found, and of handlers that have no endpoint of ours."""
        request_id = self.floor.request_id(dict(request.scope["headers"]))
        said = _said_of(error)
        if said is None:
            log_failure(error, request.scope["path_template"], request_id)
        answer = problem_of(said or refusal("internal_error"), request_id)
        headers = {name.decode(): value.decode() for name, value in COMMON_HEADERS}
        return Response(
            answer.body,
            status_code=answer.status,
            media_type=answer.media_type,
            headers={**headers, **(answer.headers or {}), "x-request-id": request_id},
        )


def make_app(
    desk: Desk, settings: ApiSettings | None = None, *, handlers: Sequence[ControllerRouterHandler] = ()
) -> Application:
    """`handlers` are those of other rooms, such as the public pages. Each says with `opt={"needs": …}` who may call."""
    floor = Floor(desk, settings or ApiSettings())
    routes = all_routes()
    return Application(floor, [*routes, *service_routes(floor, routes)], handlers)


def _handler(route: Route, floor: Floor) -> HTTPRouteHandler:
    endpoint = Endpoint(route, floor)

    async def handle() -> ASGIApp:
        return endpoint

    return HTTPRouteHandler(
        route.path.replace("}", ":str}"),
        http_method=["GET", "HEAD"] if route.method == "GET" else [route.method],
        # The endpoint sets its own; this only keeps the framework from asking for another annotation.
        status_code=200,
        opt={"needs": route.needs.value if isinstance(route.needs, Open) else tuple(route.needs)},
    )(handle)


def _options(routes: Sequence[Route], floor: Floor) -> Iterator[HTTPRouteHandler]:
    """The methods of each path. The router's own answer knows those alone that were registered first."""
    methods: dict[str, list[str]] = {}
    for route in routes:
        methods.setdefault(route.path, ["OPTIONS"]).extend(["GET", "HEAD"] if route.method == "GET" else [route.method])
    for path, names in methods.items():
        allowed = Answer(204, headers={"allow": ", ".join(names)})

        async def options(_: Call[Nothing, Nothing], allowed: Answer = allowed) -> Answer:
            return allowed

        yield _handler(Route("OPTIONS", path, Open.PUBLIC, options, {204: None}), floor)


def _check_declared(app: Litestar) -> None:
    for route in app.routes:
        for handler in _handlers(route):
            # The answer to OPTIONS is the router's own: the methods of a path.
            if not handler.opt.get("needs") and handler.handler_name != "options_handler":
                raise ImproperlyConfiguredException(f"{route.path} does not say who may call it")


def _handlers(route: HTTPRoute | ASGIRoute | WebSocketRoute) -> Sequence[Any]:
    return route.route_handlers if isinstance(route, HTTPRoute) else (route.route_handler,)


def _said_of(error: Exception) -> Refusal | MailwrightError | None:
    """None for what nobody expected."""
    if isinstance(error, Refusal | MailwrightError):
        return error
    if not isinstance(error, HTTPException) or error.status_code >= 500:
        return None
    if error.status_code == 405:
        return refusal("method_not_allowed", allow=(error.headers or {}).get("allow", ""))
    return refusal({404: "route_not_found", 413: "body_too_large"}.get(error.status_code, "bad_request"))


def _path(raw: bytes) -> str:
    """A slash inside of a name is written %2F. It goes through the router as NUL, which no name has."""
    if b"%00" in raw:
        return "/\0"
    return unquote(raw.decode("ascii").replace("%2F", "%00").replace("%2f", "%00"))
