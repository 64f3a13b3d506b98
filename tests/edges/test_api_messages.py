"""Messages through the API: what reaches the service, and what callers get back."""

import json
from datetime import UTC, datetime

import pytest

from mailwright.errors import InvalidHeader, StoreError
from mailwright.model.access import Action
from tests.edges.api_client import ACCOUNT, MESSAGE, running_api
from tests.edges.memory_desk import EVERYTHING, HOME, MemoryDesk


async def test_a_message_is_accepted_with_its_id_and_where_to_ask_for_it() -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/messages", MESSAGE)
        assert answer.status_code == 202
        stored = (await api("GET", answer.headers["location"])).json()
        assert stored["id"] == answer.json()["id"]
        assert (stored["state"], stored["subject"]) == ("queued", "Hello")
        assert [who["address"] for who in stored["recipients"]] == ["ann@example.org"]


async def test_a_call_that_waits_gets_the_servers_answer() -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/messages?wait=5", MESSAGE)
        assert answer.status_code == 200
        assert answer.json()["state"] == "sent"
        assert answer.json()["response"]["text"] == "queued as 4711"


async def test_a_call_that_waits_in_vain_is_accepted_all_the_same() -> None:
    desk = MemoryDesk()
    desk.sends = False
    async with running_api(desk) as api:
        answer = await api("POST", "/v1/messages?wait=0.1", MESSAGE)
        assert answer.status_code == 202
        assert (await api("GET", answer.headers["location"])).json()["state"] == "queued"


