"""Accounts, webhooks, workspaces, tokens, suppressions and the audit trail through the API."""

import json

import msgspec
import pytest

from mailwright.model.access import Action
from mailwright.model.outbox_json import message_to_json
from mailwright.wire.message_view import MessageView
from tests.edges.api_client import ACCOUNT, MESSAGE, fields_of, running_api
from tests.edges.memory_desk import EVERYTHING, OTHER

SETTINGS = {"account": ACCOUNT["account"]}
HOOK = {"url": "https://hooks.example.org/", "events": ["message.*"]}


async def test_no_answer_about_an_account_has_its_password() -> None:
    async with running_api() as api:
        given = {**ACCOUNT, "name": "second"}
        for answer in (
            await api("POST", "/v1/accounts", given),
            await api("GET", "/v1/accounts/second"),
            await api("GET", "/v1/accounts"),
            await api("PUT", "/v1/accounts/second", SETTINGS),
            await api("POST", "/v1/accounts/second/pause"),
        ):
            assert answer.status_code in (200, 201)
            assert "s3cret" not in answer.text
            assert '"password":"***"' in answer.text


async def test_a_masked_password_that_is_posted_back_is_refused() -> None:
    async with running_api() as api:
        shown = (await api("GET", "/v1/accounts/main")).json()["account"]["outgoing"]
        answer = await api("PUT", "/v1/accounts/main", outgoing(host=shown["host"], username="me", password="***"))
        assert (answer.status_code, answer.json()["field"]) == (422, "account.outgoing.password")


async def test_a_password_that_is_left_out_stays_where_the_server_is_the_same() -> None:
    async with running_api() as api:
        answer = await api("PUT", "/v1/accounts/main", outgoing(host="smtp.example.org", username="me", chunking=True))
        assert answer.status_code == 200
        sign_in = api.desk.shelves["home"].accounts["main"].account.outgoing.sign_in
        assert sign_in is not None
        assert sign_in.password is not None
        assert sign_in.password.reveal() == "s3cret"
        elsewhere = await api("PUT", "/v1/accounts/main", outgoing(host="evil.example.org", username="me"))
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "missing_credential")


def outgoing(**given: object) -> dict[str, object]:
    return {"account": {"address": "me@example.org", "outgoing": given}}


async def test_everything_of_an_account_arrives() -> None:
    async with running_api() as api:
        given = {
            "name": "full",
            "account": {
                "address": "me@example.org",
                "display_name": "Me",
                "outgoing": {
                    "host": "smtp.example.org",
                    "port": 465,
                    "security": "implicit",
                    "username": "me",
                    "password": "s3cret",
                    "mechanism": "PLAIN",
                    "verify_hostname": False,
                    "port_25": "never",
                    "proxy": {
                        "kind": "socks5",
                        "host": "proxy.example.org",
                        "port": 1080,
                        "username": "p",
                        "password": "q",
                    },
                    "timeouts": {"reply": 30},
                    "pool": {"sessions": 3},
                },
            },
            "rate_preset": "gmail",
            "retry": {"max_retries": 3},
            "uncertain": "resend",
        }
        assert (await api("POST", "/v1/accounts", given)).status_code == 201
        record = api.desk.shelves["home"].accounts["full"]
        assert (record.limits.messages_per_second, record.limits.concurrency) == (1.0, 5)
        assert len(record.retry.waits) == 3
        made = record.account.outgoing
        assert (made.port, made.security, made.verify_hostname, made.timeouts.reply, made.pool.sessions) == (
            465,
            "implicit",
            False,
            30,
            3,
        )
        assert made.proxy is not None
        assert (made.proxy.kind, made.proxy.username) == ("socks5", "p")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account": {"address": "me", "outgoing": {"host": "h"}}}, "account.address"),
        ({"account": {"address": "me@example.org", "outgoing": {"host": "a b"}}}, "account.outgoing.host"),
        ({"account": {"address": "me@example.org", "outgoing": {"host": "h", "port": 0}}}, "account.outgoing.port"),
        ({"account": {"address": "me@example.org", "outgoing": {"host": "h", "port": "25"}}}, "account.outgoing.port"),
        ({"account": {"address": "me@example.org"}}, "account.outgoing"),
        ({"limits": {"concurrency": 0}}, "limits.concurrency"),
        ({"rate_preset": "nobody"}, "rate_preset"),
        ({"rate_preset": "gmail", "limits": {}}, "rate_preset"),
        ({"retry": {"waits": [1], "max_retries": 1}}, "retry.max_retries"),
        ({"uncertain": "maybe"}, "uncertain"),
        ({"name": ""}, "name"),
    ],
)
async def test_a_mistake_in_an_account_names_its_place(change: dict[str, object], field: str) -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/accounts", {**ACCOUNT, "name": "second", **change})
        assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("name", ["Sales / EU", "100 %", "ä?b#c", "a\\b", "%2F", "."])
