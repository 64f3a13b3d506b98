"""From a verdict to the state of the message and its next attempt."""

import itertools

from hypothesis import given, strategies as st

from mailwright.model.event import EventType
from mailwright.model.outbox import (
    DEFAULT_RETRY_SECONDS,
    Failure,
    MessageState,
    RecipientState,
    RecipientStatus,
    RetryPlan,
    UncertainPolicy,
)
from mailwright.reply import Phase
from mailwright.sending.settle import MICROSECONDS, Attempted, final_state, next_attempt, outcome_of, park_until
from mailwright.sending.verdict import About, Verdict

NOW = 1_800_000_000 * MICROSECONDS
FAILURE = Failure("message_refused", "later", Phase.DATA, temporary=True)


def attempted(attempts=1, *, waits=(60, 300), expires=0, policy=UncertainPolicy.HOLD) -> Attempted:
    return Attempted(attempts, expires, policy, RetryPlan(waits))


def verdict(*states: RecipientState, about=About.MESSAGE) -> Verdict:
    recipients = tuple(RecipientStatus(f"{n}@example.org", state) for n, state in enumerate(states))
    return Verdict(about, recipients, FAILURE, None)


def test_all_accepted_is_sent():
    outcome = outcome_of(verdict(RecipientState.ACCEPTED), attempted(), now=NOW, jitter=0)
    assert (outcome.state, outcome.due, outcome.event) == (MessageState.SENT, 0, EventType.MESSAGE_SENT)


def test_some_refused_is_partly_sent():
    outcome = outcome_of(verdict(RecipientState.ACCEPTED, RecipientState.REFUSED), attempted(), now=NOW, jitter=0)
    assert outcome.state is MessageState.PARTLY_SENT


def test_a_deferred_recipient_is_tried_again_after_the_wait_of_the_plan():
    outcome = outcome_of(verdict(RecipientState.ACCEPTED, RecipientState.DEFERRED), attempted(2), now=NOW, jitter=0)
    assert outcome.state is MessageState.QUEUED
    assert outcome.due == NOW + 300 * MICROSECONDS
    assert outcome.event is EventType.MESSAGE_DEFERRED
    assert not outcome.free


def test_after_the_last_attempt_what_was_accepted_counts():
    accepted = outcome_of(verdict(RecipientState.ACCEPTED, RecipientState.DEFERRED), attempted(3), now=NOW, jitter=0)
    assert accepted.state is MessageState.PARTLY_SENT
    none = outcome_of(verdict(RecipientState.DEFERRED), attempted(3), now=NOW, jitter=0)
    assert none.state is MessageState.FAILED
    assert none.failure is FAILURE


def test_an_account_without_retries_tries_once():
    outcome = outcome_of(verdict(RecipientState.DEFERRED), attempted(1, waits=()), now=NOW, jitter=0)
    assert outcome.state is MessageState.FAILED


def test_trouble_of_the_account_costs_no_attempt():
    outcome = outcome_of(verdict(RecipientState.WAITING, about=About.ACCOUNT), attempted(99), now=NOW, jitter=0)
    assert (outcome.state, outcome.free, outcome.event) == (MessageState.QUEUED, True, None)


def test_an_uncertain_message_is_held_by_default():
    outcome = outcome_of(verdict(RecipientState.UNCERTAIN, about=About.UNCERTAIN), attempted(), now=NOW, jitter=0)
    assert (outcome.state, outcome.held) == (MessageState.UNCERTAIN, True)


def test_an_uncertain_message_is_sent_again_only_where_its_policy_says_so():
    policy = UncertainPolicy.RESEND
    unsure = verdict(RecipientState.ACCEPTED, RecipientState.UNCERTAIN, about=About.UNCERTAIN)
    outcome = outcome_of(unsure, attempted(policy=policy), now=NOW, jitter=0)
    assert outcome.state is MessageState.QUEUED
    assert [who.state for who in outcome.recipients] == [RecipientState.ACCEPTED, RecipientState.WAITING]
    # It says so: a duplicate is never silent.
    assert outcome.event is EventType.MESSAGE_UNCERTAIN


def test_an_uncertain_message_without_attempts_left_stays_uncertain():
    policy = UncertainPolicy.RESEND
    unsure = verdict(RecipientState.UNCERTAIN, about=About.UNCERTAIN)
    outcome = outcome_of(unsure, attempted(3, policy=policy), now=NOW, jitter=0)
    assert outcome.state is MessageState.UNCERTAIN
    assert outcome.held


def test_no_attempt_is_planned_past_the_end_of_the_message():
    assert next_attempt(attempted(1, expires=NOW + 59 * MICROSECONDS), now=NOW, jitter=0) == 0
    assert next_attempt(attempted(1, expires=NOW + 61 * MICROSECONDS), now=NOW, jitter=0) > 0


def test_the_default_plan_tries_for_days():
    assert 3 * 86_400 < sum(DEFAULT_RETRY_SECONDS) < 6 * 86_400
    assert all(earlier <= later for earlier, later in itertools.pairwise(DEFAULT_RETRY_SECONDS))


@given(st.lists(st.sampled_from(RecipientState), min_size=1, max_size=6), st.integers(1, 5), st.floats(0, 1))
def test_every_message_ends_or_has_a_next_attempt(states, attempts, jitter):
    outcome = outcome_of(verdict(*states), attempted(attempts), now=NOW, jitter=jitter)
    if outcome.state is MessageState.QUEUED:
        assert outcome.due > NOW
        assert any(who.state.open for who in outcome.recipients)
    else:
        assert outcome.state.final
        assert outcome.event is not None


@given(st.lists(st.sampled_from(RecipientState), min_size=1, max_size=6))
def test_sent_means_that_everybody_has_it(states):
    recipients = [RecipientStatus("a@example.org", state) for state in states]
    sent = final_state(recipients) is MessageState.SENT
    assert sent == (set(states) == {RecipientState.ACCEPTED})


@given(st.integers(1, 50), st.floats(0, 1))
def test_a_parked_account_is_looked_at_again_within_the_hour(times, jitter):
    wait = (park_until(times, now=NOW, jitter=jitter) - NOW) / MICROSECONDS
    assert 30 <= wait <= 1980
