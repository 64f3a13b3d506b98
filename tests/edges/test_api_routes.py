"""Every route against everything that may be wrong with a call. Made from the routes: a new one cannot be forgotten."""

import json
from dataclasses import replace
from typing import Any

import pytest
from litestar import get
from litestar.exceptions import ImproperlyConfiguredException

from mailwright.api.app import make_app
from mailwright.api.route import BodyKind, Open, Route, route
from mailwright.api.settings import ApiSettings
from mailwright.model.access import Action
from mailwright.model.outbox import MessageState
from mailwright.wire.base import Nothing
from tests.edges.api_client import ACCOUNT, MESSAGE, Api, app_of, running_api
from tests.edges.memory_desk import OTHER, MemoryDesk

ROUTES = app_of(MemoryDesk()).declared
GUARDED = [found for found in ROUTES if not isinstance(found.needs, Open)]
WITH_JSON = [found for found in GUARDED if found.body_kind is BodyKind.JSON]

#: what each route takes. A route with a body that is not here fails.
BODIES: dict[str, Any] = {
    "POST /v1/messages": MESSAGE,
    "POST /v1/messages/{id}/release": {"sent": True},
    "POST /v1/messages/cancel": {"ids": ["msg_1", "msg_2"]},
    "POST /v1/messages/retry": {"ids": ["msg_1", "msg_2"]},
    "POST /v1/messages/clean-up": {"older_than_days": 30},
    "POST /v1/accounts": {**ACCOUNT, "name": "another"},
    "PUT /v1/accounts/{name}": {"account": ACCOUNT["account"]},
    "POST /v1/suppressions": {"address": "ann@example.org"},
    "POST /v1/workspaces": {"name": "new"},
    "PUT /v1/workspaces/{name}": {"description": "changed"},
    "POST /v1/webhooks": {"url": "https://hooks.example.org/"},
    "PUT /v1/webhooks/{id}": {"url": "https://hooks.example.org/"},
    "POST /v1/webhooks/{id}/rotate-secret": {"overlap_seconds": 60},
    "POST /v1/webhooks/{id}/replay": {"deliveries": ["tsk_1"]},
    "POST /v1/tokens": {"name": "ci", "actions": ["send"]},
}
QUERIES = {"POST /v1/bulk": {"account": "main"}}
#: lists what an address has; for anybody else that is nothing
EMPTY_FOR_OTHERS = {"GET /v1/suppressions/{address}"}

LIMITS = ApiSettings(max_body_bytes=3000, max_message_bytes=6000)


def body_of(case: Route) -> Any:
    return None if case.body is Nothing else BODIES[case.name]


def address_of(case: Route, things: dict[str, str] | None = None) -> str:
    found = case.path
    for name in case.parameters:
        thing = case.path.split("/")[2]
        found = found.replace(f"{{{name}}}", (things or {}).get(thing, "x"))
    return found


async def call(
    api: Api, case: Route, *, token: str | None = None, things: dict[str, str] | None = None, **options: Any
) -> Any:
    options.setdefault("params", QUERIES.get(case.name, {}))
    return await api(case.method, address_of(case, things), token=token, **options)


def verdict(case: Route, answer: Any) -> tuple[str, int, str]:
    """With the route's name, so that a failure says which one it is."""
    return case.name, answer.status_code, answer.json().get("code", "")


async def things_of(api: Api) -> dict[str, str]:
    """One of each noun, in the workspace of HOME, in a state in which everything can be done with it."""
    message = (await api("POST", "/v1/messages", MESSAGE)).json()["id"]
    webhook = (await api("POST", "/v1/webhooks", BODIES["POST /v1/webhooks"])).json()["webhook"]["id"]
    await api("POST", "/v1/suppressions", {"address": "ann@example.org"})
    token = (await api("POST", "/v1/tokens", {"name": "ci", "actions": ["send"]})).json()["token"]["id"]
    bulk = await api("POST", "/v1/bulk?account=main", content=json.dumps({"message": MESSAGE["message"]}))
    return {
        "accounts": "main",
        "messages": message,
        "webhooks": webhook,
        "suppressions": "ann@example.org",
        "tokens": token,
        "bulk": bulk.headers["location"].rpartition("/")[2],
        "workspaces": "home",
    }


