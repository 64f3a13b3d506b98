"""What the service has, as tables: routes and their shapes, statuses, schedules, limits, refused networks."""

import json
import tomllib
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

from mailwright import errors
from mailwright.api.openapi import document
from mailwright.api.problems import REFUSALS, STATUS
from mailwright.api.route import Open, Route
from mailwright.api.routes import all_routes
from mailwright.api.routes.service import service_routes
from mailwright.model.account_record import RATE_PRESETS
from mailwright.model.event import EventType
from mailwright.model.outbox import DEFAULT_RETRY_SECONDS
from mailwright.sending.settle import PARK_SECONDS
from mailwright.transport.dial_ranges import CARRIERS, METADATA_NAMES, SPECIAL_RANGES
from mailwright.webhooks.judge import ATTEMPTS, SCHEDULE
from scripts.source import ROOT, Undocumented, class_of, code, comment_above, sentence_of, table

#: bodies for the examples of routes that take one; a test sends each of them
BODIES: dict[str, str] = tomllib.loads((ROOT / "scripts" / "bodies.toml").read_text())
#: what a browser loads by itself
_NOT_CALLED = frozenset({"/reference/reference.js", "/reference/reference.css"})


@cache
def routes() -> tuple[Route, ...]:
    """As the application declares them; nothing that belongs to a running service is asked."""
    found = all_routes()
    floor: Any = None
    return tuple(route for route in [*found, *service_routes(floor, found)] if route.path not in _NOT_CALLED)


@cache
def described() -> dict[str, Any]:
    return document(routes())


def noun_of(route: Route) -> str:
    """`messages` of `/v1/messages/{id}`; `service` of what stands beside the calls."""
    return route.path.split("/")[2] if route.path.startswith("/v1/") else "service"


def http_status(kind: type[errors.MailwrightError]) -> int:
    return next(STATUS[parent] for parent in kind.__mro__ if parent in STATUS)


# --- routes -------------------------------------------------------------------------------------------------------


def routes_table(noun: str) -> str:
    """An overview: each route with its scopes."""
    rows = [
        [f"[`{route.name}`](#{_anchor(route.name)})", _scopes(route), route.summary]
        for route in routes()
        if noun_of(route) == noun
    ]
    return table(["route", "scope", "what it does"], rows)


def routes_text(noun: str) -> str:
    found = [route for route in routes() if noun_of(route) == noun]
    if not found:
        raise Undocumented(f"there is no route for {noun}")
    return "\n".join(_route_text(route) for route in found)