async def test_a_key_gives_the_same_message_and_other_content_is_refused() -> None:
    async with running_api() as api:
        key = {"idempotency-key": "order-1"}
        first = await api("POST", "/v1/messages", MESSAGE, headers=key)
        assert (await api("POST", "/v1/messages", MESSAGE, headers=key)).json() == first.json()
        named = {**MESSAGE, "options": {"idempotency_key": "order-1"}}
        assert (await api("POST", "/v1/messages", named)).json() == first.json()
        other = {"account": "main", "message": {**MESSAGE["message"], "cc": "bob@example.org"}}
        answer = await api("POST", "/v1/messages", other, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


async def test_a_mistake_that_the_service_finds_while_composing_is_shown_in_its_place() -> None:
    async with running_api() as api:
        api.desk.fail = InvalidHeader("too long", field="subject")
        answer = await api("POST", "/v1/messages", MESSAGE)
        assert (answer.status_code, answer.json()["field"]) == (422, "message.subject")


async def test_an_address_that_is_wrong_is_pointed_at() -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/messages", {"account": "main", "message": {"to": ["ann@example.org", "bob@"]}})
        assert answer.status_code == 422
        said = answer.json()
        assert (said["code"], said["field"], said["item"]) == ("invalid_address", "message.to", 1)


async def test_the_bytes_of_a_message_need_a_scope_of_their_own() -> None:
    async with running_api() as api:
        place = (await api("POST", "/v1/messages", MESSAGE)).headers["location"]
        body = await api("GET", f"{place}/body")
        assert body.headers["content-type"] == "message/rfc822"
        assert b"Subject: Hello\r\n" in body.content
        assert body.headers["content-disposition"].startswith("attachment")
        reader = api.desk.grant("mw_reader", Action.MESSAGES_READ)
        assert (await api("GET", f"{place}/body", token=reader)).status_code == 403
        assert (await api("GET", place, token=reader)).status_code == 200


async def test_messages_are_found_by_what_is_known_of_them() -> None:
    async with running_api() as api:
        await api("POST", "/v1/messages", {**MESSAGE, "options": {"tags": {"order": "1", "shop": "a:b"}}})
        sent = await api("POST", "/v1/messages?wait=1", MESSAGE)

        async def found(query: str) -> int:
            answer = await api("GET", f"/v1/messages?{query}")
            assert answer.status_code == 200
            return len(answer.json()["items"])

        assert await found("") == 2
        assert await found("state=sent") == 1
        assert await found("state=sent&state=queued") == 2
        assert await found("state=failed") == 0
        assert await found("tag=order:1&tag=shop:a%3Ab") == 1
        assert await found("tag=order:2") == 0
        assert await found("subject=Hell") == 2
        assert await found("since=2031-01-01T00:00:00Z") == 0
        assert await found("since=2030-01-01T00:00:00%2B01:00") == 2
        newest = (await api("GET", "/v1/messages")).json()["items"]
        oldest = (await api("GET", "/v1/messages?oldest_first=true")).json()["items"]
        assert newest == oldest[::-1]
        assert newest[0]["id"] == sent.json()["id"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=lost", "state[0]"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("since=yesterday", "since"),
        ("since=2030-01-01T00:00:00", "since"),
        ("tag=order", "tag"),
        ("cursor=elsewhere", "cursor"),
        ("oldest_first=maybe", "oldest_first"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(query: str, field: str) -> None:
    async with running_api() as api:
        answer = await api("GET", f"/v1/messages?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize("query", ["%ff=1", "limit=%ff", "limit", "&".join(f"a{number}=1" for number in range(101))])
async def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    async with running_api() as api:
        answer = await api("GET", f"/v1/messages?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("wait", ["nan", "inf", "-1", "301"])
async def test_nobody_waits_without_end(wait: str) -> None:
    async with running_api() as api:
        answer = await api("GET", f"/v1/messages/x?wait={wait}")
        assert answer.status_code in (404, 422)


async def test_pages_follow_each_other_to_the_end() -> None:
    async with running_api() as api:
        made = [(await api("POST", "/v1/messages", MESSAGE)).json()["id"] for _ in range(5)]
        seen, cursor = [], ""
        while True:
            page = (await api("GET", f"/v1/messages?limit=2&oldest_first=true&cursor={cursor}")).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if not cursor:
                break
        assert seen == made


async def test_a_message_is_cancelled_and_tried_again() -> None:
    async with running_api() as api:
        place = (await api("POST", "/v1/messages", MESSAGE)).headers["location"]
        assert (await api("POST", f"{place}/cancel")).json()["state"] == "cancelled"
        answer = await api("POST", f"{place}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        assert (await api("POST", f"{place}/retry")).json()["state"] == "queued"


async def test_of_several_messages_those_are_named_that_could_be_cancelled() -> None:
    async with running_api() as api:
        first = (await api("POST", "/v1/messages", MESSAGE)).json()["id"]
        second = (await api("POST", "/v1/messages?wait=1", MESSAGE)).json()["id"]
        answer = await api("POST", "/v1/messages/cancel", {"ids": [first, second, "msg_none"]})
        assert [item["id"] for item in answer.json()["items"]] == [first]


async def test_a_story_is_everything_that_happened_to_a_message() -> None:
    async with running_api() as api:
        message = (await api("POST", "/v1/messages?wait=1", MESSAGE)).json()["id"]
        story = (await api("GET", f"/v1/messages/{message}/story")).json()["items"]
        assert [event["type"] for event in story] == ["message.queued", "message.sent"]


async def test_a_token_for_all_workspaces_says_which_one_it_means() -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/messages", MESSAGE, token=EVERYTHING)
        assert answer.status_code == 404
        there = {"mailwright-workspace": "home"}
        assert (await api("POST", "/v1/messages", MESSAGE, token=EVERYTHING, headers=there)).status_code == 202
        nowhere = {"mailwright-workspace": "nowhere"}
        assert (await api("GET", "/v1/messages", token=EVERYTHING, headers=nowhere)).status_code == 404
        await api("POST", "/v1/accounts", ACCOUNT, token=EVERYTHING)
        assert "main" in api.desk.shelves["default"].accounts


async def test_a_token_of_one_workspace_cannot_go_to_another() -> None:
    async with running_api() as api:
        for wanted, status in (("home", 200), ("other", 404), ("default", 404)):
            answer = await api("GET", "/v1/messages", headers={"mailwright-workspace": wanted})
            assert answer.status_code == status


async def test_a_token_of_one_account_sends_by_no_other() -> None:
    async with running_api() as api:
        await api("POST", "/v1/accounts", {**ACCOUNT, "name": "secret"})
        limited = api.desk.grant("mw_limited", Action.SEND, accounts={"main"})
        assert (await api("POST", "/v1/messages", MESSAGE, token=limited)).status_code == 202
        answer = await api("POST", "/v1/messages", {**MESSAGE, "account": "secret"}, token=limited)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", f"Basic {HOME}", HOME, f"Token {HOME}"])
async def test_only_a_bearer_token_opens_the_door(authorization: str) -> None:
    async with running_api() as api:
        answer = await api("GET", "/v1/messages", token="", headers={"authorization": authorization})
        assert answer.status_code == 401
        for spelling in ("Bearer", "bearer", "BEARER"):
            answer = await api("GET", "/v1/messages", token="", headers={"authorization": f"{spelling} {HOME}"})
            assert answer.status_code == 200


async def test_a_token_in_the_address_opens_nothing() -> None:
    async with running_api() as api:
        for name in ("token", "access_token", "api_key"):
            assert (await api("GET", f"/v1/messages?{name}={HOME}", token="")).status_code == 401


async def test_what_is_not_stored_is_not_accepted_and_may_be_tried_again() -> None:
    async with running_api() as api:
        api.desk.fail = StoreError("the disk is full")
        answer = await api("POST", "/v1/messages", MESSAGE)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_error")
        assert answer.headers["retry-after"] == "1"


async def test_a_message_is_scheduled_and_expires_as_said() -> None:
    async with running_api() as api:
        options = {"expires_at": "2030-03-01T00:00:00Z", "tags": {"a": "b"}}
        place = (await api("POST", "/v1/messages", {**MESSAGE, "options": options})).headers["location"]
        stored = (await api("GET", place)).json()
        assert datetime.fromisoformat(stored["expires_at"]) == datetime(2030, 3, 1, tzinfo=UTC)
        assert stored["tags"] == {"a": "b"}


async def test_a_bulk_call_has_one_answer_for_each_line() -> None:
    async with running_api() as api:
        lines = [
            {"defaults": {"message": {"subject": "News", "text": "Hello"}}},
            {"message": {"to": "ann@example.org"}},
            {"message": {"to": "bob@"}},
            {"message": {"to": "cat@example.org", "x": 1}},
            {"message": {"to": "dan@example.org"}},
        ]
        content = "\n".join([*map(json.dumps, lines), "{not json"])
        answer = await api("POST", "/v1/bulk?account=main&total=5", content=content)
        assert answer.headers["content-type"] == "application/jsonl"
        items = [json.loads(line) for line in answer.text.splitlines()]
        assert [item["index"] for item in items] == [0, 1, 2, 3, 4]
        assert [bool(item["message"]) for item in items] == [True, False, False, True, False]
        assert [item["error"] and item["error"]["field"] for item in items] == [
            None,
            "message.to",
            "message.x",
            None,
            "",
        ]
        job = (await api("GET", answer.headers["location"])).json()
        assert {item["job"] for item in items} == {job["id"]}
        assert (job["total"], job["accepted"], job["refused"]) == (5, 2, 3)
        errors = (await api("GET", f"{answer.headers['location']}/errors")).json()["items"]
        assert [error["index"] for error in errors] == [1, 2, 4]
        stored = (await api("GET", f"/v1/messages/{items[3]['message']}")).json()
        assert (stored["subject"], stored["bulk"]) == ("News", job["id"])


async def test_a_bulk_call_may_be_an_array() -> None:
    async with running_api() as api:
        lines = [{"message": MESSAGE["message"]}] * 3
        answer = await api("POST", "/v1/bulk?account=main", lines)
        assert len([line for line in answer.text.splitlines() if json.loads(line)["message"]]) == 3


async def test_a_bulk_call_that_is_sent_again_sends_nothing_twice() -> None:
    async with running_api() as api:
        lines = [{"message": MESSAGE["message"]}] * 3
        key = {"idempotency-key": "run-1"}
        first, second = [
            [
                json.loads(line)["message"]
                for line in (await api("POST", "/v1/bulk?account=main", lines, headers=key)).text.splitlines()
            ]
            for _ in range(2)
        ]
        assert first == second
        assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/jsonl", 422),
        (b"\n\n", "application/x-ndjson", 422),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b"[1", "application/json", 422),
        (b"x", "text/csv", 415),
        (b"x", "application/json; charset=latin-1", 415),
    ],
)
async def test_a_bulk_call_with_nothing_to_read_says_so(content: bytes, kind: str, status: int) -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/bulk?account=main", content=content, headers={"content-type": kind})
        assert answer.status_code == status


async def test_a_bulk_call_that_breaks_in_the_middle_ends_with_the_reason() -> None:
    async with running_api() as api:
        line = json.dumps({"message": MESSAGE["message"]})
        content = f"[{line}, {line},,"
        answer = await api(
            "POST", "/v1/bulk?account=main", content=content, headers={"content-type": "application/json"}
        )
        first, second, last = [json.loads(line) for line in answer.text.splitlines()]
        assert first["message"]
        assert second["message"]
        assert "comma" in last["error"]["message"]
        assert (await api("GET", "/v1/messages")).json()["items"][1]["id"] == first["message"]


async def test_a_bulk_call_for_an_account_that_does_not_exist_is_refused_with_a_status() -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/bulk?account=none", [{"message": MESSAGE["message"]}])
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        answer = await api("POST", "/v1/bulk", [{"message": MESSAGE["message"]}])
        assert (answer.status_code, answer.json()["field"]) == (422, "account")