async def test_an_account_may_have_any_name(name: str) -> None:
    async with running_api() as api:
        made = await api("POST", "/v1/accounts", {**ACCOUNT, "name": name})
        assert made.status_code == 201
        # A client that takes a dot for "here" cannot be helped: it asks for another address.
        if name != ".":
            assert (await api("GET", made.headers["location"])).json()["name"] == name


async def test_a_name_that_is_taken_is_a_conflict() -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/accounts", ACCOUNT)
        assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")


EDITABLE = [
    ("/v1/accounts", ACCOUNT | {"name": "edited"}, SETTINGS, "name", "home"),
    ("/v1/webhooks", HOOK, HOOK | {"description": "changed"}, "id", "home"),
    ("/v1/workspaces", {"name": "edited"}, {"description": "changed"}, "name", ""),
]


@pytest.mark.parametrize(("path", "given", "change", "key", "workspace"), EDITABLE)
async def test_nobody_overwrites_what_somebody_else_changed(path, given, change, key, workspace) -> None:
    async with running_api() as api:
        token = EVERYTHING if not workspace else "mw_home"
        made = (await api("POST", path, given, token=token)).json()
        place = f"{path}/{made.get('webhook', made)[key]}"
        read = await api("GET", place, token=token)
        tag = {"if-match": read.headers["etag"]}
        first = await api("PUT", place, change, token=token, headers=tag)
        assert first.status_code == 200
        assert first.headers["etag"] != read.headers["etag"]
        second = await api("PUT", place, change, token=token, headers=tag)
        assert (second.status_code, second.json()["code"]) == (412, "version_conflict")
        for wrong in (tag["if-match"], '"elsewhere"', f"W/{first.headers['etag']}"):
            answer = await api("DELETE", place, token=token, headers={"if-match": wrong})
            assert answer.status_code == 412
        assert (await api("PUT", place, change, token=token, headers={"if-match": "*"})).status_code == 200
        newest = (await api("GET", place, token=token)).headers["etag"]
        assert (await api("DELETE", place, token=token, headers={"if-match": newest})).status_code == 204
        assert (await api("GET", place, token=token)).status_code == 404


