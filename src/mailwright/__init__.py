"""Mailwright: an email connector that keeps its promises.

async with Mailwright() as mail:
    account = Account("me@example.org", Outgoing("smtp.example.org", username="me", password="…"))
    result = await mail.send(account, Message(to="ann@example.org", subject="Hello", text="Good morning"))

Everything that a program may rely on is listed in `__all__`.
"""

from mailwright.connector import Mailwright, SyncMailwright
from mailwright.errors import (
    AuthNeedsTls,
    AuthNotOffered,
    Closed,
    ConnectFailed,
    ConnectionLost,
    DialRefused,
    EightBitNotOffered,
    InvalidAccount,
    InvalidAddress,
    InvalidAttachment,
    InvalidBody,
    InvalidHeader,
    InvalidInput,
    InvalidSetting,
    MailwrightError,
    MessageRefused,
    MessageTooBig,
    MissingCredential,
    NoRecipients,
    NotSent,
    PartlySent,
    ProtocolViolation,
    ProxyFailed,
    RecipientsRefused,
    ResolveFailed,
    SenderRefused,
    SendError,
    ServerTimeout,
    ServiceRefused,
    SignInRefused,
    TlsFailed,
    TlsNotOffered,
    Uncertain,
    Utf8NotOffered,
)
from mailwright.files.local import attachment_from_file
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.account import Account, Mechanism, Outgoing, PoolLimits, Proxy, ProxyKind, SignIn, Timeouts
from mailwright.model.address import Address, Group
from mailwright.model.address_syntax import parse_address, parse_recipients
from mailwright.model.attachment import Attachment, Disposition, parse_attachments
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
from mailwright.model.message import NULL_SENDER, AutoSubmitted, Message, Priority, Unsubscribe
from mailwright.model.security import PortPolicy, Security
from mailwright.reply import Phase, Reply
from mailwright.secret import Secret
from mailwright.settings import Settings

__all__ = [
    "NULL_SENDER",
    "Account",
    "Address",
    "Attachment",
    "AuthNeedsTls",
    "AuthNotOffered",
    "AutoSubmitted",
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
    "EightBitNotOffered",
    "Envelope",
    "Group",
    "InvalidAccount",
    "InvalidAddress",
    "InvalidAttachment",
    "InvalidBody",
    "InvalidHeader",
    "InvalidInput",
    "InvalidSetting",
    "Mailwright",
    "MailwrightError",
    "Mechanism",
    "Message",
    "MessageRefused",
    "MessageTooBig",
    "MissingCredential",
    "NoRecipients",
    "NotSent",
    "Outgoing",
    "PartlySent",
    "Phase",
    "PoolLimits",
    "PortPolicy",
    "Priority",
    "ProtocolViolation",
    "Proxy",
    "ProxyFailed",
    "ProxyKind",
    "RecipientsRefused",
    "Reply",
    "ResolveFailed",
    "Secret",
    "Security",
    "SendError",
    "SendResult",
    "SenderRefused",
    "ServerTimeout",
    "ServiceRefused",
    "Settings",
    "SignIn",
    "SignInRefused",
    "StepState",
    "SyncMailwright",
    "Timeouts",
    "Timings",
    "TlsFailed",
    "TlsNotOffered",
    "Uncertain",
    "Unsubscribe",
    "Utf8NotOffered",
    "attachment_from_file",
    "parse_address",
    "parse_attachments",
    "parse_recipients",
    "prebuilt",
]
