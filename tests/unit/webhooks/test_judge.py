"""What an answer means and when the next attempt is due."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import EgressFailed, EgressReason, EgressRefused, EgressRule, EgressTimeout
from mailwright.model.webhook import WebhookAttempt, WebhookState
from mailwright.webhooks.judge import ATTEMPTS, JITTER, LONGEST_WAIT, SCHEDULE, Answer, judge
from mailwright.webhooks.retry_after import retry_after

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
MIDDLE = 0.5


def judged(status: int = 500, *, number: int = 1, jitter: float = MIDDLE, **headers: str) -> WebhookAttempt:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return judge(Answer(status, named, "192.0.2.1:443", 0.5), number=number, now=NOW, jitter=jitter)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_status_of_the_two_hundreds_is_delivered(status):
    assert judged(status, retry_after="60") == WebhookAttempt(
        1, NOW, WebhookState.DELIVERED, status, address="192.0.2.1:443", elapsed=0.5
    )


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 304, 400, 401, 403, 404, 409, 422, 429, 500, 503, 599])
def test_every_other_status_is_tried_again_and_named(status):
    found = judged(status)
    assert (found.state, found.status) == (WebhookState.WAITING, status)
    assert found.next_at == NOW + timedelta(seconds=5)
    assert str(status) in found.reason
    assert not found.gone


def test_gone_ends_the_delivery_and_the_endpoint():
    found = judged(410, retry_after="60")
    assert (found.state, found.next_at, found.gone) == (WebhookState.DEAD, None, True)
    assert "410" in found.reason


@pytest.mark.parametrize("status", [301, 401, 404, 413])
def test_where_somebody_can_do_something_the_hint_says_what(status):
    assert judged(status).hint


# The schedule.


def test_the_attempts_take_about_three_days_and_then_the_delivery_is_dead():
    moment, states = NOW, []
    for number in range(1, ATTEMPTS + 1):
        found = judge(Answer(500, {}), number=number, now=moment, jitter=MIDDLE)
        states.append(found.state)
        moment = found.next_at or moment
    assert timedelta(days=2, hours=18) < moment - NOW < timedelta(days=3, hours=6)
    assert states == [WebhookState.WAITING] * (ATTEMPTS - 1) + [WebhookState.DEAD]
    assert ATTEMPTS == 15


def test_the_waits_never_become_shorter():
    assert list(SCHEDULE) == sorted(SCHEDULE)
    assert SCHEDULE[-1] == LONGEST_WAIT


@pytest.mark.parametrize("number", [ATTEMPTS, ATTEMPTS + 1, 1000])
def test_there_is_nothing_after_the_last_attempt_whatever_the_server_asks_for(number):
    assert judged(503, number=number, retry_after="60").state is WebhookState.DEAD


@given(st.integers(1, ATTEMPTS - 1), st.floats(0, 1, exclude_max=True))
def test_a_wait_varies_around_the_schedule_and_never_leaves_it(number, jitter):
    next_at = judged(number=number, jitter=jitter).next_at
    assert next_at is not None
    planned = SCHEDULE[number - 1]
    slack = timedelta(microseconds=1)
    assert planned * (1 - JITTER) - slack <= next_at - NOW <= planned * (1 + JITTER) + slack


def test_two_that_failed_together_do_not_come_back_together():
    assert judged(jitter=0.0).next_at != judged(jitter=0.9).next_at


# Retry-After.


def test_a_server_that_asks_for_a_longer_wait_gets_it():
    assert judged(429, retry_after="600", jitter=0.0).next_at == NOW + timedelta(minutes=10)
    assert judged(503, retry_after="Thu, 31 Jan 2030 12:30:00 GMT", jitter=0.0).next_at == NOW + timedelta(minutes=30)


def test_a_server_that_asks_for_a_shorter_wait_gets_the_one_of_the_schedule():
    assert judged(429, retry_after="1", number=5).next_at == NOW + SCHEDULE[4]
    assert judged(429, retry_after="0").next_at == NOW + SCHEDULE[0]


@pytest.mark.parametrize("asked", ["999999999", "Fri, 31 Jan 2099 12:00:00 GMT"])
@given(jitter=st.floats(0, 1, exclude_max=True))
def test_nobody_can_make_us_wait_longer_than_the_longest_wait(asked, jitter):
    next_at = judged(503, retry_after=asked, jitter=jitter).next_at
    assert next_at is not None
    assert LONGEST_WAIT <= next_at - NOW <= LONGEST_WAIT * (1 + JITTER)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        ("Thu, 31 Jan 2030 12:00:30 GMT", timedelta(seconds=30)),
        ("Thursday, 31-Jan-30 12:00:30 GMT", timedelta(seconds=30)),
        ("Thu Jan 31 12:00:30 2030", timedelta(seconds=30)),
        ("Fri Feb  1 12:00:00 2030", timedelta(days=1)),
        ("Thu, 31 Jan 2030 12:00:60 GMT", timedelta(seconds=59)),
        # Past: at once. 80 would be 50 years ahead and no more; 81 is the last century.
        ("Thu, 31 Jan 2030 11:00:00 GMT", timedelta(0)),
        ("Friday, 31-Jan-81 12:00:00 GMT", timedelta(0)),
        ("Wednesday, 31-Jan-80 12:00:00 GMT", datetime(2080, 1, 31, 12, tzinfo=UTC) - NOW),
    ],
)
def test_seconds_and_the_three_forms_of_a_date_are_understood(text, wait):
    assert retry_after(text, NOW) == wait


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1.5",
        "soon",
        "1" * 10,
        "١٢",
        "Thu, 31 Foo 2030 12:00:30 GMT",
        "Thu, 32 Jan 2030 12:00:30 GMT",
        "Thu, 31 Jan 2030 25:00:30 GMT",
        "Thu, 31 Jan 2030 12:00:30 CET",
        "2030-01-31T12:00:30Z",
        "120\r\n",
        "Thu, 31 Jan 0000 12:00:30 GMT",
    ],
)
def test_what_is_not_understood_is_as_if_it_had_not_been_said(text):
    wait = retry_after(text.replace("\r\n", "x"), NOW)
    assert wait is None
    assert judged(503, retry_after=text.replace("\r\n", "x")).next_at == NOW + SCHEDULE[0]


@given(st.text(max_size=40))
def test_no_text_upsets_the_judgement(text):
    assert judged(503, retry_after=text).state is WebhookState.WAITING


# No answer.


def test_a_timeout_is_tried_again_and_says_what_happened():
    error = EgressTimeout("no complete answer within 20 s", reason=EgressReason.TIMEOUT, server="h:443")
    error.elapsed = 20.0
    found = judge(error, number=2, now=NOW, jitter=MIDDLE)
    assert (found.state, found.next_at) == (WebhookState.WAITING, NOW + SCHEDULE[1])
    assert (found.error, found.reason) == ("egress_timeout", "no complete answer within 20 s")
    assert (found.status, found.elapsed) == (0, 20.0)


def test_an_address_that_the_policy_refuses_is_tried_again_since_the_operator_may_allow_it():
    error = EgressRefused("refused", rule=EgressRule.ADDRESS, hint="MAILWRIGHT_DIAL_ALLOW_WEBHOOK")
    found = judge(error, number=1, now=NOW, jitter=MIDDLE)
    assert found.state is WebhookState.WAITING
    assert found.hint == "MAILWRIGHT_DIAL_ALLOW_WEBHOOK"
    assert judge(error, number=ATTEMPTS, now=NOW, jitter=MIDDLE).state is WebhookState.DEAD


@pytest.mark.parametrize("rule", [rule for rule in EgressRule if rule is not EgressRule.ADDRESS])
def test_an_address_that_breaks_a_lasting_rule_is_given_up_at_once(rule):
    found = judge(EgressRefused("refused", rule=rule), number=1, now=NOW, jitter=MIDDLE)
    assert (found.state, found.next_at, found.error) == (WebhookState.DEAD, None, "egress_refused")
    assert not found.gone


@pytest.mark.parametrize(
    ("status", "state"), [(200, WebhookState.DELIVERED), (410, WebhookState.DEAD), (500, WebhookState.WAITING)]
)
def test_the_head_of_an_answer_counts_even_when_its_body_does_not_end(status, state):
    error = EgressFailed("bigger than 65536 bytes", reason=EgressReason.TOO_BIG, status=status)
    found = judge(error, number=1, now=NOW, jitter=MIDDLE)
    assert (found.state, found.status, found.gone) == (state, status, status == 410)
