"""A message as a person writes it. Constructing one validates it; bytes are made in `mime`."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from mailwright.errors import InvalidBody, InvalidHeader, InvalidInput
from mailwright.model.address import Address, Recipient, mailboxes
from mailwright.model.address_syntax import RecipientsInput, parse_address, parse_recipients
from mailwright.model.attachment import Attachment, AttachmentsInput, parse_attachments

# RFC 5322 section 3.6.4: "<" id-left "@" id-right ">"; lenient about the inside, as every reader is.
_MESSAGE_ID = re.compile(r"[!-;=?-~]+\Z")
_HTTPS_URI = re.compile(r"https?://[!-;=?-~]+\Z")


class Priority(StrEnum):
    HIGH = "high"
    #: writes no header at all
    NORMAL = "normal"
    LOW = "low"


class AutoSubmitted(StrEnum):
    """RFC 3834 section 5: tells vacation programs not to answer."""

    NO = "no"
    AUTO_GENERATED = "auto-generated"
    AUTO_REPLIED = "auto-replied"


class NullSender(StrEnum):
    """The empty envelope sender of bounces and automatic answers (RFC 5321 section 4.5.5)."""

    NULL = ""


#: give this as `envelope_from` for `MAIL FROM:<>`
NULL_SENDER = NullSender.NULL


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """List-Unsubscribe (RFC 2369 section 3.2) and its one-click form (RFC 8058 section 3.1)."""

    #: an https address; empty when there is none
    url: str = ""
    #: a mailbox that takes the wish; None when there is none
    mailto: Address | None = None
    #: the address acts on a POST alone; only an https address may say so
    one_click: bool = False

    def __post_init__(self) -> None:
        if not self.url and self.mailto is None:
            raise InvalidHeader(
                "an address to unsubscribe at is missing", field="unsubscribe", hint="give url or mailto"
            )
        if self.url and not _HTTPS_URI.match(self.url):
            raise InvalidHeader("the address to unsubscribe at is no http(s) URL", field="unsubscribe.url")
        if self.one_click and not self.url.startswith("https://"):
            raise InvalidHeader(
                "one click needs an https address (RFC 8058 section 3.1)", field="unsubscribe.one_click"
            )


HeadersInput = Mapping[str, str] | Iterable[tuple[str, str]] | None


@dataclass(frozen=True, slots=True, init=False)
class Message:
    """What a person reads. Recipients and attachments are taken in any usual shape and kept as tuples.

    Message(to="Ann <ann@example.org>; bob@example.org", subject="Hello", text="Good morning")
    """

    to: tuple[Recipient, ...]
    cc: tuple[Recipient, ...]
    #: these are in the envelope only; no header ever names them
    bcc: tuple[Recipient, ...]
    #: None: the address of the account
    from_: Address | None
    #: the name shown beside the sender; empty: that of `from_`, else of the account
    from_name: str
    reply_to: tuple[Recipient, ...]
    subject: str
    text: str | None
    html: str | None
    #: send `text` alone even when there is HTML
    plain_only: bool
    attachments: tuple[Attachment, ...]
    priority: Priority
    #: further headers in their order; those that have a field of their own are refused here
    headers: tuple[tuple[str, str], ...]
    #: message ids without angle brackets
    in_reply_to: str
    references: tuple[str, ...]
    #: empty: made when the message is composed
    message_id: str
    #: with a time zone; None: the moment of composing
    date: datetime | None
    unsubscribe: Unsubscribe | None
    auto_submitted: AutoSubmitted | None
    #: where bounces go; None: the sender
    envelope_from: Address | NullSender | None

    def __init__(
        self,
        *,
        to: RecipientsInput = None,
        cc: RecipientsInput = None,
        bcc: RecipientsInput = None,
        from_: str | Address | None = None,
        from_name: str = "",
        reply_to: RecipientsInput = None,
        subject: str = "",
        text: str | None = None,
        html: str | None = None,
        plain_only: bool = False,
        attachments: AttachmentsInput = None,
        priority: Priority | str = Priority.NORMAL,
        headers: HeadersInput = None,
        in_reply_to: str = "",
        references: str | Iterable[str] = (),
        message_id: str = "",
        date: datetime | None = None,
        unsubscribe: Unsubscribe | None = None,
        auto_submitted: AutoSubmitted | str | None = None,
        envelope_from: Address | NullSender | str | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "to", parse_recipients(to, field="to"))
        put(self, "cc", parse_recipients(cc, field="cc") if cc else ())
        put(self, "bcc", parse_recipients(bcc, field="bcc") if bcc else ())
        put(self, "from_", parse_address(from_, field="from") if from_ else None)
        put(self, "from_name", from_name)
        put(self, "reply_to", parse_recipients(reply_to, field="reply_to") if reply_to else ())
        put(self, "subject", subject)
        put(self, "text", text)
        put(self, "html", html)
        put(self, "plain_only", plain_only)
        put(self, "attachments", parse_attachments(attachments) if attachments else ())
        put(
            self,
            "priority",
            priority if type(priority) is Priority else _choice(Priority, priority, "priority"),
        )
        put(self, "headers", _headers(headers) if headers else ())
        put(self, "in_reply_to", _message_id(in_reply_to, "in_reply_to") if in_reply_to else "")
        put(self, "references", _references(references) if references else ())
        put(self, "message_id", _message_id(message_id, "message_id") if message_id else "")
        put(self, "date", date)
        put(self, "unsubscribe", unsubscribe)
        put(
            self,
            "auto_submitted",
            _choice(AutoSubmitted, auto_submitted, "auto_submitted") if auto_submitted else None,
        )
        put(self, "envelope_from", _envelope_from(envelope_from) if envelope_from is not None else None)
        self._check()

    def _check(self) -> None:
        if self.plain_only and self.text is None:
            raise InvalidBody("plain_only is set and there is no text", field="text")
        if self.date is not None and self.date.tzinfo is None:
            raise InvalidInput("the date has no time zone", field="date", hint="datetime.now(timezone.utc)")

    def __repr__(self) -> str:
        """Counts alone: what people write does not belong into a log."""
        recipients = len(self.to) + len(self.cc) + len(self.bcc)
        bodies = [name for name in ("text", "html") if getattr(self, name) is not None]
        return (
            f"Message({recipients} recipients, {' and '.join(bodies) or 'no body'}, "
            f"{len(self.attachments)} attachments, message_id={self.message_id!r})"
        )

    def changed(self, **changes: Any) -> "Message":
        """A copy with other values for the named parts."""
        return Message(**{**{part.name: getattr(self, part.name) for part in fields(self)}, **changes})

    def envelope_recipients(self) -> tuple[Address, ...]:
        """Each mailbox once, To before Cc before Bcc; the first way of writing it wins."""
        if len(self.to) == 1 and not self.cc and not self.bcc and isinstance(self.to[0], Address):
            return self.to  # type: ignore[return-value]  # the one element was just seen to be an Address
        unique: dict[str, Address] = {}
        for address in mailboxes((*self.to, *self.cc, *self.bcc)):
            unique.setdefault(address.spec, address)
        return tuple(unique.values())


_Choice = TypeVar("_Choice", bound=StrEnum)


def _choice(kind: type[_Choice], value: str, field: str) -> _Choice:
    try:
        return kind(value.lower())
    except ValueError:
        raise InvalidInput(f"{value!r} is not one of {', '.join(kind)}", field=field) from None


def _message_id(value: str, field: str) -> str:
    bare = value.strip().removeprefix("<").removesuffix(">")
    if not _MESSAGE_ID.match(bare):
        raise InvalidHeader(
            "a message id is printable ASCII without spaces", field=field, hint="such as <abc@example.org>"
        )
    return bare


def _references(value: str | Iterable[str]) -> tuple[str, ...]:
    items = value.split() if isinstance(value, str) else value
    return tuple(_message_id(item, "references") for item in items)


def _headers(value: HeadersInput) -> tuple[tuple[str, str], ...]:
    items = value.items() if isinstance(value, Mapping) else value or ()
    return tuple((str(name), str(text)) for name, text in items)


def _envelope_from(value: Address | NullSender | str) -> Address | NullSender:
    if isinstance(value, Address | NullSender):
        return value
    return parse_address(value, field="envelope_from") if value else NULL_SENDER
