"""One shape for everything that goes wrong, and nothing in it that is nobody's business."""

import inspect
import json

import pytest
import structlog

from mailwright import errors
from mailwright.api.problems import REFUSALS, STATUS, problem_of, status_of
from mailwright.api.settings import ApiSettings
from mailwright.errors import LimitExceeded, MailwrightError, SignInRefused
from mailwright.reply import Phase, Reply
from tests.edges.api_client import MESSAGE, running_api

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MailwrightError)]
#: what falls to the root has no status of its own: only the root itself may
ROOT = {errors.MailwrightError}
#: what some of them cannot be made without
REQUIRED = {"rule": next(iter(errors.EgressRule)), "reason": next(iter(errors.EgressReason))}


@pytest.mark.parametrize("kind", TREE, ids=[kind.__name__ for kind in TREE])
def test_every_class_of_error_has_a_status_that_somebody_chose(kind: type[MailwrightError]) -> None:
    nearest = next(parent for parent in kind.__mro__ if parent in STATUS)
    assert nearest not in ROOT or kind in ROOT
    assert 400 <= STATUS[nearest] < 600


@pytest.mark.parametrize("kind", TREE, ids=[kind.__name__ for kind in TREE])
def test_every_class_of_error_becomes_a_problem(kind: type[MailwrightError]) -> None:
    named = {name: value for name, value in REQUIRED.items() if name in inspect.signature(kind).parameters}
    error = kind("what happened", hint="what to do", **named)
    error.field = "place"
    answer = problem_of(error, "req_1")
    said = json.loads(answer.body)
    assert (said["status"], answer.status) == (status_of(error), status_of(error))
    assert (said["code"], said["message"], said["detail"]) == (kind.code, "what happened", "what happened")
    assert (said["field"], said["hint"], said["request_id"]) == ("place", "what to do", "req_1")
    assert said["type"] == f"urn:mailwright:error:{kind.code}"
    assert said["title"]


def test_no_two_refusals_and_errors_share_a_code() -> None:
    assert not set(REFUSALS) & {kind.code for kind in TREE}


def test_what_a_server_said_is_not_thrown_away() -> None:
    error = SignInRefused(
        reply=Reply(535, "5.7.8", "no", Phase.AUTH, "AUTH"), phase=Phase.AUTH, server="smtp.example.org"
    )
    said = json.loads(problem_of(error, "").body)
    assert (said["status"], said["send"]["reply"]["code"], said["send"]["server"]) == (502, 535, "smtp.example.org")


async def test_who_calls_too_much_is_told_when_to_come_again() -> None:
    async with running_api() as api:
        error = LimitExceeded()
        error.retry_after = 17.2
        api.desk.fail = error
        answer = await api("POST", "/v1/messages", MESSAGE)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "17")


async def test_what_nobody_expected_is_logged_with_the_id_of_the_request_and_told_to_nobody() -> None:
    async with running_api() as api:
        api.desk.fail = RuntimeError("password=s3cret of ann@example.org")
        with structlog.testing.capture_logs() as logs:
            answer = await api("POST", "/v1/messages", MESSAGE)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "s3cret" not in answer.text
        (line,) = logs
        assert line["id"] == answer.headers["x-request-id"] == answer.json()["request_id"]
        assert (line["error"], line["route"]) == ("RuntimeError", "POST /v1/messages")
        assert any("memory_desk.py" in frame for frame in line["frames"])
        assert "s3cret" not in str(line)


async def test_the_callers_own_id_of_a_request_is_kept_where_it_is_harmless() -> None:
    async with running_api() as api:
        answer = await api("GET", "/v1/messages", headers={"x-request-id": "trace-0123.abc_9"})
        assert answer.headers["x-request-id"] == "trace-0123.abc_9"
        for wrong in ("short", "x" * 65, "with space here", 'quote"quote"', "ä" * 10):
            answer = await api("GET", "/v1/messages", headers={"x-request-id": wrong.encode()})
            assert answer.headers["x-request-id"].startswith("req_")