def _anchor(name: str) -> str:
    kept = "".join(letter for letter in name.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _scopes(route: Route) -> str:
    if isinstance(route.needs, Open):
        return "public"
    return ", ".join(code(action.value) for action in route.needs)


def _route_text(route: Route) -> str:
    if not route.summary:
        raise Undocumented(f"{route.name} needs a docstring")
    operation = described()["paths"][route.path][route.method.lower()]
    parts = [f"### {route.name}\n", f"{route.summary}.\n"]
    if route.description:
        parts.append(f"{' '.join(route.description.split())}\n")
    parts.append(f"- Scope: {_scopes(route)}")
    body = operation.get("requestBody", {}).get("content", {})
    for media_type, content in body.items():
        parts.append(f"- Body ({code(media_type)}): {_body_type(content)}")
    parts += [f"- Answer: {text}" for text in _answers(operation)]
    parts.append("")
    shown = [one for one in operation.get("parameters", []) if one["name"] != "Mailwright-Workspace"]
    if shown:
        parts.append(_parameters(shown))
    parts.append(f"```sh\n{example_of(route)}\n```\n")
    return "\n".join(parts)


def _body_type(content: dict[str, Any]) -> str:
    if "x-line-schema" in content["schema"]:
        return f"one {_type(content['schema']['x-line-schema'])} in each line"
    return _type(content["schema"])


def _answers(operation: dict[str, Any]) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if status == "default":
            continue
        for media_type, content in answer.get("content", {}).items():
            kind = _type(content["schema"]) if "json" in media_type and content["schema"] else code(media_type)
            yield f"{code(status)} with {kind}"
        if not answer.get("content"):
            yield f"{code(status)} without a body"


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = []
    for one in parameters:
        schema = one["schema"]
        place = {"path": "path", "query": "query", "header": "header"}[one["in"]]
        default = "required" if one.get("required") else _default(schema)
        said = f"{one.get('description', '')} {_limits(schema)}".strip()
        rows.append([code(one["name"]), place, _type(schema), default, said])
    return table(["parameter", "where", "type", "default", "meaning"], rows)


def example_of(route: Route) -> str:
    """A call that can be pasted into a shell; `docs/reference/http.md` says what stands in the two variables."""
    lines = ["curl"]
    if route.method != "GET":
        lines[0] += f" -X {route.method}"
    if not isinstance(route.needs, Open):
        lines.append('-H "Authorization: Bearer $MAILWRIGHT_TOKEN"')
    body = BODIES.get(route.name, "")
    takes_body = "requestBody" in described()["paths"][route.path][route.method.lower()]
    if takes_body != bool(body):
        raise Undocumented(f"{route.name}: a body in scripts/bodies.toml for each route that takes one, and no other")
    if body:
        kind = "application/jsonl" if "\n" in body.strip() or route.path == "/v1/bulk" else "application/json"
        lines += [f'-H "Content-Type: {kind}"', f"--data-binary '{body.strip()}'"]
    path = route.path.replace("{", "$").replace("}", "").replace("$id", "ID").replace("$name", "office")
    query = "?account=office" if route.name == "POST /v1/bulk" else ""
    lines.append(f'"$MAILWRIGHT_URL{path.replace("$address", "ann@example.org")}{query}"')
    return " \\\n    ".join(lines)


# --- shapes -------------------------------------------------------------------------------------------------------


def shapes_text(_: str) -> str:
    """Every object that a call takes or answers with."""
    schemas: dict[str, Any] = described()["components"]["schemas"]
    return "\n".join(_shape_text(name, schema) for name, schema in sorted(schemas.items()) if not _is_generic(schema))


def _is_generic(schema: dict[str, Any]) -> bool:
    return "properties" in schema and "items" in schema["properties"] and "items" in schema.get("required", [])


def _shape_text(name: str, schema: dict[str, Any]) -> str:
    said = f"### {name}\n"
    if "enum" in schema:
        return f"{said}\nOne of {', '.join(code(str(value)) for value in schema['enum'])}.\n"
    if schema.get("description"):
        said += f"\n{schema['description']}\n"
    rows = []
    for field, kind in schema.get("properties", {}).items():
        default = "required" if field in schema.get("required", []) else _default(kind)
        rows.append([code(field), _type(kind), default, f"{kind.get('description', '')} {_limits(kind)}".strip()])
    return f"{said}\n{table(['field', 'type', 'default', 'meaning'], rows)}" if rows else f"{said}\nAn empty object.\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found = described()["components"]["schemas"][name]
        if _is_generic(found):
            inner = _type(found["properties"]["items"]["items"])
            return f"`items`, a list of {inner}" + (
                ", and `next_cursor`" if "next_cursor" in found["properties"] else ""
            )
        return f"[{name}](http-shapes.md#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(code(str(value)) for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema['items'])}" if schema.get("items") else "list"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) and values else "object"
    if kind == "string" and schema.get("format"):
        return {"date-time": "time"}.get(schema["format"], schema["format"])
    if kind == "string" and schema.get("contentEncoding"):
        return schema["contentEncoding"]
    return {"string": "text", "integer": "number", "boolean": "true or false"}.get(kind, kind)


