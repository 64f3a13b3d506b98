"""Mailwright: an email connector that keeps its promises.

async with Mailwright() as mail:
    account = Account("me@example.org", Outgoing("smtp.example.org", username="me", password="…"))
    result = await mail.send(account, Message(to="ann@example.org", subject="Hello", text="Good morning"))

Everything that a program may rely on is listed in `__all__`.
"""

from typing import TYPE_CHECKING, Any

from mailwright.connector import Mailwright, SyncMailwright
from mailwright.connector.calls import AccountSettings, MessageFilter, NewToken, Office, Submission
from mailwright.errors import (
    AccessDenied,
    AlreadyExists,
    AuthNeedsTls,
    AuthNotOffered,
    BodyNotStored,
    BodyUnreadable,
    Closed,
    ConnectFailed,
    ConnectionLost,
    DialRefused,
    EgressError,
    EgressFailed,
    EgressReason,
    EgressRefused,
    EgressRule,
    EgressTimeout,
    EightBitNotOffered,
    IdempotencyConflict,
    InvalidAccount,
    InvalidAddress,
    InvalidAttachment,
    InvalidBody,
    InvalidHeader,
    InvalidInput,
    InvalidSetting,
    InvalidWebhook,
    KeyringError,
    LimitExceeded,
    MailwrightError,
    MessageRefused,
    MessageTooBig,
    MissingCredential,
    NoRecipients,
    NotAllowed,
    NotFound,
    NotSent,
    PartlySent,
    ProtocolViolation,
    ProxyFailed,
    RecipientsRefused,
    ResolveFailed,
    SchemaMismatch,
    SenderRefused,
    SendError,
    ServerTimeout,
    ServiceRefused,
    SignInRefused,
    StoreError,
    TlsFailed,
    TlsNotOffered,
    Unauthenticated,
    Uncertain,
    UnsealError,
    Utf8NotOffered,
    VersionConflict,
    Withheld,
    WrongState,
)
from mailwright.files.local import attachment_from_file
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.access import Access, Action, ApiToken
from mailwright.model.account import Account, Mechanism, Outgoing, PoolLimits, Proxy, ProxyKind, SignIn, Timeouts
from mailwright.model.account_record import RATE_PRESETS, AccountRecord, Parked, SendLimits
from mailwright.model.address import Address, Group
from mailwright.model.address_syntax import parse_address, parse_recipients
from mailwright.model.attachment import Attachment, Disposition, parse_attachments
from mailwright.model.audit import AuditEntry
from mailwright.model.bulk import BulkItem, BulkJob, BulkState
from mailwright.model.check import CheckName, CheckReport, CheckStep, StepState
from mailwright.model.delivery import (
    Composed,
    DeliveryState,
    DsnNotify,
    DsnOptions,
    DsnReturn,
    Envelope,
    SendResult,
    Timings,
)
from mailwright.model.event import Event, EventType
from mailwright.model.message import NULL_SENDER, AutoSubmitted, Message, Priority, Unsubscribe
from mailwright.model.outbox import (
    Failure,
    MessageState,
    RecipientState,
    RecipientStatus,
    RetryPlan,
    SendOptions,
    SendPriority,
    StoredMessage,
    UncertainPolicy,
)
from mailwright.model.page import Page
from mailwright.model.security import PortPolicy, Security
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.webhook import SigningSecret, WebhookAttempt, WebhookEndpoint, WebhookState, WebhookTask
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.reply import Phase, Reply
from mailwright.secret import Secret
from mailwright.settings import Settings

if TYPE_CHECKING:
    from mailwright.client import MailwrightClient, SyncMailwrightClient

__all__ = [
    "NULL_SENDER",
    "RATE_PRESETS",
    "Access",
    "AccessDenied",
    "Account",
    "AccountRecord",
    "AccountSettings",
    "Action",
    "Address",
    "AlreadyExists",
    "ApiToken",
    "Attachment",
    "AuditEntry",
    "AuthNeedsTls",
    "AuthNotOffered",
    "AutoSubmitted",
    "BodyNotStored",
    "BodyUnreadable",
    "BulkItem",
    "BulkJob",
    "BulkState",
    "CheckName",
    "CheckReport",
    "CheckStep",
    "Closed",
    "Composed",
    "ConnectFailed",
    "ConnectionLost",
    "DeliveryState",
    "DialRefused",
    "Disposition",
    "DsnNotify",
    "DsnOptions",
    "DsnReturn",
    "EgressError",
    "EgressFailed",
    "EgressReason",
    "EgressRefused",
    "EgressRule",
    "EgressTimeout",
    "EightBitNotOffered",
    "Envelope",
    "Event",
    "EventType",
    "Failure",
    "Group",
    "IdempotencyConflict",
    "InvalidAccount",
    "InvalidAddress",
    "InvalidAttachment",
    "InvalidBody",
    "InvalidHeader",
    "InvalidInput",
    "InvalidSetting",
    "InvalidWebhook",
    "KeyringError",
    "LimitExceeded",
    "Mailwright",
    "MailwrightClient",
    "MailwrightError",
    "Mechanism",
    "Message",
    "MessageFilter",
    "MessageRefused",
    "MessageState",
    "MessageTooBig",
    "MissingCredential",
    "NewToken",
    "NoRecipients",
    "NotAllowed",
    "NotFound",
    "NotSent",
    "Office",
    "Outgoing",
    "Page",
    "Parked",
    "PartlySent",
    "Phase",
    "PoolLimits",
    "PortPolicy",
    "Priority",
    "ProtocolViolation",
    "Proxy",
    "ProxyFailed",
    "ProxyKind",
    "RecipientState",
    "RecipientStatus",
    "RecipientsRefused",
    "Reply",
    "ResolveFailed",
    "RetryPlan",
    "SafeMode",
    "SchemaMismatch",
    "Secret",
    "Security",
    "SendError",
    "SendLimits",
    "SendOptions",
    "SendPriority",
    "SendResult",
    "SenderRefused",
    "ServerTimeout",
    "ServiceRefused",
    "Settings",
    "SignIn",
    "SignInRefused",
    "SigningSecret",
    "StepState",
    "StoreError",
    "StoredMessage",
    "Submission",
    "Suppression",
    "SuppressionReason",
    "SyncMailwright",
    "SyncMailwrightClient",
    "Timeouts",
    "Timings",
    "TlsFailed",
    "TlsNotOffered",
    "Unauthenticated",
    "Uncertain",
    "UncertainPolicy",
    "UnsealError",
    "Unsubscribe",
    "Utf8NotOffered",
    "VersionConflict",
    "WebhookAttempt",
    "WebhookEndpoint",
    "WebhookState",
    "WebhookTask",
    "Withheld",
    "Workspace",
    "WrongState",
    "attachment_from_file",
    "parse_address",
    "parse_attachments",
    "parse_recipients",
    "prebuilt",
]

_REMOTE = frozenset({"MailwrightClient", "SyncMailwrightClient"})


def __getattr__(name: str) -> Any:
    # Whoever calls no service does not wait for the HTTP client to be loaded.
    if name in _REMOTE:
        from mailwright import client  # noqa: PLC0415

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