async def test_each_request_has_an_id_of_its_own() -> None:
    async with running_api() as api:
        seen = {(await api("GET", "/health", token="")).headers["x-request-id"] for _ in range(20)}
        assert len(seen) == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is missing"),
        (b"{", "truncated"),
        (b'{"account": "a",}', "byte 16"),
        (b'{"account": "\xff"}', "not UTF-8"),
        (b"\xff", "byte 0"),
        (b"nano", "byte 4"),
    ],
)
async def test_what_is_no_json_is_told_by_its_place(content: bytes, message: str) -> None:
    async with running_api() as api:
        answer = await api("POST", "/v1/messages", content=content)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")
        assert message in answer.json()["message"]


async def test_brackets_without_end_are_refused() -> None:
    async with running_api() as api:
        content = b'{"account": ' + b"[" * 100_000
        answer = await api("POST", "/v1/messages", content=content)
        assert answer.status_code in (400, 422)
        lines = b'{"defaults": {"message": {"text": "x"}}}\n' + b"[" * 100_000 + b"\n"
        answer = await api("POST", "/v1/bulk?account=main", content=lines)
        assert answer.status_code == 200
        assert json.loads(answer.text)["error"]["message"] == "brackets in brackets without end"


async def test_too_many_calls_of_one_token_are_stopped_and_those_of_another_are_not() -> None:
    async with running_api(settings=ApiSettings(requests_per_second=0.01, burst=4)) as api:
        # One was used to make the account.
        answers = [(await api("GET", "/v1/messages")).status_code for _ in range(6)]
        assert answers == [200, 200, 200, 200, 429, 429]
        answer = await api("GET", "/v1/messages")
        assert answer.json()["code"] == "limit_exceeded"
        assert 1 <= int(answer.headers["retry-after"]) <= 200
        assert (await api("GET", "/v1/messages", token="mw_other")).status_code == 200
        assert (await api("GET", "/health", token="")).status_code == 200


async def test_every_refused_and_failed_call_is_counted_with_the_others() -> None:
    async with running_api() as api:
        await api("GET", "/v1/messages/none")
        await api("GET", "/v1/messages", token="")
        page = (await api("GET", "/metrics")).text
        assert 'mailwright_http_requests_total{route="GET /v1/messages/{id}",status="404"} 1.0' in page
        assert 'mailwright_http_requests_total{route="GET /v1/messages",status="401"} 1.0' in page
        assert 'mailwright_http_seconds_count{route="GET /v1/messages"} 1.0' in page
        assert 'mailwright_messages{state="queued"} 0.0' in page
        assert 'mailwright_sends_total{encrypted="no",signed="no"} 3.0' in page


async def test_readiness_says_which_part_is_not_ready() -> None:
    async with running_api() as api:
        assert (await api("GET", "/ready", token="")).json() == {"ready": True, "parts": {"database": ""}}
        api.desk.not_ready = {"database": "no answer"}
        answer = await api("GET", "/ready", token="")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        api.desk.not_ready = {}
        api.app.begin_closing()
        assert (await api("GET", "/ready", token="")).json()["parts"] == {"service": "closing"}


async def test_health_is_an_empty_answer() -> None:
    async with running_api() as api:
        answer = await api("GET", "/health", token="")
        assert (answer.status_code, answer.content) == (200, b"")


async def test_a_line_of_the_log_names_the_route_and_never_what_stands_in_it() -> None:
    async with running_api(settings=ApiSettings(log_requests=True)) as api:
        with structlog.testing.capture_logs() as logs:
            await api("GET", "/v1/suppressions/ann@example.org")
            await api("GET", "/v1/messages?recipient=ann@example.org")
        assert [line["route"] for line in logs] == ["GET /v1/suppressions/{address}", "GET /v1/messages"]
        assert [line["status"] for line in logs] == [200, 200]
        assert "ann@example.org" not in str(logs)
        assert "mw_" not in str(logs)
