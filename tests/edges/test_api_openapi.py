"""The reference tells the truth: a generator of calls that reads it finds no answer that it does not promise."""

import asyncio
import json
import re
from importlib.resources import files
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mailwright.api.settings import ApiSettings
from tests.edges.api_client import ACCOUNT, app_of, running_api
from tests.edges.memory_desk import HOME, MemoryDesk


def document() -> dict[str, Any]:
    async def read() -> Any:
        async with running_api() as api:
            return (await api("GET", "/openapi.json", token="")).json()

    return asyncio.run(read())


DOCUMENT = document()
APP = app_of(MemoryDesk(), ApiSettings(max_wait_seconds=0.01, requests_per_second=1e6, burst=1_000_000))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMA.app = APP


def test_every_route_is_in_the_document_and_says_what_it_needs() -> None:
    told = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    unlisted = {"/openapi.json", "/reference", "/reference/reference.js", "/reference/reference.css"}
    assert told == {(route.method, route.path) for route in APP.declared if route.path not in unlisted}
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], f"{method} {path} has no summary"
            assert (operation["security"] == []) == (path in ("/health", "/ready"))
            assert ("x-scopes" in operation) == (operation["security"] != [])


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)


def test_every_field_that_is_referred_to_is_there() -> None:
    text = json.dumps(DOCUMENT)
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(DOCUMENT["components"]["schemas"])


def test_what_callers_send_is_closed_and_what_they_get_is_open() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if schema.get("type") == "object":
            assert (schema.get("additionalProperties") is False) == name.endswith(("In", "Part")), name


@SCHEMA.exclude(path_regex="/v1/events/stream").parametrize()
@hypothesis.settings(max_examples=6, deadline=None, derandomize=True, phases=[hypothesis.Phase.generate])
def test_no_call_that_the_reference_allows_breaks_its_promise(case: schemathesis.Case) -> None:
    APP.floor.desk = MemoryDesk()
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {HOME}"}
    case.headers.pop("Mailwright-Workspace", None)
    case.call_and_validate(
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ]
    )


async def test_the_reference_page_loads_nothing_from_elsewhere() -> None:
    async with running_api() as api:
        for path in ("/reference", "/reference/reference.js", "/reference/reference.css"):
            answer = await api("GET", path, token="")
            assert answer.status_code == 200
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert not re.search(r"https?://|//[a-z]", re.sub(r"(?m)^\s*//.*$", "", answer.text))
        page = (await api("GET", "/reference", token="")).text
        for linked in re.findall(r'(?:src|href)="([^"]+)"', page):
            assert (await api("GET", linked, token="")).status_code == 200
        assert not re.search(r"<script>|<style>|\son[a-z]+=|\sstyle=", page)


def test_the_script_of_the_page_never_makes_markup_of_text() -> None:
    script = files("mailwright.api").joinpath("reference", "reference.js").read_text()
    for dangerous in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"):
        assert dangerous not in script


def test_an_account_of_the_examples_is_one_that_the_document_allows() -> None:
    shape = DOCUMENT["components"]["schemas"]["AccountIn"]
    assert set(ACCOUNT) <= set(shape["properties"])
    assert set(shape["required"]) <= set(ACCOUNT)


@pytest.mark.parametrize("name", ["MessageIn", "OptionsIn", "SendIn", "OutgoingPart"])
def test_the_document_shows_constraints_and_enumerations(name: str) -> None:
    assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False
