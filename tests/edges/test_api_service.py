"""The same routes with the real service behind: what is of one workspace another does not see; every shape is kept."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mailwright.api.route import BodyKind
from mailwright.connector.service import Service
from mailwright.connector.service_desk import ServiceDesk
from mailwright.model.access import Action
from mailwright.settings import Settings
from tests.edges.api_client import ACCOUNT, MESSAGE, Api
from tests.edges.test_api_routes import EMPTY_FOR_OTHERS, GUARDED, body_of, call, things_of, verdict


class Tokens:
    """One for all workspaces, and one of each."""

    def __init__(self, everything: str) -> None:
        self.everything = everything
        self.home = ""
        self.other = ""


@asynccontextmanager
async def real_api(data: Path) -> AsyncIterator[tuple[Api, Tokens]]:
    async with Service(Settings(data=data), roles=("api",)) as service:
        first = await service.tokens.first_token()
        assert first is not None
        tokens = Tokens(first.reveal())
        api = Api(ServiceDesk(service))
        async with api.client:
            for name in ("home", "other"):
                await api("POST", "/v1/workspaces", {"name": name}, token=tokens.everything)
                given = {"name": name, "actions": ["admin"], "workspace": name}
                made = await api("POST", "/v1/tokens", given, token=tokens.everything)
                assert made.status_code == 201
                setattr(tokens, name, made.json()["secret"])
            api.token = tokens.home
            await api("POST", "/v1/accounts", ACCOUNT)
            yield api, tokens


async def test_a_thing_of_another_workspace_does_not_exist(tmp_path: Path) -> None:
    async with real_api(tmp_path) as (api, tokens):
        things = await things_of(api)
        for case in [found for found in GUARDED if found.parameters]:
            there = await call(api, case, token=tokens.other, things=things, json=body_of(case))
            if case.name in EMPTY_FOR_OTHERS:
                assert there.json()["items"] == [], case.name
            else:
                assert verdict(case, there) == (case.name, 404, "not_found")


async def test_what_a_token_lists_is_of_its_workspace(tmp_path: Path) -> None:
    async with real_api(tmp_path) as (api, tokens):
        await things_of(api)
        lists = [found for found in GUARDED if found.method == "GET" and not found.parameters]
        for case in lists:
            if case.path in ("/v1/events/stream", "/v1/audit/verify", "/v1/workspaces", "/metrics"):
                continue
            here, there = await call(api, case), await call(api, case, token=tokens.other)
            assert (case.name, here.status_code, there.status_code) == (case.name, 200, 200)
            others = {item.get("workspace", "other") for item in there.json()["items"]}
            assert (case.name, here.json()["items"] != [], others <= {"other"}) == (case.name, True, True)


async def test_every_scope_is_asked_for_by_the_service_too(tmp_path: Path) -> None:
    async with real_api(tmp_path) as (api, tokens):
        for case in GUARDED:
            others = sorted(set(Action) - set(case.needs) - {Action.ADMIN})
            given = {"name": "others", "actions": others, "workspace": "home"}
            made = await api("POST", "/v1/tokens", given, token=tokens.everything)
            answer = await call(api, case, token=made.json()["secret"], json=body_of(case))
            assert verdict(case, answer) == (case.name, 403, "access_denied")


async def test_every_answer_of_the_service_has_the_shape_that_the_reference_promises(tmp_path: Path) -> None:
    async with real_api(tmp_path) as (api, _):
        things = await things_of(api)
        for case in sorted(GUARDED, key=lambda found: (found.method == "DELETE", found.path)):
            if case.path in ("/v1/events/stream", "/v1/messages/clean-up") or "/v1/workspaces" in case.path:
                continue
            content: Any = {"json": body_of(case)}
            if "ids" in (body_of(case) or {}):
                content = {"json": {"ids": [things["messages"]]}}
            if case.body_kind is BodyKind.STREAM:
                content = {"content": json.dumps({"message": MESSAGE["message"]})}
            answer = await call(api, case, things=things, **content)
            # A message that is not uncertain cannot be decided, one that was cancelled not be cancelled again.
            assert answer.status_code in case.answers or answer.status_code == 409, (case.name, answer.text)
