"""From a verdict to what is written: the state of the message, its next attempt, its event."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from mailwright.model.event import EventType
from mailwright.model.outbox import (
    Failure,
    MessageState,
    RecipientState,
    RecipientStatus,
    RetryPlan,
    UncertainPolicy,
)
from mailwright.model.outbox_json import failure_to_json, recipient_to_json
from mailwright.reply import Reply
from mailwright.sending.verdict import About, Verdict

MICROSECONDS = 1_000_000
#: an account that fails is looked at again after this long, doubled each time
PARK_SECONDS = (30, 60, 120, 300, 600, 1800)


class Outcome(NamedTuple):
    state: MessageState
    #: microseconds; when the next attempt is due, 0 when there is none
    due: int
    recipients: tuple[RecipientStatus, ...]
    failure: Failure | None
    response: Reply | None
    event: EventType | None
    #: the attempt costs nothing
    free: bool = False
    #: waits for a person
    held: bool = False


class Attempted(NamedTuple):
    """What the decision needs to know about the message that was tried."""

    attempts: int
    expires_at: int
    policy: UncertainPolicy
    plan: RetryPlan


def outcome_of(verdict: Verdict, message: Attempted, *, now: int, jitter: float) -> Outcome:
    """`jitter` between 0 and 1 spreads the next attempts of many messages by up to a tenth of the wait."""
    if verdict.about is About.ACCOUNT or verdict.about is About.NOTHING:
        # Its lane is parked, so that `now` does not mean at once.
        return Outcome(MessageState.QUEUED, now, verdict.recipients, verdict.failure, None, None, free=True)
    if verdict.about is About.UNCERTAIN:
        return _uncertain(verdict, message, now=now, jitter=jitter)
    return _settled(verdict, message, now=now, jitter=jitter)


def _settled(verdict: Verdict, message: Attempted, *, now: int, jitter: float) -> Outcome:
    recipients, failure, response = verdict.recipients, verdict.failure, verdict.response
    if any(who.state.open for who in recipients):
        due = next_attempt(message, now=now, jitter=jitter)
        if due:
            event = EventType.MESSAGE_DEFERRED
            return Outcome(MessageState.QUEUED, due, recipients, failure, response, event)
    state = final_state(recipients)
    event = {
        MessageState.SENT: EventType.MESSAGE_SENT,
        MessageState.PARTLY_SENT: EventType.MESSAGE_PARTLY_SENT,
        MessageState.UNCERTAIN: EventType.MESSAGE_UNCERTAIN,
    }.get(state, EventType.MESSAGE_FAILED)
    return Outcome(state, 0, recipients, failure, response, event)


def _uncertain(verdict: Verdict, message: Attempted, *, now: int, jitter: float) -> Outcome:
    if message.policy is UncertainPolicy.RESEND:
        due = next_attempt(message, now=now, jitter=jitter)
        if due:
            again = tuple(
                who._replace(state=RecipientState.WAITING) if who.state is RecipientState.UNCERTAIN else who
                for who in verdict.recipients
            )
            event = EventType.MESSAGE_UNCERTAIN
            return Outcome(MessageState.QUEUED, due, again, verdict.failure, None, event)
    return Outcome(
        MessageState.UNCERTAIN,
        0,
        verdict.recipients,
        verdict.failure,
        None,
        EventType.MESSAGE_UNCERTAIN,
        held=True,
    )


def next_attempt(message: Attempted, *, now: int, jitter: float) -> int:
    """When, in microseconds; 0: the plan has no further attempt, or the message expires before."""
    waits = message.plan.waits
    if message.attempts > len(waits):
        return 0
    due = now + int(waits[message.attempts - 1] * MICROSECONDS * (1 + 0.1 * jitter))
    return 0 if message.expires_at and due >= message.expires_at else due


def final_state(recipients: Sequence[RecipientStatus]) -> MessageState:
    states = {who.state for who in recipients}
    if RecipientState.UNCERTAIN in states:
        return MessageState.UNCERTAIN
    if states == {RecipientState.ACCEPTED}:
        return MessageState.SENT
    return MessageState.PARTLY_SENT if RecipientState.ACCEPTED in states else MessageState.FAILED


def park_until(times: int, *, now: int, jitter: float) -> int:
    """`times`: how often in a row the account failed, this time included."""
    wait = PARK_SECONDS[min(max(times, 1), len(PARK_SECONDS)) - 1]
    return now + int(wait * MICROSECONDS * (1 + 0.1 * jitter))


def event_data(outcome: Outcome, *, attempt: int) -> dict[str, Any]:
    return {
        "attempt": attempt,
        "state": outcome.state.value,
        "recipients": [recipient_to_json(who) for who in outcome.recipients],
        "failure": failure_to_json(outcome.failure) if outcome.failure else None,
        "response": outcome.response.to_json() if outcome.response else None,
        "next_attempt_at": outcome.due or None,
    }
