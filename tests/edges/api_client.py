"""The API in this process, and calls to it that also check what every answer has to be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec

from mailwright.api.app import Application, make_app
from mailwright.api.route import Route
from mailwright.api.settings import ApiSettings
from mailwright.pages import unsubscribe_handlers
from mailwright.wire.problem import Problem
from tests.edges.memory_desk import HOME, MemoryDesk

ACCOUNT = {
    "name": "main",
    "account": {
        "address": "me@example.org",
        "outgoing": {"host": "smtp.example.org", "username": "me", "password": "s3cret"},
    },
}
MESSAGE = {"account": "main", "message": {"to": "Ann <ann@example.org>", "subject": "Hello", "text": "Good morning"}}


def app_of(desk: Any, settings: ApiSettings | None = None) -> Application:
    return make_app(desk, settings, handlers=unsubscribe_handlers(desk))


class Api:
    def __init__(self, desk: Any, settings: ApiSettings | None = None) -> None:
        self.desk = desk
        #: for calls that name none
        self.token = HOME
        self.app = app_of(desk, settings)
        self._routes = {(route.method, route.path): route for route in self.app.declared}
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app, raise_app_exceptions=True), base_url="http://api.example.org"
        )

    async def start_again(self) -> None:
        """Behind the same application, a service that has nothing but one account."""
        self.desk = self.app.floor.desk = MemoryDesk()
        await self("POST", "/v1/accounts", ACCOUNT)

    async def __call__(
        self, method: str, path: str, json: Any = None, *, token: str | None = None, **options: Any
    ) -> httpx2.Response:
        token = self.token if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        headers |= options.pop("headers", {})
        if json is not None:
            options["json"] = json
        response = await self.client.request(method, path, headers=headers, **options)
        self.check(response)
        return response

    def check(self, response: httpx2.Response) -> None:
        """No answer leaves without these headers, and each has the shape that the reference promises."""
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" in response.headers
        assert response.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in response.headers
        if response.status_code >= 400 and response.request.url.path != "/ready" and "/u/" not in str(response.url):
            assert response.headers["content-type"] == "application/problem+json"
            problem = msgspec.json.decode(response.content, type=Problem)
            assert problem.status == response.status_code
            assert problem.code
            assert problem.title
            assert problem.message == problem.detail
            assert problem.request_id == response.headers["x-request-id"]
        else:
            self._check_shape(response)

    def _check_shape(self, response: httpx2.Response) -> None:
        route = self.route_of(response.request.method, response.request.url.path)
        if route is None:
            return
        assert response.status_code in route.answers, (
            f"{route.name} does not say that it answers {response.status_code}"
        )
        shape = route.answers[response.status_code]
        if shape is None:
            assert response.content == b""
        elif isinstance(shape, str):
            assert response.headers["content-type"].startswith(shape)
        elif response.request.method != "HEAD":
            value = msgspec.json.decode(response.content)
            msgspec.convert(value, shape)
            assert fields_of(value) <= fields_of(msgspec.to_builtins(msgspec.convert(value, shape)))

    def route_of(self, method: str, path: str) -> Route | None:
        found = [route for route in self.app.declared if route.method == method and _fits(route.path, path)]
        return max(found, key=lambda route: -route.path.count("{"), default=None)


def fields_of(value: Any, at: str = "") -> set[str]:
    """The paths of all fields: one that no shape knows must not be in an answer."""
    if isinstance(value, dict):
        found = {f"{at}.{name}" for name in value}
        return found.union(*(fields_of(inner, f"{at}.{name}") for name, inner in value.items()))
    if isinstance(value, list):
        return set().union(*(fields_of(inner, f"{at}[]") for inner in value))
    return set()


def _fits(template: str, path: str) -> bool:
    wanted, given = template.split("/"), path.split("/")
    return len(wanted) == len(given) and all(
        part == found or (part.startswith("{") and found) for part, found in zip(wanted, given, strict=True)
    )


@asynccontextmanager
async def running_api(desk: MemoryDesk | None = None, settings: ApiSettings | None = None) -> AsyncIterator[Api]:
    api = Api(desk or MemoryDesk(), settings)
    async with api.client:
        await api("POST", "/v1/accounts", ACCOUNT)
        yield api
