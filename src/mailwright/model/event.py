"""What happened, under a stable id: the source of webhooks, of the live stream and of a message's story."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """Names that users filter by. They never change their meaning."""

    MESSAGE_QUEUED = "message.queued"
    MESSAGE_SENT = "message.sent"
    #: some recipients were refused for good, the others have it
    MESSAGE_PARTLY_SENT = "message.partly_sent"
    #: one attempt did not settle every recipient; another follows
    MESSAGE_DEFERRED = "message.deferred"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_UNCERTAIN = "message.uncertain"
    MESSAGE_CANCELLED = "message.cancelled"
    MESSAGE_EXPIRED = "message.expired"
    #: a person or the API asked for another attempt
    MESSAGE_RETRIED = "message.retried"
    #: the held message of an uncertain send was decided
    MESSAGE_RELEASED = "message.released"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DELETED = "account.deleted"
    ACCOUNT_PAUSED = "account.paused"
    ACCOUNT_RESUMED = "account.resumed"
    #: sign-in, TLS or the connection failed: its queue waits and loses no attempt
    ACCOUNT_PARKED = "account.parked"
    ACCOUNT_UNPARKED = "account.unparked"
    BULK_FINISHED = "bulk.finished"
    SUPPRESSION_ADDED = "suppression.added"
    SUPPRESSION_REMOVED = "suppression.removed"
    #: nobody asked for it: the test button of a webhook endpoint
    WEBHOOK_TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    workspace: str
    type: EventType
    at: datetime
    #: ids of what it is about; empty when it is about none
    account: str = ""
    message: str = ""
    #: JSON; never a body, a subject or a secret
    data: Mapping[str, Any] = field(default_factory=dict)
