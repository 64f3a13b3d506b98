"""An account as callers write and read it. `model.account_json` gives the fields their meaning."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mailwright.connector.calls import AccountSettings
from mailwright.errors import InvalidInput
from mailwright.model.account import Mechanism, ProxyKind
from mailwright.model.account_json import account_from_input
from mailwright.model.account_record import RATE_PRESETS, AccountRecord
from mailwright.model.account_record_json import rules_from_json
from mailwright.model.json_fields import errors_under
from mailwright.model.outbox import UncertainPolicy
from mailwright.model.security import PortPolicy, Security
from mailwright.wire.base import View, Wire
from mailwright.wire.message_view import FailureView

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Password = Annotated[
    str | None, Meta(description="Leave it out to keep the one that is stored; null takes it away. Shown as ***.")
]


class ProxyPart(Wire):
    kind: ProxyKind
    host: str
    port: Port
    username: str | UnsetType = UNSET
    password: Password | UnsetType = UNSET


class TimeoutsPart(Wire):
    """Seconds."""

    connect: Seconds | UnsetType = UNSET
    greeting: Seconds | UnsetType = UNSET
    tls: Seconds | UnsetType = UNSET
    reply: Seconds | UnsetType = UNSET
    final_reply: Seconds | UnsetType = UNSET


class PoolPart(Wire):
    sessions: Annotated[int, Meta(ge=1, le=1000)] | UnsetType = UNSET
    messages_per_session: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    idle_seconds: Seconds | UnsetType = UNSET


class OutgoingPart(Wire):
    """The SMTP server."""

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    port: Annotated[Port, Meta(description="587 when left out, 465 with implicit TLS.")] | UnsetType = UNSET
    security: Security | UnsetType = UNSET
    username: str | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    access_token: Password | UnsetType = UNSET
    mechanism: Mechanism | UnsetType | None = UNSET
    verify_trust: bool | UnsetType = UNSET
    verify_hostname: bool | UnsetType = UNSET
    ca_certificates: Annotated[str, Meta(max_length=1_000_000, description="PEM.")] | UnsetType = UNSET
    pinned_certificate: Annotated[str, Meta(max_length=200, description="Its SHA-256.")] | UnsetType = UNSET
    allow_clear_text_password: bool | UnsetType = UNSET
    port_25: PortPolicy | UnsetType = UNSET
    proxy: ProxyPart | UnsetType | None = UNSET
    source_address: str | UnsetType = UNSET
    ehlo_name: str | UnsetType = UNSET
    timeouts: TimeoutsPart | UnsetType = UNSET
    pool: PoolPart | UnsetType = UNSET
    chunking: bool | UnsetType = UNSET


class AccountPart(Wire):
    """Who sends, and by which server."""

    address: Annotated[str, Meta(max_length=500, description="Such as me@example.org.")]
    outgoing: OutgoingPart
    display_name: str | UnsetType = UNSET
    name: Annotated[str, Meta(description="How logs call it; its address when left out.")] | UnsetType = UNSET


class LimitsPart(Wire):
    """Kept over all nodes."""

    messages_per_second: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class RetryPart(Wire):
    """Either the waits or a number of the default ones."""

    waits: Annotated[list[Annotated[int, Meta(ge=1)]], Meta(max_length=1000)] | UnsetType = UNSET
    max_retries: Annotated[int, Meta(ge=0, le=1000)] | UnsetType = UNSET


class AccountSettingsIn(Wire):
    account: AccountPart
    limits: LimitsPart | UnsetType = UNSET
    rate_preset: (
        Annotated[str, Meta(description=f"Limits of a provider, as a start: {', '.join(RATE_PRESETS)}.")] | UnsetType
    ) = UNSET
    retry: RetryPart | UnsetType = UNSET
    uncertain: UncertainPolicy | UnsetType = UNSET
    fallback: Annotated[str, Meta(max_length=100, description="Takes over while this one is parked.")] | UnsetType = (
        UNSET
    )
    bounce_address: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET


class AccountIn(AccountSettingsIn, kw_only=True):
    name: Name


class ParkedView(View):
    since: datetime
    until: datetime
    failure: FailureView
    times: int


class ProxyView(View):
    kind: ProxyKind
    host: str
    port: int
    username: str
    password: str | None


class OutgoingView(View):
    host: str
    port: int
    security: Security
    username: str
    password: Annotated[str | None, Meta(description="*** when there is one.")]
    access_token: str | None
    mechanism: Mechanism | None
    verify_trust: bool
    verify_hostname: bool
    ca_certificates: str
    pinned_certificate: str
    allow_clear_text_password: bool
    port_25: PortPolicy
    proxy: ProxyView | None
    source_address: str
    ehlo_name: str
    timeouts: dict[str, float]
    pool: dict[str, float]
    chunking: bool


class AccountPartView(View):
    address: str
    display_name: str
    name: str
    outgoing: OutgoingView


class LimitsView(View):
    messages_per_second: float | None
    concurrency: int | None


class RetryView(View):
    waits: list[int]


class AccountView(View):
    id: str
    workspace: str
    name: str
    account: AccountPartView
    limits: LimitsView
    retry: RetryView
    uncertain: UncertainPolicy
    fallback: str
    bounce_address: str
    paused: bool
    parked: Annotated[ParkedView | None, Meta(description="Why its queue waits; null when it does not.")]
    created_at: datetime
    updated_at: datetime
    version: int


class CheckStepView(View):
    name: str
    state: str
    detail: str
    hint: str


class CheckView(View):
    """What a check found, step by step."""

    ok: bool
    account: str
    server: str
    steps: list[CheckStepView]
    capabilities: list[str]
    warnings: list[str]
    error: dict[str, Any] | None


def to_settings(given: AccountSettingsIn, existing: AccountRecord | None = None) -> AccountSettings:
    """A stored secret that was left out stays, where `existing` has one and the way to the server is the same."""
    said = msgspec.to_builtins(given)
    preset = said.pop("rate_preset", None)
    if preset is not None and "limits" in said:
        raise InvalidInput("limits and rate_preset exclude each other", field="rate_preset")
    with errors_under("account"):
        account = account_from_input(said.pop("account"), existing.account if existing is not None else None)
    said.pop("name", None)
    rules = rules_from_json(said)
    if preset is not None:
        if preset not in RATE_PRESETS:
            raise InvalidInput(
                "there is no such preset", field="rate_preset", hint=f"there are {', '.join(RATE_PRESETS)}"
            )
        rules["limits"] = RATE_PRESETS[preset]
    return AccountSettings(account=account, **rules)
