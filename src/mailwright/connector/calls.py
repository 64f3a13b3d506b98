"""What can be asked of Mailwright, once: the embedded `Mailwright` and the remote `client` both answer to it.

Every call acts with an `Access`: in one workspace, with some actions, perhaps on some accounts only. What the access
may not see is answered as what does not exist (`NotFound`).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mailwright.errors import InvalidInput
from mailwright.model.access import Action, ApiToken
from mailwright.model.account import Account
from mailwright.model.account_record import AccountRecord, SendLimits
from mailwright.model.audit import AuditEntry
from mailwright.model.bulk import BulkItem, BulkJob
from mailwright.model.check import CheckReport
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.event import Event
from mailwright.model.message import Message
from mailwright.model.outbox import MessageState, RetryPlan, SendOptions, StoredMessage, UncertainPolicy
from mailwright.model.page import Page
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.webhook import WebhookEndpoint, WebhookHealth, WebhookTask
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.secret import Secret


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """An account beside its name: what is given to create it, and to replace it."""

    account: Account
    limits: SendLimits = SendLimits()
    retry: RetryPlan = field(default_factory=RetryPlan)
    uncertain: UncertainPolicy = UncertainPolicy.HOLD
    fallback: str = ""
    bounce_address: str = ""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """All parts must fit. Empty parts fit everything."""

    states: Sequence[MessageState] = ()
    account: str = ""
    recipient: str = ""
    #: words in the subject
    subject: str = ""
    message_id: str = ""
    bulk: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """One message of a bulk call."""

    message: Message | Composed
    options: SendOptions = SendOptions()


@dataclass(frozen=True, slots=True)
class NewToken:
    token: ApiToken
    #: shown this once
    secret: Secret


class Accounts(Protocol):
    async def create(self, name: str, settings: AccountSettings) -> AccountRecord: ...
    async def get(self, name: str) -> AccountRecord: ...
    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AccountRecord]: ...
    async def replace(self, name: str, settings: AccountSettings, *, version: int | None = None) -> AccountRecord: ...
    async def delete(self, name: str) -> None: ...
    async def pause(self, name: str) -> AccountRecord: ...
    async def resume(self, name: str) -> AccountRecord:
        """Ends a pause, and the wait of an account that is parked."""

    async def check(self, name: str) -> CheckReport: ...


class Messages(Protocol):
    async def send(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
    ) -> StoredMessage:
        """Accepts: when it returns, the message is on disk and will end in a visible state."""

    async def accept(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
    ) -> str:
        """The same for callers in a hurry: its id alone, nothing is read back."""

    async def send_and_wait(
        self,
        account: str,
        message: Message | Composed,
        options: SendOptions | None = None,
        *,
        dsn: DsnOptions | None = None,
        timeout: float = 60.0,
    ) -> StoredMessage:
        """Accepts and waits for the first attempt's answer; after `timeout` the message as it stands."""

    def send_many(
        self,
        account: str,
        submissions: AsyncIterator[Submission | InvalidInput] | Sequence[Submission],
        *,
        total: int = 0,
    ) -> AsyncIterator[BulkItem]:
        """Accepts as they come, in batches; one answer for each, in order. The first answer's job is `bulk_job`.

        An error among them stands for a line that could not be understood: it is refused in its place.
        """

    async def bulk_jobs(self, *, cursor: str = "", limit: int = 50) -> Page[BulkJob]: ...
    async def bulk_job(self, id: str) -> BulkJob: ...
    async def bulk_errors(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[BulkItem]: ...
    async def get(self, id: str) -> StoredMessage: ...
    async def body(self, id: str) -> bytes:
        """The message as it is sent."""

    async def story(self, id: str) -> Sequence[Event]:
        """Everything that happened to it, oldest first."""

    async def wait(self, id: str, *, timeout: float = 30.0) -> StoredMessage:
        """Returns when the message has ended, or after `timeout` as it stands."""

    async def list(
        self, filter: MessageFilter | None = None, *, cursor: str = "", limit: int = 50, oldest_first: bool = False
    ) -> Page[StoredMessage]: ...
    async def cancel(self, ids: Sequence[str]) -> Sequence[StoredMessage]:
        """Those that could be cancelled. One that is being sent cannot; for a single id that is `WrongState`."""

    async def retry(self, ids: Sequence[str]) -> Sequence[StoredMessage]: ...
    async def release(self, id: str, *, sent: bool | None = None) -> StoredMessage:
        """Decides an uncertain message: `sent` True (it has arrived), False (give it up), None (send it again)."""

    async def clean_up(self, *, older_than_days: int) -> int:
        """Removes ended messages with their bodies and events. Returns how many."""


class Events(Protocol):
    async def list(
        self, *, types: Sequence[str] = (), message: str = "", account: str = "", cursor: str = "", limit: int = 50
    ) -> Page[Event]:
        """Oldest first. The last cursor stays good for more."""

    def stream(self, *, types: Sequence[str] = (), cursor: str = "") -> AsyncIterator[tuple[str, Event]]:
        """Live, each with its cursor; from now on, or from after `cursor`."""


class Webhooks(Protocol):
    async def create(
        self, url: str, *, events: Sequence[str] = ("*",), accounts: Sequence[str] = (), description: str = ""
    ) -> tuple[WebhookEndpoint, Secret]: ...
    async def get(self, id: str) -> WebhookEndpoint: ...
    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[WebhookEndpoint]: ...
    async def replace(
        self,
        id: str,
        *,
        url: str,
        events: Sequence[str],
        accounts: Sequence[str],
        description: str,
        enabled: bool,
        version: int | None = None,
    ) -> WebhookEndpoint: ...
    async def delete(self, id: str) -> None: ...
    async def rotate_secret(self, id: str, *, overlap_seconds: int = 86_400) -> Secret:
        """The old secret goes on signing beside the new one for as long as the overlap."""

    async def test(self, id: str) -> WebhookTask:
        """Sends a test event now and returns what came of it."""

    async def health(self, id: str) -> WebhookHealth:
        """How its last deliveries went: what people look at first when events do not arrive."""

    async def deliveries(self, id: str, *, cursor: str = "", limit: int = 50) -> Page[WebhookTask]: ...
    async def replay(self, id: str, deliveries: Sequence[str] = (), *, since: datetime | None = None) -> int:
        """Delivers again: those named, or every event since. Returns how many."""


class Suppressions(Protocol):
    async def add(
        self, address: str, *, list: str = "", reason: SuppressionReason = SuppressionReason.MANUAL, note: str = ""
    ) -> Suppression: ...
    async def remove(self, address: str, *, list: str = "") -> None: ...
    async def get(self, address: str) -> Sequence[Suppression]: ...
    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Suppression]: ...


class Workspaces(Protocol):
    async def create(self, name: str, *, description: str = "") -> Workspace: ...
    async def get(self, name: str) -> Workspace: ...
    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Workspace]: ...
    async def replace(
        self, name: str, *, description: str, safe_mode: SafeMode, version: int | None = None
    ) -> Workspace: ...
    async def delete(self, name: str) -> None: ...


class Tokens(Protocol):
    async def create(
        self,
        name: str,
        actions: Sequence[Action],
        *,
        workspace: str | None = None,
        accounts: Sequence[str] | None = None,
        expires_in_days: int = 90,
    ) -> NewToken:
        """Nobody can make a token that may do more than they may themselves."""

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[ApiToken]: ...
    async def revoke(self, id: str) -> None: ...


class Audit(Protocol):
    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AuditEntry]: ...
    async def verify(self) -> int:
        """Checks the chain of hashes; returns how many entries it has. A broken one is a StoreError that names it."""


class Office(Protocol):
    """All of it, in one workspace, for one access."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def events(self) -> Events: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def workspaces(self) -> Workspaces: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def audit(self) -> Audit: ...
