"""An error of the service is the same error here: every class, with all that it says."""

import json

import pytest

from mailwright import errors
from mailwright.api.problems import problem_of, refusal
from mailwright.client.problems import KINDS, error_from_json, error_of_answer
from mailwright.errors import EgressReason, EgressRule, MailwrightError
from mailwright.reply import Phase, Reply

REPLY = Reply(451, "4.7.1", "later", Phase.RCPT, "RCPT TO:<bob@example.com>")
EVERY = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MailwrightError)),
    key=lambda kind: kind.code,
)


def example(kind: type[MailwrightError]) -> MailwrightError:
    """With something in each of its parts."""
    more = {}
    if issubclass(kind, errors.SendError):
        more = {"phase": Phase.RCPT, "reply": REPLY, "recipients": {"bob@example.com": REPLY}, "server": "mx:25"}
    elif issubclass(kind, errors.InvalidAddress):
        more = {"position": 3, "item": 1}
    elif issubclass(kind, errors.EgressRefused):
        more = {"rule": EgressRule.REDIRECT, "server": "hooks:443"}
    elif issubclass(kind, errors.EgressFailed):
        return kind("it broke", hint="mend it", reason=EgressReason.LOST, server="hooks:443", status=200)
    elif issubclass(kind, errors.EgressError):
        more = {"server": "hooks:443", "status": 200}
    error = kind("it broke", field="to", hint="mend it", **more)
    if isinstance(error, errors.PartlySent):
        error.accepted = ("ann@example.com",)
    if isinstance(error, errors.PartlySent | errors.Uncertain):
        error.message_id = "id@example.org"
    return error


def test_every_error_is_known_by_its_code():
    assert {kind.code: kind for kind in EVERY} == KINDS


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.code)
def test_an_error_comes_back_from_its_json_as_it_was(kind):
    error = example(kind)
    back = error_from_json(json.loads(json.dumps(error.to_json())))
    assert type(back) is kind
    assert back.to_json() == error.to_json()
    assert str(back) == str(error)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.code)
def test_an_error_comes_back_from_the_answer_of_the_service_as_it_was(kind):
    error = example(kind)
    answer = problem_of(error, "request-1")
    back = error_of_answer(answer.status, answer.body, server="mail:443", retry_after="")
    assert type(back) is kind
    assert back.to_json() == error.to_json()


def test_how_long_to_wait_is_said_by_the_header():
    answer = problem_of(errors.LimitExceeded(), "")
    back = error_of_answer(answer.status, answer.body, server="mail:443", retry_after="7")
    assert isinstance(back, errors.LimitExceeded)
    assert back.retry_after == 7


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("bad_json", errors.InvalidInput),
        ("route_not_found", errors.NotFound),
        ("body_too_large", errors.InvalidInput),
        ("internal_error", MailwrightError),
    ],
)
def test_what_only_http_can_get_wrong_is_an_error_of_ours_by_its_status(code, kind):
    answer = problem_of(refusal(code, hint="try"), "")
    back = error_of_answer(answer.status, answer.body, server="mail:443")
    assert type(back) is kind
    assert back.hint == "try"


@pytest.mark.parametrize("content", [b"", b"<html>Bad Gateway</html>", b'{"error": 1}', b"[" * 100_000, b"\xff"])
def test_an_answer_of_something_in_between_is_told_from_one_of_the_service(content):
    back = error_of_answer(502, content, server="mail:443")
    assert isinstance(back, errors.EgressFailed)
    assert (back.status, back.server, back.reason) == (502, "mail:443", EgressReason.PROTOCOL)
    assert isinstance(error_of_answer(401, content, server="mail:443"), errors.Unauthenticated)


def test_a_code_of_a_newer_service_is_an_error_all_the_same():
    body = json.dumps({"code": "brand_new", "message": "something", "field": "x", "hint": "y"}).encode()
    back = error_of_answer(422, body, server="mail:443")
    assert type(back) is errors.InvalidInput
    assert (back.message, back.field, back.hint) == ("something", "x", "y")
