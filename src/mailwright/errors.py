"""Every error that Mailwright raises on purpose.

    MailwrightError
    ├── InvalidInput (ValueError)        what the caller gave cannot be used; nothing was done
    │   ├── InvalidAddress               position and item say where
    │   ├── NoRecipients
    │   ├── InvalidHeader
    │   ├── InvalidBody
    │   ├── InvalidAttachment
    │   ├── InvalidAccount
    │   ├── MissingCredential
    │   ├── InvalidSetting
    │   ├── InvalidWebhook
    │   ├── NotFound                     there is no such thing, or this caller may not see it
    │   ├── AlreadyExists
    │   ├── VersionConflict              somebody changed it meanwhile
    │   ├── IdempotencyConflict          the key was used with other content
    │   └── WrongState                   the thing is not in a state in which this can be done
    ├── NotAllowed (PermissionError)
    │   ├── Unauthenticated              no token, or one that is not valid
    │   ├── AccessDenied                 the token does not allow this
    │   └── LimitExceeded                too much at once: try again later
    ├── KeyringError                     a key for what is encrypted at rest is missing, malformed or the wrong one
    ├── StoreError                       the database or the body store cannot do its work
    │   ├── SchemaMismatch               the database was made by another version
    │   ├── BodyNotStored                nothing may point at the body: put it again
    │   ├── BodyUnreadable               the body is not there, or damaged
    │   └── UnsealError                  what is encrypted at rest does not open
    ├── EgressError                      an HTTP request of ours that has no usable answer
    │   ├── EgressRefused                a rule does not allow it; `rule` says which
    │   └── EgressFailed (ConnectionError)   `reason` says what happened
    │       └── EgressTimeout (TimeoutError)
    └── SendError                        a send that did not end as sent
        ├── NotSent                      no server has taken the message: sending again makes no duplicate
        │   ├── ResolveFailed            the name of the server has no address
        │   ├── DialRefused              the operator's policy does not allow this address or port
        │   ├── ConnectFailed            (ConnectionError)
        │   ├── ProxyFailed              (ConnectionError)
        │   ├── TlsFailed                (ConnectionError)
        │   ├── TlsNotOffered            STARTTLS was asked for and the server does not have it
        │   ├── ServerTimeout            (TimeoutError)
        │   ├── ConnectionLost           (ConnectionError)
        │   ├── ProtocolViolation        the server said something that SMTP does not allow
        │   ├── ServiceRefused           the server does not serve us: greeting, EHLO or 421
        │   ├── AuthNotOffered           credentials are set, the server offers no way to use them
        │   ├── AuthNeedsTls             a password would travel in clear text
        │   ├── SignInRefused
        │   ├── SenderRefused
        │   ├── RecipientsRefused        every recipient was refused
        │   ├── MessageRefused
        │   ├── MessageTooBig
        │   ├── Utf8NotOffered           an address needs SMTPUTF8 and the server does not have it
        │   ├── EightBitNotOffered       prebuilt bytes are not ASCII and the server takes only ASCII
        │   ├── Withheld                 this side stopped the message before its final dot
        │   └── Closed                   the Mailwright was closed while the message waited
        ├── PartlySent                   some recipients were refused and the caller asked to be told by an error
        └── Uncertain                    the final dot left, no reply came back: it may or may not be sent

Each class has one stable `code`; the first line of its docstring is its default sentence. `field` names the input
that is wrong, `hint` says what to do. Secrets and mail content never appear in an error.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import ClassVar

from mailwright.reply import Phase, Reply


class MailwrightError(Exception):
    """Something went wrong in Mailwright."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, field: str = "", hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").partition("\n")[0]
        self.field = field
        self.hint = hint
        super().__init__(self.message)

    @property
    def where(self) -> str:
        """The input that is wrong, for people; empty when it is not about an input."""
        return self.field

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text

    def to_json(self) -> dict[str, object]:
        return {"code": self.code, "message": self.message, "field": self.field, "hint": self.hint}


class InvalidInput(MailwrightError, ValueError):
    """The input cannot be used."""

    code = "invalid_input"


class InvalidAddress(InvalidInput):
    """A mail address cannot be understood."""

    code = "invalid_address"

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        hint: str = "",
        position: int = 0,
        item: int | None = None,
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        #: index of the offending character in the text, or in item `item` of a list
        self.position = position
        self.item = item

    @property
    def where(self) -> str:
        parts = [self.field] if self.field else []
        if self.item is not None:
            parts.append(f"item {self.item + 1}")
        if self.position:
            parts.append(f"character {self.position + 1}")
        return ", ".join(parts)

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "position": self.position, "item": self.item}


class NoRecipients(InvalidInput):
    """The message has no recipient at all."""

    code = "no_recipients"