@pytest.mark.parametrize(("path", "given", "change", "key", "workspace"), EDITABLE)
async def test_what_is_the_same_is_not_sent_again(path, given, change, key, workspace) -> None:
    async with running_api() as api:
        token = EVERYTHING if not workspace else "mw_home"
        made = (await api("POST", path, given, token=token)).json()
        place = f"{path}/{made.get('webhook', made)[key]}"
        tag = (await api("GET", place, token=token)).headers["etag"]
        same = await api("GET", place, token=token, headers={"if-none-match": f'"other", {tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        await api("PUT", place, change, token=token)
        assert (await api("GET", place, token=token, headers={"if-none-match": tag})).status_code == 200


async def test_a_change_of_state_is_seen_though_the_version_is_the_same() -> None:
    from dataclasses import replace
    from datetime import UTC, datetime

    from mailwright.model.account_record import Parked
    from mailwright.model.outbox import Failure
    from mailwright.reply import Phase

    async with running_api() as api:
        tag = (await api("GET", "/v1/accounts/main")).headers["etag"]
        shelf, now = api.desk.shelves["home"], datetime(2030, 1, 1, tzinfo=UTC)
        failure = Failure("sign_in_refused", "wrong password", Phase.AUTH)
        shelf.accounts["main"] = replace(shelf.accounts["main"], parked=Parked(now, now, failure))
        answer = await api("GET", "/v1/accounts/main", headers={"if-none-match": tag})
        assert answer.status_code == 200
        assert answer.json()["parked"]["failure"]["code"] == "sign_in_refused"
        # Nobody edited it: who read it before may still change it.
        assert (await api("PUT", "/v1/accounts/main", SETTINGS, headers={"if-match": tag})).status_code == 200


async def test_an_account_is_paused_resumed_and_checked() -> None:
    async with running_api() as api:
        assert (await api("POST", "/v1/accounts/main/pause")).json()["paused"] is True
        assert (await api("POST", "/v1/accounts/main/resume", {})).json()["paused"] is False
        report = (await api("POST", "/v1/accounts/main/check")).json()
        assert (report["ok"], report["steps"][0]["name"]) == (True, "resolve")


async def test_the_secret_of_a_webhook_is_shown_once() -> None:
    async with running_api() as api:
        made = await api("POST", "/v1/webhooks", HOOK)
        secret = made.json()["secret"]
        place = made.headers["location"]
        assert secret.startswith("whsec_")
        rotated = (await api("POST", f"{place}/rotate-secret", {"overlap_seconds": 60})).json()["secret"]
        assert rotated != secret
        shown = await api("GET", place)
        assert len(shown.json()["secrets"]) == 2
        for answer in (shown, await api("GET", "/v1/webhooks")):
            assert secret not in answer.text
            assert rotated not in answer.text


async def test_a_webhook_is_tested_and_its_deliveries_are_replayed() -> None:
    async with running_api() as api:
        place = (await api("POST", "/v1/webhooks", HOOK)).headers["location"]
        delivery = (await api("POST", f"{place}/test")).json()
        assert (delivery["state"], delivery["last"]["status"]) == ("delivered", 204)
        assert [item["id"] for item in (await api("GET", f"{place}/deliveries")).json()["items"]] == [delivery["id"]]
        assert (await api("POST", f"{place}/replay", {"deliveries": [delivery["id"]]})).json() == {"replayed": 1}
        answer = await api("POST", f"{place}/replay", {})
        assert (answer.status_code, answer.json()["field"]) == (422, "deliveries")


async def test_an_address_that_no_webhook_can_have_is_refused() -> None:
    async with running_api() as api:
        for url in ("ftp://example.org/", "https://user:password@example.org/", "https://"):
            answer = await api("POST", "/v1/webhooks", {"url": url})
            assert (answer.status_code, answer.json()["field"]) == (422, "url")


async def test_a_token_is_made_shown_once_and_revoked() -> None:
    async with running_api() as api:
        made = await api(
            "POST", "/v1/tokens", {"name": "ci", "actions": ["messages:read", "send"], "accounts": ["main"]}
        )
        assert made.status_code == 201
        assert made.json()["secret"] == "mw_made"
        token = made.json()["token"]
        assert (token["actions"], token["accounts"]) == (["send", "messages:read"], ["main"])
        listed = await api("GET", "/v1/tokens")
        assert [item["id"] for item in listed.json()["items"]] == [token["id"]]
        assert "mw_made" not in listed.text
        assert (await api("DELETE", f"/v1/tokens/{token['id']}", token=OTHER)).status_code == 404
        assert (await api("DELETE", f"/v1/tokens/{token['id']}")).status_code == 204
        assert (await api("GET", "/v1/tokens")).json()["items"] == []


async def test_an_address_is_suppressed_and_gets_mail_again() -> None:
    async with running_api() as api:
        made = await api("POST", "/v1/suppressions", {"address": "Ann+x@Example.org", "list": "news", "note": "asked"})
        assert made.status_code == 201
        entries = (await api("GET", made.headers["location"])).json()["items"]
        assert [(entry["address"], entry["list"], entry["reason"]) for entry in entries] == [
            ("ann+x@example.org", "news", "manual")
        ]
        assert (await api("DELETE", made.headers["location"])).status_code == 404
        assert (await api("DELETE", f"{made.headers['location']}?list=news")).status_code == 204
        assert (await api("GET", made.headers["location"])).json()["items"] == []


async def test_a_workspace_gets_a_safe_mode() -> None:
    async with running_api() as api:
        await api("POST", "/v1/workspaces", {"name": "staging"}, token=EVERYTHING)
        given = {"description": "for tests", "safe_mode": {"redirect_to": "qa@example.org", "allow": ["@example.org"]}}
        changed = await api("PUT", "/v1/workspaces/staging", given, token=EVERYTHING)
        assert changed.json()["safe_mode"] == given["safe_mode"]
        names = [item["name"] for item in (await api("GET", "/v1/workspaces", token=EVERYTHING)).json()["items"]]
        assert "staging" in names
        answer = await api("POST", "/v1/workspaces", {"name": "Not A Name"}, token=EVERYTHING)
        assert answer.status_code == 422


async def test_the_audit_trail_is_listed_and_verified() -> None:
    async with running_api() as api:
        assert (await api("GET", "/v1/audit")).json()["items"][0]["action"] == "account.create"
        assert (await api("GET", "/v1/audit/verify")).json() == {"entries": 1}
        assert (await api("GET", "/v1/audit", token=api.desk.grant("mw_send", Action.SEND))).status_code == 403


async def test_events_are_listed_by_what_they_are_about() -> None:
    async with running_api() as api:
        message = (await api("POST", "/v1/messages?wait=1", MESSAGE)).json()["id"]

        async def types(query: str) -> list[str]:
            return [event["type"] for event in (await api("GET", f"/v1/events?{query}")).json()["items"]]

        assert await types("") == ["account.created", "message.queued", "message.sent"]
        assert await types(f"message={message}") == ["message.queued", "message.sent"]
        assert await types("type=message.sent&type=account.created") == ["account.created", "message.sent"]
        assert await types("limit=1") == ["account.created"]


async def test_the_shape_of_a_message_names_every_field_that_a_message_has() -> None:
    async with running_api() as api:
        message = (await api("POST", "/v1/messages?wait=1", MESSAGE)).json()["id"]
        stored = api.desk.shelves["home"].messages[message][0]
        shown = json.loads(msgspec.json.encode(message_to_json(stored)))
        assert fields_of(shown) == fields_of(msgspec.to_builtins(msgspec.convert(shown, MessageView)))
