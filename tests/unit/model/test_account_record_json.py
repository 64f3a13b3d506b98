"""What an account has beside itself, as JSON."""

import json
from datetime import UTC, datetime

import pytest

from mailwright import Account, InvalidInput, Outgoing
from mailwright.model.account_record import AccountRecord, Parked, SendLimits
from mailwright.model.account_record_json import (
    parked_from_json,
    parked_to_json,
    record_to_json,
    rules_from_json,
    rules_to_json,
)
from mailwright.model.outbox import DEFAULT_RETRY_SECONDS, Failure, RetryPlan, UncertainPolicy
from mailwright.reply import Phase, Reply

AT = datetime(2030, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
PARKED = Parked(
    AT, AT, Failure("sign_in_refused", "no", Phase.AUTH, reply=Reply(535, "5.7.8", "no", Phase.AUTH, "AUTH ***")), 3
)
RECORD = AccountRecord(
    id="acc_1",
    workspace="default",
    name="sales",
    account=Account("ann@example.org", Outgoing("smtp.example.org", username="ann", password="hunter2")),
    created_at=AT,
    updated_at=AT,
    version=7,
    limits=SendLimits(2.5, 4),
    retry=RetryPlan((60, 120)),
    uncertain=UncertainPolicy.RESEND,
    fallback="spare",
    bounce_address="bounces@example.org",
    paused=True,
    parked=PARKED,
)


def test_the_rules_come_back_as_they_were():
    rules = rules_from_json(json.loads(json.dumps(rules_to_json(RECORD))))
    assert rules == {
        "limits": RECORD.limits,
        "retry": RECORD.retry,
        "uncertain": RECORD.uncertain,
        "fallback": RECORD.fallback,
        "bounce_address": RECORD.bounce_address,
    }


def test_why_an_account_is_parked_comes_back_as_it_was():
    assert parked_from_json(json.loads(json.dumps(parked_to_json(PARKED)))) == PARKED


def test_people_see_everything_but_the_secret():
    shown = json.dumps(record_to_json(RECORD))
    assert "hunter2" not in shown
    assert {"name": "sales", "version": 7, "paused": True}.items() <= json.loads(shown).items()
    assert json.loads(shown)["parked"]["failure"]["code"] == "sign_in_refused"


def test_a_number_of_retries_takes_as_many_waits_of_the_default():
    assert rules_from_json({"retry": {"max_retries": 2}})["retry"].waits == DEFAULT_RETRY_SECONDS[:2]


def test_what_is_left_out_is_not_there():
    assert rules_from_json({"limits": None}) == {}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"limit": {}}, "limit"),
        ({"limits": 5}, "limits"),
        ({"limits": {"messages_per_second": 0}}, "limits.messages_per_second"),
        ({"limits": {"concurrency": 1.5}}, "limits.concurrency"),
        ({"retry": {"waits": [60, True]}}, "retry.waits"),
        ({"retry": {"waits": [0]}}, "retry.waits"),
        ({"retry": {"max_retries": -1}}, "retry.max_retries"),
        ({"retry": {"waits": [60], "max_retries": 1}}, "retry.max_retries"),
        ({"uncertain": "maybe"}, "uncertain"),
        ({"fallback": 3}, "fallback"),
    ],
)
def test_an_error_names_the_field_by_its_whole_path(value, field):
    with pytest.raises(InvalidInput) as caught:
        rules_from_json(value)
    assert caught.value.field == field