def test_there_are_routes_of_every_noun() -> None:
    nouns = {found.path.split("/")[2] for found in ROUTES if found.path.startswith("/v1/")}
    assert nouns == {
        "messages",
        "bulk",
        "accounts",
        "events",
        "suppressions",
        "webhooks",
        "workspaces",
        "tokens",
        "audit",
    }
    assert len(GUARDED) > 40


def test_only_these_routes_are_open_to_everybody() -> None:
    assert {found.path for found in ROUTES if isinstance(found.needs, Open)} == {
        "/health",
        "/ready",
        "/openapi.json",
        "/reference",
        "/reference/reference.js",
        "/reference/reference.css",
    }


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="does not say who may call it"):
        route("GET", "/v1/secrets", needs=[], answers={200: None})


def test_a_handler_of_another_room_that_does_not_say_it_keeps_the_service_from_starting() -> None:
    @get("/secrets")
    async def secrets() -> str:
        return ""

    with pytest.raises(ImproperlyConfiguredException, match="/secrets does not say who may call it"):
        make_app(MemoryDesk(), handlers=[secrets])


async def test_a_call_without_a_token_is_refused() -> None:
    async with running_api() as api:
        for case in GUARDED:
            answer = await call(api, case, token="", json=body_of(case))
            assert verdict(case, answer) == (case.name, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_call_with_a_wrong_token_is_refused() -> None:
    async with running_api() as api:
        for case in GUARDED:
            answer = await call(api, case, token="mw_wrong", json=body_of(case))
            assert verdict(case, answer) == (case.name, 401, "unauthenticated")


async def test_a_token_with_every_other_scope_is_refused() -> None:
    async with running_api() as api:
        for case in GUARDED:
            others = set(Action) - set(case.needs) - {Action.ADMIN}
            answer = await call(api, case, token=api.desk.grant("mw_others", *others), json=body_of(case))
            assert verdict(case, answer) == (case.name, 403, "access_denied")


async def test_a_thing_of_another_workspace_does_not_exist() -> None:
    async with running_api() as api:
        for case in [found for found in GUARDED if found.parameters]:
            things = await things_of(api)
            there = await call(api, case, token=OTHER, things=things, json=body_of(case))
            if case.name in EMPTY_FOR_OTHERS:
                assert there.json()["items"] == []
            else:
                assert verdict(case, there) == (case.name, 404, "not_found")
            here = await call(api, case, things=things, json=body_of(case))
            assert here.status_code != 404, case.name
            if case.name in EMPTY_FOR_OTHERS:
                assert here.json()["items"] != []
            await api.start_again()


async def test_nothing_is_sent_by_an_account_of_another_workspace() -> None:
    async with running_api() as api:
        for case in [found for found in GUARDED if found.name in {"POST /v1/messages", "POST /v1/bulk"}]:
            content = json.dumps({"message": MESSAGE["message"]} if "bulk" in case.path else MESSAGE)
            answer = await call(api, case, token=OTHER, content=content)
            assert answer.status_code == 404
            assert api.desk.shelves["other"].messages == {}
            assert (await call(api, case, content=content)).status_code in (200, 202)


async def pieces(content: bytes) -> Any:
    yield content[:1000]
    yield content[1000:]


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with running_api(settings=LIMITS) as api:
        for case in WITH_JSON:
            limit = LIMITS.max_message_bytes if case.big else LIMITS.max_body_bytes
            content = b" " * (limit + 1)

            for given in (content, pieces(content)):
                answer = await call(api, case, content=given)
                assert verdict(case, answer) == (case.name, 413, "body_too_large")
                assert answer.headers["connection"] == "close"


async def test_a_body_that_is_no_json_is_refused_with_the_place() -> None:
    async with running_api() as api:
        for case in WITH_JSON:
            answer = await call(api, case, content=b"{nothing}")
            assert verdict(case, answer) == (case.name, 400, "bad_json")
            assert "byte 1" in answer.json()["message"]


async def test_a_field_that_nobody_knows_is_refused_by_its_name() -> None:
    async with running_api() as api:
        for case in WITH_JSON:
            answer = await call(api, case, json={**(body_of(case) or {}), "surprise": 1})
            assert verdict(case, answer) == (case.name, 422, "invalid_field")
            assert (answer.json()["field"], answer.json()["message"]) == ("surprise", "there is no such field")


async def test_a_parameter_that_nobody_knows_is_refused_by_its_name() -> None:
    async with running_api() as api:
        for case in GUARDED:
            params = {**QUERIES.get(case.name, {}), "surprise": "1"}
            answer = await call(api, case, json=body_of(case), params=params)
            assert (case.name, answer.status_code, answer.json()["field"]) == (case.name, 422, "surprise")


async def test_another_content_type_than_json_is_refused() -> None:
    async with running_api() as api:
        for case in [found for found in WITH_JSON if found.body is not Nothing]:
            content = json.dumps(body_of(case))
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
                answer = await call(api, case, content=content, headers={"content-type": kind})
                assert verdict(case, answer) == (case.name, 415, "unsupported_media_type")


async def test_a_body_that_is_missing_is_refused() -> None:
    async with running_api() as api:
        for case in [found for found in WITH_JSON if found.body is not Nothing]:
            answer = await call(api, case)
            assert verdict(case, answer) == (case.name, 400, "bad_json")


async def test_a_call_that_is_right_is_answered_in_the_shape_that_the_reference_promises() -> None:
    async with running_api() as api:
        for case in [found for found in GUARDED if found.path != "/v1/events/stream" and "clean-up" not in found.path]:
            things = await things_of(api)
            content: Any = {"json": body_of(case)}
            if case.body_kind is BodyKind.STREAM:
                content = {"content": json.dumps({"message": MESSAGE["message"]})}
            if case.name == "POST /v1/messages/{id}/release":
                make_uncertain(api, things["messages"])
            answer = await call(api, case, things=things, **content)
            assert answer.status_code in case.answers, case.name
            await api.start_again()


def make_uncertain(api: Api, message: str) -> None:
    stored, content = api.desk.shelves["home"].messages[message]
    api.desk.shelves["home"].messages[message] = replace(stored, state=MessageState.UNCERTAIN), content


async def test_a_method_that_a_path_does_not_have_is_405_with_those_it_has() -> None:
    async with running_api() as api:
        for path in {found.path for found in ROUTES}:
            answer = await api("PATCH", path)
            methods = {found.method for found in ROUTES if found.path == path} | {"OPTIONS"}
            methods |= {"HEAD"} if "GET" in methods else set()
            assert (path, answer.status_code, answer.json()["code"]) == (path, 405, "method_not_allowed")
            assert set(answer.headers["allow"].split(", ")) == methods
            assert set((await api("OPTIONS", path)).headers["allow"].split(", ")) == methods


async def test_head_says_what_get_says_without_a_body() -> None:
    async with running_api() as api:
        for case in [found for found in GUARDED if found.method == "GET" and not found.parameters]:
            answer = await api("HEAD", case.path, params=QUERIES.get(case.name, {}))
            assert (case.name, answer.status_code) == (case.name, 200)


async def test_a_route_that_does_not_exist_is_a_problem_like_every_other() -> None:
    async with running_api() as api:
        for path in ("/v2/messages", "/v1/messages/a/b/c", "/v1", "/", "/v1/accounts/a%00b"):
            answer = await api("GET", path)
            assert (path, answer.status_code, answer.json()["code"]) == (path, 404, "route_not_found")