class InvalidHeader(InvalidInput):
    """A header name or value cannot be written."""

    code = "invalid_header"


class InvalidBody(InvalidInput):
    """The message has no body that can be sent."""

    code = "invalid_body"


class InvalidAttachment(InvalidInput):
    """An attachment cannot be used."""

    code = "invalid_attachment"


class InvalidAccount(InvalidInput):
    """The account is not configured in a way that can work."""

    code = "invalid_account"


class MissingCredential(InvalidAccount):
    """A user name came without a password, or a password without a user name."""

    code = "missing_credential"


class InvalidSetting(InvalidInput):
    """A setting has a value that cannot be used."""

    code = "invalid_setting"


class InvalidWebhook(InvalidInput):
    """A webhook endpoint is described in a way that cannot work."""

    code = "invalid_webhook"


class NotFound(InvalidInput):
    """There is no such thing."""

    code = "not_found"


class AlreadyExists(InvalidInput):
    """Something with this name exists already."""

    code = "already_exists"


class VersionConflict(InvalidInput):
    """It was changed meanwhile."""

    code = "version_conflict"


class IdempotencyConflict(InvalidInput):
    """The idempotency key was used with other content."""

    code = "idempotency_conflict"


class WrongState(InvalidInput):
    """It is not in a state in which this can be done."""

    code = "wrong_state"


class NotAllowed(MailwrightError, PermissionError):
    """This is not allowed."""

    code = "not_allowed"


class Unauthenticated(NotAllowed):
    """No valid token was given."""

    code = "unauthenticated"


class AccessDenied(NotAllowed):
    """The token does not allow this."""

    code = "access_denied"


class LimitExceeded(NotAllowed):
    """Too much at once."""

    code = "limit_exceeded"
    #: seconds after which it may work
    retry_after: float = 1.0


class StoreError(MailwrightError):
    """What was asked could not be stored or read."""

    code = "store_error"


class SchemaMismatch(StoreError):
    """The database was made by another version of Mailwright."""

    code = "schema_mismatch"


class BodyNotStored(StoreError):
    """The body of a message could not be stored."""

    code = "body_not_stored"


class BodyUnreadable(StoreError):
    """The body of a message cannot be read."""

    code = "body_unreadable"


class UnsealError(StoreError):
    """What is encrypted at rest does not open."""

    code = "unseal_failed"


class KeyringError(MailwrightError):
    """A key for what is encrypted at rest is missing, malformed or the wrong one."""

    code = "keyring_error"


class EgressRule(StrEnum):
    """The rules for HTTP requests that Mailwright makes. The names never change their meaning."""

    #: only GET, HEAD, POST, PUT, PATCH and DELETE
    METHOD = "method"
    #: an address that can be read in one way only
    URL = "url"
    #: http and https alone
    SCHEME = "scheme"
    #: no user name and password in the address: they end up in logs
    CREDENTIALS = "credentials"
    #: nothing that ends a line, and nothing that the client itself says
    HEADER = "header"
    #: the operator's policy about addresses
    ADDRESS = "address"
    #: no more redirects than asked for, and none from https to http
    REDIRECT = "redirect"


class EgressReason(StrEnum):
    """Why an HTTP request has no usable answer. The names never change their meaning."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    #: the connection ended before the answer did
    LOST = "lost"
    #: not HTTP, or an encoding that was not asked for
    PROTOCOL = "protocol"
    TOO_BIG = "too_big"


class EgressError(MailwrightError):
    """An HTTP request to another server has no usable answer."""

    code = "egress_error"

    def __init__(
        self, message: str = "", *, server: str = "", status: int = 0, field: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        #: host and port; never the whole address, which may hold a secret
        self.server = server
        #: of the answer that broke off after its head; 0 when there was none
        self.status = status
        #: seconds until it failed
        self.elapsed = 0.0

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "server": self.server, "status": self.status}


class EgressRefused(EgressError):
    """A rule does not allow this HTTP request."""

    code = "egress_refused"

    def __init__(
        self, message: str = "", *, rule: EgressRule, server: str = "", field: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, server=server, field=field, hint=hint)
        self.rule = rule

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "rule": self.rule.value}


class EgressFailed(EgressError, ConnectionError):
    """The other server gave no usable answer."""

    code = "egress_failed"

    def __init__(
        self, message: str = "", *, reason: EgressReason, server: str = "", status: int = 0, hint: str = ""
    ) -> None:
        super().__init__(message, server=server, status=status, hint=hint)
        self.reason = reason

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "reason": self.reason.value}


class EgressTimeout(EgressFailed, TimeoutError):
    """The other server did not answer in time."""

    code = "egress_timeout"


class SendError(MailwrightError):
    """The message was not sent as asked."""

    code = "send_error"
    #: whether trying again later may help when no server reply says so
    temporary_by_nature: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        phase: Phase = Phase.QUEUE,
        reply: Reply | None = None,
        recipients: Mapping[str, Reply] | None = None,
        server: str = "",
        field: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.phase = phase
        #: the reply that decided it; None when no server spoke
        self.reply = reply
        #: for refused recipients: address → the server's reply
        self.recipients: Mapping[str, Reply] = recipients or {}
        self.server = server

    @property
    def temporary(self) -> bool:
        """True when the same message may well be taken later (RFC 5321 section 4.2.1)."""
        return self.reply.temporary if self.reply is not None else self.temporary_by_nature

    def __str__(self) -> str:
        return " ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        yield super().__str__()
        if self.reply is not None:
            yield f"[{self.phase}: {self.reply}]"
        else:
            yield f"[{self.phase}]"

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "phase": self.phase.value,
            "server": self.server,
            "temporary": self.temporary,
            "reply": self.reply.to_json() if self.reply is not None else None,
            "recipients": {address: reply.to_json() for address, reply in self.recipients.items()},
        }


class NotSent(SendError):
    """The message was surely not sent."""

    code = "not_sent"


class ResolveFailed(NotSent):
    """The server's name has no address."""

    code = "resolve_failed"
    temporary_by_nature = True


