"""The OpenAPI 3.1 document, made from the routes. Its schemas are what decodes the bodies: they cannot differ."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from mailwright.api.answers import JSON
from mailwright.api.route import BodyKind, Open, Route, list_fields
from mailwright.wire.base import Nothing, Wire
from mailwright.wire.message import SubmissionIn
from mailwright.wire.problem import Problem

_REF = "#/components/schemas/{name}"
_INTRODUCTION = (
    "Every call but the public ones needs `Authorization: Bearer <token>`. A token for all workspaces says with the "
    "header `Mailwright-Workspace` which one it means. Every error has one shape, a problem (RFC 9457) with a stable "
    "`code`; its `request_id` stands in the log."
)
_WORKSPACE = {
    "name": "Mailwright-Workspace",
    "in": "header",
    "description": "The workspace, for tokens that are for all of them; `default` when left out.",
    "schema": {"type": "string"},
}
_PROBLEM = {
    "description": "An error.",
    "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    shapes = _Shapes(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mailwright", "version": version("mailwright"), "description": _INTRODUCTION},
        "paths": paths,
        "components": {
            "schemas": shapes.components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Shapes:
    """The schema of every shape that a route names."""

    def __init__(self, routes: Sequence[Route]) -> None:
        kinds: dict[Any, None] = {Problem: None, SubmissionIn: None}
        for route in routes:
            kinds.update(dict.fromkeys(kind for kind in (route.body, *route.answers.values()) if _is_shape(kind)))
        schemas, self.components = msgspec.json.schema_components(kinds, ref_template=_REF)
        self._schemas = dict(zip(kinds, schemas, strict=True))

    def schema(self, kind: Any) -> Any:
        return self._schemas[kind]


def _operation(route: Route, shapes: _Shapes) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.path.removeprefix("/v1").split("/")[1]],
        "responses": _responses(route, shapes),
    }
    if route.description:
        said["description"] = route.description
    parameters = [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)]
    if parameters:
        said["parameters"] = parameters
    if route.body_kind is BodyKind.STREAM:
        said["requestBody"] = {"required": True, "content": _stream_content(shapes)}
    elif route.body is not Nothing:
        said["requestBody"] = {"required": True, "content": {JSON: {"schema": shapes.schema(route.body)}}}
    if isinstance(route.needs, Open):
        said["security"] = []
    else:
        said["security"] = [{"token": []}]
        said["x-scopes"] = [action.value for action in route.needs]
    return said


def _operation_id(route: Route) -> str:
    words = [word.strip("{}").replace("-", "_").replace(".", "_") for word in route.path.split("/") if word != "v1"]
    return "_".join([route.method.lower(), *filter(None, words)])


def _responses(route: Route, shapes: _Shapes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kind in route.answers.items():
        content: dict[str, Any] = {}
        if isinstance(kind, str):
            content = {kind.partition(";")[0]: {"schema": {} if kind == JSON else {"type": "string"}}}
        elif kind is not None:
            content = {JSON: {"schema": shapes.schema(kind)}}
        found[str(status)] = {"description": route.summary} | ({"content": content} if content else {})
    return found | {"default": _PROBLEM}


def _stream_content(shapes: _Shapes) -> dict[str, Any]:
    line = shapes.schema(SubmissionIn)
    return {
        "application/jsonl": {"schema": {"type": "string"}, "x-line-schema": line},
        JSON: {"schema": {"type": "array", "items": line}},
    }


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.parameters
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is Nothing:
        return []
    return [_query_parameter(route.query, name, schema) for name, schema in _properties(route.query).items()]


def _query_parameter(query: type[Wire], name: str, schema: dict[str, Any]) -> dict[str, Any]:
    # What a query leaves out is null for us; nobody can write it there.
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "description")}
    if len(choices) == 1:
        plain = {**choices[0], **{key: value for key, value in plain.items() if key != "default"}}
    said: dict[str, Any] = {"name": name, "in": "query", "schema": plain}
    if "description" in schema:
        said["description"] = schema["description"]
    if name in list_fields(query):
        said |= {"style": "form", "explode": True}
    if "default" not in schema:
        said["required"] = True
    return said


def _properties(query: type[Wire]) -> dict[str, dict[str, Any]]:
    """With their enumerations written out: parameters refer to nothing."""
    (_,), found = msgspec.json.schema_components([query], ref_template="{name}")
    return {name: _inlined(schema, found) for name, schema in found[query.__name__]["properties"].items()}


def _inlined(schema: Any, found: Mapping[str, Any]) -> Any:
    if isinstance(schema, dict):
        if "$ref" in schema:
            return {**found[schema["$ref"]], **{key: value for key, value in schema.items() if key != "$ref"}}
        return {key: _inlined(value, found) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(value, found) for value in schema]
    return schema


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    said = [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        for name, text in route.headers.items()
    ]
    return said if isinstance(route.needs, Open) else [*said, _WORKSPACE]


def _is_shape(kind: Any) -> bool:
    return kind is not None and kind is not Nothing and not isinstance(kind, str)
