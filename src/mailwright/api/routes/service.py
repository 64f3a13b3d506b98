"""What stands beside the calls: health, readiness, metrics, the OpenAPI document and the page to try calls."""

from importlib.resources import files

import msgspec

from mailwright.api import meter
from mailwright.api.answers import JSON, Answer, answer
from mailwright.api.endpoint import Floor
from mailwright.api.openapi import document
from mailwright.api.route import Call, Open, Route, route
from mailwright.model.access import Action
from mailwright.wire.base import Nothing, View

# The page loads nothing but its own two files and calls nobody but us.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_FILES = {
    "/reference": ("reference.html", "text/html; charset=utf-8"),
    "/reference/reference.js": ("reference.js", "text/javascript; charset=utf-8"),
    "/reference/reference.css": ("reference.css", "text/css; charset=utf-8"),
}


class ReadinessView(View):
    ready: bool
    #: each part with the reason why it is not ready; empty when it is
    parts: dict[str, str]


def service_routes(floor: Floor, routes: list[Route]) -> list[Route]:
    own = [_health(), _ready(floor), _metrics(floor)]
    described = msgspec.json.encode(document([*routes, *own]))
    return [*own, _openapi(described), *(_page(path) for path in _PAGE_FILES)]


def _health() -> Route:
    @route("GET", "/health", needs=Open.PUBLIC, answers={200: None})
    async def health(_: Call[Nothing, Nothing]) -> Answer:
        """The process answers"""
        return Answer(200)

    return health


def _ready(floor: Floor) -> Route:
    @route("GET", "/ready", needs=Open.PUBLIC, answers={200: ReadinessView, 503: ReadinessView})
    async def ready(_: Call[Nothing, Nothing]) -> Answer:
        """Whether this node should get calls: its parts work, and it does not close"""
        parts = dict(await floor.desk.readiness())
        if floor.closing.begun:
            parts["service"] = "closing"
        fine = not any(parts.values())
        return answer(ReadinessView(ready=fine, parts=parts), 200 if fine else 503)

    return ready


def _metrics(floor: Floor) -> Route:
    @route("GET", "/metrics", needs=[Action.METRICS_READ], answers={200: "text/plain"})
    async def metrics(_: Call[Nothing, Nothing]) -> Answer:
        """Metrics for Prometheus"""
        own = floor.meter.metrics(floor.gate.under_way)
        return Answer(200, meter.page(own, await floor.desk.metrics()), meter.CONTENT_TYPE)

    return metrics


def _openapi(described: bytes) -> Route:
    @route("GET", "/openapi.json", needs=Open.PUBLIC, answers={200: JSON})
    async def openapi(_: Call[Nothing, Nothing]) -> Answer:
        """The OpenAPI document"""
        return Answer(200, described)

    return openapi


def _page(path: str) -> Route:
    name, media_type = _PAGE_FILES[path]
    content = files("mailwright.api").joinpath("reference", name).read_bytes()

    @route("GET", path, needs=Open.PUBLIC, answers={200: media_type})
    async def page(_: Call[Nothing, Nothing]) -> Answer:
        """The reference, with a place to try calls"""
        return Answer(200, content, media_type, {"content-security-policy": _PAGE_POLICY})

    return page
