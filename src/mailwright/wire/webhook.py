"""Webhook endpoints and their deliveries, as callers write and read them. `model.webhook` gives the values."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from mailwright.model.webhook import EVERY_EVENT, WebhookState
from mailwright.wire.base import View, Wire
from mailwright.wire.message import Moment

Url = Annotated[str, Meta(min_length=8, max_length=2048, description="An http or https address.")]
EventTypes = Annotated[
    tuple[str, ...], Meta(min_length=1, max_length=50, description="Such as message.sent, message.* or *.")
]
AccountNames = Annotated[tuple[str, ...], Meta(max_length=1000, description="Names of accounts; empty: all.")]
Description = Annotated[str, Meta(max_length=500)]


class WebhookIn(Wire):
    url: Url
    events: EventTypes = (EVERY_EVENT,)
    accounts: AccountNames = ()
    description: Description = ""


class WebhookSettingsIn(WebhookIn):
    enabled: bool = True


class RotateIn(Wire):
    overlap_seconds: Annotated[
        int, Meta(ge=0, le=2_592_000, description="For so long the old secret signs beside the new one.")
    ] = 86_400


class ReplayIn(Wire):
    """Which deliveries: those named, or every event since."""

    deliveries: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    since: Moment | None = None


class SigningSecretView(View):
    id: str
    created_at: datetime
    expires_at: datetime | None


class WebhookView(View):
    id: str
    workspace: str
    url: str
    events: list[str]
    accounts: Annotated[list[str], Meta(description="Ids of accounts; empty: all.")]
    description: str
    enabled: bool
    disabled_because: Annotated[str, Meta(description="Why Mailwright switched it off; empty when it did not.")]
    secrets: list[SigningSecretView]
    created_at: datetime
    version: int


class NewWebhookView(View):
    webhook: WebhookView
    secret: Annotated[str, Meta(description="What signatures are checked with. Shown this once.")]


class SecretView(View):
    secret: Annotated[str, Meta(description="Shown this once.")]


class AttemptView(View):
    number: int
    at: datetime
    state: WebhookState
    status: Annotated[int, Meta(description="Of HTTP; 0: there was none.")]
    error: str
    reason: str
    hint: str
    address: str
    elapsed: float
    next_at: datetime | None
    gone: Annotated[bool, Meta(description="The endpoint wants no more events.")]


class WebhookDeliveryView(View):
    id: str
    workspace: str
    endpoint: str
    event: str
    event_type: str
    state: WebhookState
    attempts: int
    created_at: datetime
    last: AttemptView | None
    next_at: datetime | None
    settled_at: datetime | None


class WebhookHealthView(View):
    last: Annotated[AttemptView | None, Meta(description="None before the first attempt.")]
    last_failed: Annotated[AttemptView | None, Meta(description="Stays when later attempts succeed.")]
    last_delivered_at: datetime | None
    failures_in_a_row: int


class ReplayedView(View):
    replayed: int