class DialRefused(NotSent):
    """The operator's policy does not allow a connection to this address."""

    code = "dial_refused"


class ConnectFailed(NotSent, ConnectionError):
    """No address of the server accepted a connection."""

    code = "connect_failed"
    temporary_by_nature = True


class ProxyFailed(NotSent, ConnectionError):
    """The proxy did not open the connection."""

    code = "proxy_failed"
    temporary_by_nature = True


class TlsFailed(NotSent, ConnectionError):
    """The encrypted connection could not be made."""

    code = "tls_failed"
    temporary_by_nature = True


class TlsNotOffered(NotSent):
    """The server does not offer STARTTLS, and the account asks for it."""

    code = "tls_not_offered"
    temporary_by_nature = True


class ServerTimeout(NotSent, TimeoutError):
    """The server did not answer in time."""

    code = "timeout"
    temporary_by_nature = True


class ConnectionLost(NotSent, ConnectionError):
    """The server closed the connection."""

    code = "connection_lost"
    temporary_by_nature = True


class ProtocolViolation(NotSent):
    """The server said something that SMTP does not allow."""

    code = "protocol_violation"

    @property
    def temporary(self) -> bool:
        # What is not understood is tried again: the code of a reply in the wrong place means nothing.
        return True


class ServiceRefused(NotSent):
    """The server does not serve this client now."""

    code = "service_refused"


class AuthNotOffered(NotSent):
    """Credentials are set, but the server offers no sign-in that can use them."""

    code = "auth_not_offered"


class AuthNeedsTls(NotSent):
    """The password would travel in clear text."""

    code = "auth_needs_tls"


class SignInRefused(NotSent):
    """The server refused the user name, password or token."""

    code = "sign_in_refused"


class SenderRefused(NotSent):
    """The server refused the sender."""

    code = "sender_refused"


class RecipientsRefused(NotSent):
    """The server refused every recipient."""

    code = "recipients_refused"

    @property
    def temporary(self) -> bool:
        # One recipient that may be taken later is reason enough to try again.
        return any(reply.temporary for reply in self.recipients.values())


class MessageRefused(NotSent):
    """The server refused the message."""

    code = "message_refused"


class MessageTooBig(NotSent):
    """The message is bigger than the server accepts."""

    code = "message_too_big"


class Utf8NotOffered(NotSent):
    """An address has non-ASCII characters before the @, and the server does not offer SMTPUTF8."""

    code = "utf8_not_offered"


class EightBitNotOffered(NotSent):
    """The message is not all ASCII, and the server does not offer 8BITMIME."""

    code = "eight_bit_not_offered"


class Withheld(NotSent):
    """The message was held back before its final dot."""

    code = "withheld"
    temporary_by_nature = True


class Closed(NotSent):
    """Mailwright was closed before the message could be sent."""

    code = "closed"
    temporary_by_nature = True


class PartlySent(SendError):
    """Some recipients were refused; the others have the message."""

    code = "partly_sent"
    #: who has the message, and under which Message-ID: do not send to these again
    accepted: tuple[str, ...] = ()
    message_id: str = ""

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "accepted": list(self.accepted), "message_id": self.message_id}


class Uncertain(SendError):
    """The message was handed over, but the server's answer was not seen: it may or may not be sent."""

    code = "uncertain"
    #: what to look for at the recipient
    message_id: str = ""

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "message_id": self.message_id}