def _default(schema: dict[str, Any]) -> str:
    if "default" not in schema:
        return ""
    return code(json.dumps(schema["default"]))


def _limits(schema: dict[str, Any]) -> str:
    limits = []
    for name, words in (("minimum", "at least"), ("maximum", "at most")):
        if name in schema:
            limits.append(f"{words} {schema[name]:g}")
    if "maxLength" in schema:
        limits.append(f"at most {schema['maxLength']} characters")
    if "maxItems" in schema:
        limits.append(f"at most {schema['maxItems']} items")
    return f"({', '.join(limits)})" if limits else ""


def refusals_table(_: str) -> str:
    rows = [[code(name), code(str(status)), title] for name, (status, title) in REFUSALS.items()]
    return table(["code", "HTTP", "meaning"], rows)


# --- what happens -------------------------------------------------------------------------------------------------


def events_table(_: str) -> str:
    node, lines = class_of("mailwright.model.event.EventType")
    said = {item.targets[0].id: comment_above(item, lines) for item in node.body if hasattr(item, "targets")}
    rows = [[code(kind.value), sentence_of("EventType", kind.name, said[kind.name])] for kind in EventType]
    return table(["type", "when"], rows)


def retry_table(_: str) -> str:
    return _schedule(DEFAULT_RETRY_SECONDS)


def webhook_table(_: str) -> str:
    assert len(SCHEDULE) + 1 == ATTEMPTS
    return _schedule([int(wait.total_seconds()) for wait in SCHEDULE])


def park_table(_: str) -> str:
    rows = [[_times(number, len(PARK_SECONDS)), said(wait)] for number, wait in enumerate(PARK_SECONDS, 1)]
    return table(["failed in a row", "looked at again after"], rows)


def _times(number: int, last: int) -> str:
    return f"{number} and more" if number == last else str(number)


def _schedule(waits: list[int] | tuple[int, ...]) -> str:
    """Equal waits in a row are one line."""
    rows: list[list[str]] = [["1", "at once", "0"]]
    since, number = 0, 2
    while number - 2 < len(waits):
        wait = waits[number - 2]
        last = number
        while last - 1 < len(waits) and waits[last - 1] == wait:
            last += 1
        since += wait * (last - number + 1)
        rows.append([str(number) if last == number else f"{number} to {last}", said(wait), said(since)])
        number = last + 1
    return table(["attempt", "waits after the one before", "since the first"], rows)


def said(seconds: int) -> str:
    whole = timedelta(seconds=seconds)
    hours, rest = divmod(whole.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(whole.days, "day"), (hours, "hour"), (minutes, "minute"), (left, "second")]
    return " ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in parts if count) or "0"


def presets_table(_: str) -> str:
    rows = [
        [
            code(name),
            f"{limits.messages_per_second:g}" if limits.messages_per_second else "no limit",
            str(limits.concurrency or "no limit"),
        ]
        for name, limits in RATE_PRESETS.items()
    ]
    return table(["preset", "messages in a second", "at once"], rows)


def ranges_table(_: str) -> str:
    rows = [[code(entry.network), entry.reach.value, entry.why] for entry in SPECIAL_RANGES]
    return table(["network", "what it is for the policy", "why"], rows)


def carriers_table(_: str) -> str:
    return table(["IPv6 addresses", "what they are"], [[code(network), why] for network, why in CARRIERS])


def names_list(_: str) -> str:
    return ", ".join(code(name) for name in sorted(METADATA_NAMES)) + "\n"


SERVICE_MAKERS: dict[str, Callable[[str], str]] = {
    "carriers": carriers_table,
    "events": events_table,
    "metadata-names": names_list,
    "parking": park_table,
    "presets": presets_table,
    "ranges": ranges_table,
    "refusals": refusals_table,
    "retries": retry_table,
    "routes": routes_table,
    "routes-in-full": routes_text,
    "shapes": shapes_text,
    "webhook-retries": webhook_table,
}
