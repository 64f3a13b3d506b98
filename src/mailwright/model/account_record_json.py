"""An account's record as JSON: what goes with the account, and why it is parked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from mailwright.errors import InvalidInput
from mailwright.model.account_json import masked_account
from mailwright.model.account_record import AccountRecord, Parked, SendLimits
from mailwright.model.json_fields import INTEGER, LIST, NUMBER, OBJECT, TEXT, Kind, errors_under, given_fields
from mailwright.model.outbox import RetryPlan, UncertainPolicy
from mailwright.model.outbox_json import failure_from_json, failure_to_json, iso


class SendingRules(TypedDict, total=False):
    """What an account has beside itself: parts of an `AccountRecord`. What was not given is not here."""

    limits: SendLimits
    retry: RetryPlan
    uncertain: UncertainPolicy
    fallback: str
    bounce_address: str


RULE_FIELDS: Mapping[str, Kind] = {
    "limits": OBJECT,
    "retry": OBJECT,
    "uncertain": TEXT,
    "fallback": TEXT,
    "bounce_address": TEXT,
}
_LIMITS: Mapping[str, Kind] = {"messages_per_second": NUMBER, "concurrency": INTEGER}
_RETRY: Mapping[str, Kind] = {"waits": LIST, "max_retries": INTEGER}


def rules_to_json(record: AccountRecord) -> dict[str, Any]:
    return {
        "limits": {
            "messages_per_second": record.limits.messages_per_second,
            "concurrency": record.limits.concurrency,
        },
        "retry": {"waits": list(record.retry.waits)},
        "uncertain": record.uncertain.value,
        "fallback": record.fallback,
        "bounce_address": record.bounce_address,
    }


def rules_from_json(value: Mapping[str, Any]) -> SendingRules:
    """`retry` is either the list `waits` or the number `max_retries`, which takes that many waits of the default."""
    given = given_fields(value, RULE_FIELDS)
    rules = SendingRules()
    if "limits" in given:
        with errors_under("limits"):
            parts = given_fields(given["limits"], _LIMITS)
        rules["limits"] = SendLimits(**parts)
    if "retry" in given:
        rules["retry"] = _retry(given["retry"])
    if "uncertain" in given:
        rules["uncertain"] = _uncertain(given["uncertain"])
    for name in ("fallback", "bounce_address"):
        if name in given:
            rules[name] = given[name]
    return rules


def _retry(value: Mapping[str, Any]) -> RetryPlan:
    with errors_under("retry"):
        given = given_fields(value, _RETRY)
        if len(given) == 2:
            raise InvalidInput("waits and max_retries exclude each other", field="max_retries")
        waits = given.get("waits", ())
        if any(type(wait) is not int for wait in waits):
            raise InvalidInput("a wait is a whole number of seconds", field="waits")
    if "max_retries" in given:
        return RetryPlan.of_attempts(given["max_retries"])
    return RetryPlan(tuple(waits)) if "waits" in given else RetryPlan()


def _uncertain(text: str) -> UncertainPolicy:
    try:
        return UncertainPolicy(text)
    except ValueError:
        raise InvalidInput(f"it is one of {', '.join(UncertainPolicy)}", field="uncertain") from None


def parked_to_json(parked: Parked) -> dict[str, Any]:
    return {
        "since": iso(parked.since),
        "until": iso(parked.until),
        "failure": failure_to_json(parked.failure),
        "times": parked.times,
    }


def parked_from_json(value: Mapping[str, Any]) -> Parked:
    since, until = datetime.fromisoformat(value["since"]), datetime.fromisoformat(value["until"])
    return Parked(since, until, failure_from_json(value["failure"]), value["times"])


def record_to_json(record: AccountRecord) -> dict[str, Any]:
    """For people: secrets are masked."""
    return {
        "id": record.id,
        "workspace": record.workspace,
        "name": record.name,
        "account": masked_account(record.account),
        **rules_to_json(record),
        "paused": record.paused,
        "parked": parked_to_json(record.parked) if record.parked else None,
        "created_at": iso(record.created_at),
        "updated_at": iso(record.updated_at),
        "version": record.version,
    }
