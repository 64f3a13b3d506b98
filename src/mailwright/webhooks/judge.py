"""What an answer to a webhook means, and when to try again. Pure.

Only a status from 200 to 299 is an acknowledgement. Everything else is tried again for about three days, whatever the
status: a receiver that is being deployed says 404 and 401 as readily as 503. Two things end it at once: 410 Gone, by
which the receiver asks for no more, and an address that cannot be asked at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailwright.errors import EgressError, EgressRefused, EgressRule
from mailwright.model.webhook import WebhookAttempt, WebhookState
from mailwright.webhooks.retry_after import retry_after

#: The wait after the first, second … attempt that failed. Fifteen attempts in about three days.
SCHEDULE: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=6),
    timedelta(hours=8),
    timedelta(hours=12),
    timedelta(hours=12),
    timedelta(hours=12),
    timedelta(hours=12),
)
ATTEMPTS = len(SCHEDULE) + 1
#: a wait varies by this share to either side, so that what failed together does not come back together
JITTER = 0.1
#: a server may ask for a longer wait than the schedule has, up to this
LONGEST_WAIT = timedelta(hours=12)

_LASTING_RULES = frozenset(EgressRule) - {EgressRule.ADDRESS}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    #: names in lower case
    headers: Mapping[str, str]
    address: str = ""
    elapsed: float = 0.0


def judge(answer: Answer | EgressError, *, number: int, now: datetime, jitter: float) -> WebhookAttempt:
    """`number` counts from 1, `now` is when the attempt ended, `jitter` lies in 0 ≤ jitter < 1."""
    if isinstance(answer, EgressError):
        if not answer.status:
            return _judge_error(answer, number, now, jitter)
        # The head said it all; what followed, too long or broken off, is of no interest.
        answer = Answer(answer.status, {}, answer.server, answer.elapsed)
    if 200 <= answer.status < 300:
        return WebhookAttempt(
            number, now, WebhookState.DELIVERED, answer.status, address=answer.address, elapsed=answer.elapsed
        )
    if answer.status == 410:
        reason = "the endpoint answered 410 Gone: it wants no more events"
        return WebhookAttempt(
            number,
            now,
            WebhookState.DEAD,
            answer.status,
            reason=reason,
            hint="the endpoint is switched off: switch it on again to go on",
            address=answer.address,
            elapsed=answer.elapsed,
            gone=True,
        )
    asked = retry_after(answer.headers.get("retry-after", ""), now)
    next_at = _next(number, now, jitter, asked)
    return WebhookAttempt(
        number,
        now,
        WebhookState.WAITING if next_at else WebhookState.DEAD,
        answer.status,
        reason=f"the endpoint answered {answer.status}",
        hint=_hint(answer.status),
        address=answer.address,
        elapsed=answer.elapsed,
        next_at=next_at,
    )


def _judge_error(error: EgressError, number: int, now: datetime, jitter: float) -> WebhookAttempt:
    # The operator may allow an address later, and names change where they lead. An address that breaks another rule
    # stays as it is.
    hopeless = isinstance(error, EgressRefused) and error.rule in _LASTING_RULES
    next_at = None if hopeless else _next(number, now, jitter, None)
    return WebhookAttempt(
        number,
        now,
        WebhookState.WAITING if next_at else WebhookState.DEAD,
        error=error.code,
        reason=error.message,
        hint=error.hint,
        elapsed=error.elapsed,
        next_at=next_at,
    )


def _next(number: int, now: datetime, jitter: float, asked: timedelta | None) -> datetime | None:
    if number >= ATTEMPTS:
        return None
    wait = SCHEDULE[number - 1] * (1 - JITTER + 2 * JITTER * jitter)
    if asked is not None:
        # Not before the time that was asked for, and not all at that time.
        wait = max(wait, min(asked, LONGEST_WAIT) * (1 + JITTER * jitter))
    return now + wait


def _hint(status: int) -> str:
    if 300 <= status < 400:
        return "redirects are not followed: give the address that it redirects to"
    if status in (401, 403):
        return "the receiver may not have the signing secret, or may want a sign-in"
    if status in (404, 405):
        return "check the path of the address, and that it takes POST"
    if status == 413:
        return "the receiver takes only smaller bodies"
    return ""
