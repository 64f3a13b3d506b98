"""Webhooks: where events go, which of them, signed with what; and what became of each delivery."""

import base64
import binascii
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mailwright.errors import InvalidWebhook
from mailwright.model.event import Event, EventType
from mailwright.model.outbox_json import iso
from mailwright.secret import Secret

#: matches every type
EVERY_EVENT = "*"
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of every secret of Standard Webhooks
_URL = re.compile(r"https?://[^\s/?#@\\]+(?:[/?#][^\s\\]*)?\Z", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_URL = 2048
_MAX_DESCRIPTION = 500
#: so many secrets sign at once, at most: each is one more signature in a header
MAX_LIVE_SECRETS = 5


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """One key of an endpoint. During a rotation the old one signs beside the new one until it expires."""

    id: str
    #: as the receiver gets it: `whsec_` and base64 of 24 to 64 bytes (Standard Webhooks, "Symmetric")
    secret: Secret
    created_at: datetime
    #: None: until it is rotated out
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if not 24 <= len(self.key) <= 64:
            raise InvalidWebhook("a signing secret is whsec_ and base64 of 24 to 64 bytes", field="secret")

    @classmethod
    def of_bytes(cls, id: str, key: bytes, now: datetime) -> "SigningSecret":  # noqa: A002 - the name of the field
        return cls(id, Secret(_SECRET_PREFIX + base64.b64encode(key).decode()), now)

    @property
    def key(self) -> bytes:
        text = self.secret.reveal()
        try:
            return base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidWebhook("a signing secret is whsec_ and base64 of 24 to 64 bytes", field="secret") from None

    def live(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class WebhookFilter:
    """What an endpoint that is enabled wants: all that has to be known of it for every event."""

    id: str
    workspace: str
    events: tuple[str, ...]
    accounts: tuple[str, ...]

    def wants(self, event: Event) -> bool:
        if event.workspace != self.workspace or event.type is EventType.WEBHOOK_TEST:
            return False
        if self.accounts and event.account not in self.accounts:
            return False
        return any(matches(pattern, event.type) for pattern in self.events)


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where the events of a workspace are sent."""

    id: str
    workspace: str
    #: http or https, without user name and password
    url: str
    #: newest last; every live one signs, and one of them is without an end
    secrets: tuple[SigningSecret, ...]
    created_at: datetime
    #: types of events: `*`, `message.*`, or one type in full
    events: tuple[str, ...] = (EVERY_EVENT,)
    #: ids of accounts; empty: every account, and events that are about none
    accounts: tuple[str, ...] = ()
    description: str = ""
    enabled: bool = True
    #: why it is not enabled, when Mailwright itself switched it off; empty when a person did
    disabled_because: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        check_url(self.url)
        if all(secret.expires_at for secret in self.secrets):
            # Nothing is ever sent without a signature.
            raise InvalidWebhook("an endpoint has a signing secret that does not expire", field="secret")
        if not self.events:
            raise InvalidWebhook("no type of event is chosen", field="events", hint='"*" for every type')
        for pattern in self.events:
            check_pattern(pattern)
        if self.enabled and self.disabled_because:
            # Somebody switched it on again.
            object.__setattr__(self, "disabled_because", "")
        if len(self.description) > _MAX_DESCRIPTION or _CONTROL.search(self.description):
            message = f"a description is one line of {_MAX_DESCRIPTION} characters at most"
            raise InvalidWebhook(message, field="description")

    def wants(self, event: Event) -> bool:
        """Whether the event is sent here. A test event is never: it goes to the one endpoint that is tested."""
        return self.enabled and WebhookFilter(self.id, self.workspace, self.events, self.accounts).wants(event)

    def live_secrets(self, now: datetime) -> tuple[SigningSecret, ...]:
        return tuple(secret for secret in self.secrets if secret.live(now))

    def rotated(self, new: SigningSecret, now: datetime, overlap: timedelta) -> "WebhookEndpoint":
        """Signs with the new secret too; the others stop after the overlap, or sooner where that was said before."""
        if overlap < timedelta(0):
            raise InvalidWebhook("the overlap is less than 0", field="overlap")
        end = now + overlap
        kept = [replace(secret, expires_at=min(end, secret.expires_at or end)) for secret in self.live_secrets(now)]
        kept = [secret for secret in kept if secret.live(now)]
        if len(kept) >= MAX_LIVE_SECRETS:
            hint = "wait until one expires, or rotate without an overlap"
            raise InvalidWebhook(f"{len(kept)} secrets sign already", field="overlap", hint=hint)
        return replace(self, secrets=(*kept, new), version=self.version + 1)

    def switched_off(self, because: str) -> "WebhookEndpoint":
        return replace(self, enabled=False, disabled_because=because, version=self.version + 1)

    def to_json(self) -> dict[str, Any]:
        """Everything but the secrets; of those the ids and times."""
        return {
            "id": self.id,
            "workspace": self.workspace,
            "url": self.url,
            "events": list(self.events),
            "accounts": list(self.accounts),
            "description": self.description,
            "enabled": self.enabled,
            "disabled_because": self.disabled_because,
            "secrets": [
                {"id": secret.id, "created_at": iso(secret.created_at), "expires_at": iso(secret.expires_at)}
                for secret in self.secrets
            ],
            "created_at": iso(self.created_at),
            "version": self.version,
        }


def check_url(url: str) -> None:
    """Whether somebody could mean it. Whether it may be dialled is judged at every delivery anew."""
    if len(url) > _MAX_URL or _CONTROL.search(url) or not _URL.match(url):
        hint = "such as https://hooks.example.org/mail, without user name and password"
        raise InvalidWebhook("the address of a webhook is an http or https URL", field="url", hint=hint)


def check_pattern(pattern: str) -> None:
    """A filter that can never match is a typing error, and would be noticed only when events do not arrive."""
    if not any(matches(pattern, known) for known in EventType):
        hint = "a type in full, message.* for all of one kind, or * for every type"
        raise InvalidWebhook(f"no event is of type {pattern!r}", field="events", hint=hint)


def matches(pattern: str, type: EventType) -> bool:  # noqa: A002 - what an event calls it
    if pattern == EVERY_EVENT:
        return True
    if pattern.endswith(".*"):
        return type.startswith(pattern[:-1])
    return pattern == type


class WebhookState(StrEnum):
    """Where the delivery of one event to one endpoint stands."""

    #: waits for its first or its next attempt
    WAITING = "waiting"
    #: the endpoint answered with a status from 200 to 299
    DELIVERED = "delivered"
    #: nothing more happens by itself; it can be replayed
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class WebhookAttempt:
    """One try, and what follows from it."""

    #: 1 for the first
    number: int
    at: datetime
    #: of the delivery after this attempt
    state: WebhookState
    #: the HTTP status; 0 when there was none
    status: int = 0
    #: code of the error, such as `egress_timeout`; empty when the endpoint answered
    error: str = ""
    #: what happened, for people; empty when it was delivered
    reason: str = ""
    #: what to do about it; empty when nobody has to do anything
    hint: str = ""
    #: address and port that answered; empty when none did
    address: str = ""
    #: seconds until the answer
    elapsed: float = 0.0
    #: when the next try is due; None when there is none
    next_at: datetime | None = None
    #: the endpoint wants no more events
    gone: bool = False

    @property
    def delivered(self) -> bool:
        return self.state is WebhookState.DELIVERED

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "at": iso(self.at),
            "state": self.state.value,
            "status": self.status,
            "error": self.error,
            "reason": self.reason,
            "hint": self.hint,
            "address": self.address,
            "elapsed": round(self.elapsed, 6),
            "next_at": iso(self.next_at),
            "gone": self.gone,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "WebhookAttempt":
        return cls(
            **{
                **value,
                "at": datetime.fromisoformat(value["at"]),
                "state": WebhookState(value["state"]),
                "next_at": datetime.fromisoformat(value["next_at"]) if value["next_at"] else None,
            }
        )


@dataclass(frozen=True, slots=True)
class WebhookTask:
    """The delivery of one event to one endpoint."""

    id: str
    workspace: str
    endpoint: str
    event: str
    event_type: str
    state: WebhookState
    created_at: datetime
    #: the last one; None before the first
    last: WebhookAttempt | None = None
    #: None when it is settled
    next_at: datetime | None = None
    settled_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "workspace": self.workspace,
            "endpoint": self.endpoint,
            "event": self.event,
            "event_type": self.event_type,
            "state": self.state.value,
            "attempts": self.last.number if self.last else 0,
            "created_at": iso(self.created_at),
            "last": self.last.to_json() if self.last else None,
            "next_at": iso(self.next_at),
            "settled_at": iso(self.settled_at),
        }


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    """How an endpoint does: what people look at first when events do not arrive."""

    #: None before the first
    last: WebhookAttempt | None = None
    #: kept when later attempts succeed, so that what happened in the night is seen in the morning
    last_failed: WebhookAttempt | None = None
    last_delivered_at: datetime | None = None
    #: failed attempts since the last that was delivered
    failures_in_a_row: int = 0

    def after(self, attempt: WebhookAttempt) -> "WebhookHealth":
        if attempt.delivered:
            return WebhookHealth(attempt, self.last_failed, attempt.at, 0)
        return WebhookHealth(attempt, attempt, self.last_delivered_at, self.failures_in_a_row + 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "last": self.last.to_json() if self.last else None,
            "last_failed": self.last_failed.to_json() if self.last_failed else None,
            "last_delivered_at": iso(self.last_delivered_at),
            "failures_in_a_row": self.failures_in_a_row,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "WebhookHealth":
        delivered = value["last_delivered_at"]
        return cls(
            WebhookAttempt.from_json(value["last"]) if value["last"] else None,
            WebhookAttempt.from_json(value["last_failed"]) if value["last_failed"] else None,
            datetime.fromisoformat(delivered) if delivered else None,
            value["failures_in_a_row"],
        )
