"""A message to be sent, as callers write it: in parts, or as finished bytes with its envelope."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, field

from mailwright.connector.calls import Submission
from mailwright.errors import InvalidAttachment, InvalidInput
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.address import mailboxes
from mailwright.model.address_syntax import parse_address, parse_recipients
from mailwright.model.attachment import Attachment, Disposition
from mailwright.model.delivery import Composed, DsnNotify, DsnOptions, DsnReturn
from mailwright.model.message import AutoSubmitted, Message, Priority, Unsubscribe
from mailwright.model.outbox import SendOptions, SendPriority, UncertainPolicy
from mailwright.wire.base import Wire
from mailwright.wire.recipients import AddressIn, RecipientsIn, as_recipients

Moment = Annotated[datetime, Meta(tz=True)]


class AttachmentIn(Wire):
    """A file. Its content is either base64 or text."""

    filename: Annotated[str, Meta(max_length=1000)]
    content: Annotated[bytes, Meta(description="The file, in base64.")] | None = None
    text: Annotated[str, Meta(description="A text file, as it is.")] | None = None
    content_type: Annotated[str, Meta(description="Such as application/pdf; guessed from the name when empty.")] = ""
    disposition: Disposition = Disposition.ATTACHMENT
    content_id: Annotated[str, Meta(description="What `cid:` links in the HTML name.")] = ""


class UnsubscribeIn(Wire):
    """List-Unsubscribe of your own (RFC 2369). For ours, set `options.unsubscribe`."""

    url: str = ""
    mailto: str = ""
    one_click: Annotated[bool, Meta(description="The address acts on a POST alone (RFC 8058).")] = False


class MessageIn(Wire):
    """What a person reads."""

    to: RecipientsIn | None = None
    cc: RecipientsIn | None = None
    bcc: Annotated[RecipientsIn | None, Meta(description="In the envelope only; no header names them.")] = None
    from_: Annotated[str | AddressIn | None, Meta(description="The address of the account when left out.")] = field(
        name="from", default=None
    )
    reply_to: RecipientsIn | None = None
    subject: str = ""
    text: str | None = None
    html: str | None = None
    plain_only: Annotated[bool, Meta(description="Send the text alone even when there is HTML.")] = False
    attachments: tuple[AttachmentIn, ...] = ()
    priority: Annotated[Priority, Meta(description="What readers see; see `options.priority` for the queue.")] = (
        Priority.NORMAL
    )
    headers: Annotated[dict[str, str | list[str]], Meta(description="Further headers; a list writes one for each.")] = (
        field(default_factory=dict)
    )
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    message_id: Annotated[str, Meta(description="Made when left empty.")] = ""
    date: Moment | None = None
    unsubscribe: UnsubscribeIn | None = None
    auto_submitted: AutoSubmitted | None = None
    envelope_from: Annotated[str | None, Meta(description="Where bounces go; an empty text is the null sender.")] = None


class RawIn(Wire):
    """A finished message. Its header says nothing about who gets it: the envelope does."""

    content: Annotated[bytes, Meta(description="The bytes of the message (RFC 5322), in base64.")]
    to: Annotated[RecipientsIn, Meta(description="Every recipient, blind ones too.")]
    from_: Annotated[str, Meta(description="Where bounces go; an empty text is the null sender.")] = field(name="from")


class OptionsIn(Wire):
    """What is said about the sending."""

    send_at: Annotated[Moment | None, Meta(description="Not before.")] = None
    expires_at: Annotated[Moment | None, Meta(description="Not after: then it ends as expired.")] = None
    priority: Annotated[SendPriority, Meta(description="Which message of the account leaves first.")] = (
        SendPriority.NORMAL
    )
    uncertain: Annotated[
        UncertainPolicy | None,
        Meta(description="When the server's last answer is lost; that of the account if left out."),
    ] = None
    idempotency_key: Annotated[
        str, Meta(max_length=255, description="The same key with the same content is the same message.")
    ] = ""
    tags: Annotated[dict[str, str], Meta(description="Your own words; they come back, and are not sent.")] = field(
        default_factory=dict
    )
    unsubscribe: Annotated[bool, Meta(description="Add one-click unsubscribe that leads to our page.")] = False
    unsubscribe_list: Annotated[str, Meta(max_length=200, description="The list that is left; empty: all mail.")] = ""


class DsnIn(Wire):
    """Delivery status notifications asked for (RFC 3461)."""

    notify: tuple[DsnNotify, ...] = ()
    returns: DsnReturn | None = None
    envelope_id: Annotated[str, Meta(max_length=100)] = ""


class SubmissionIn(Wire):
    """One line of a bulk call. Either `message` or `raw`."""

    message: MessageIn | None = None
    raw: RawIn | None = None
    options: OptionsIn | None = None


class SendIn(SubmissionIn, kw_only=True):
    """A message, the account that sends it, and what is said about the sending. Either `message` or `raw`."""

    account: Annotated[str, Meta(max_length=100, description="That of the operator's choice when left out.")] = ""
    dsn: DsnIn | None = None


_MESSAGE_FIELDS = frozenset(MessageIn.__struct_encode_fields__)


def to_submission(given: SubmissionIn, *, idempotency_key: str = "") -> Submission:
    options = to_options(given.options, idempotency_key)
    return Submission(to_content(given), options) if options is not None else Submission(to_content(given))


def to_content(given: SubmissionIn) -> Message | Composed:
    if given.message is not None:
        if given.raw is not None:
            raise InvalidInput("message and raw exclude each other", field="raw")
        try:
            return to_message(given.message)
        except InvalidInput as error:
            raise under(error, "message") from None
    if given.raw is None:
        raise InvalidInput("the message is missing", field="message", hint="give message, or raw for finished bytes")
    try:
        return to_composed(given.raw)
    except InvalidInput as error:
        raise under(error, "raw") from None


def to_message(given: MessageIn) -> Message:
    sender = given.from_
    name = ""
    if isinstance(sender, AddressIn):
        name = sender.name
        sender = sender.address
    return Message(
        to=as_recipients(given.to),
        cc=as_recipients(given.cc),
        bcc=as_recipients(given.bcc),
        from_=sender,
        from_name=name,
        reply_to=as_recipients(given.reply_to),
        subject=given.subject,
        text=given.text,
        html=given.html,
        plain_only=given.plain_only,
        attachments=[_attachment(item, index) for index, item in enumerate(given.attachments)],
        priority=given.priority,
        headers=list(_headers(given.headers)) if given.headers else None,
        in_reply_to=given.in_reply_to,
        references=given.references,
        message_id=given.message_id,
        date=given.date,
        unsubscribe=_unsubscribe(given.unsubscribe) if given.unsubscribe is not None else None,
        auto_submitted=given.auto_submitted,
        envelope_from=given.envelope_from,
    )


def to_composed(given: RawIn) -> Composed:
    sender = parse_address(given.from_, field="from") if given.from_ else None
    recipients = tuple(mailboxes(parse_recipients(as_recipients(given.to), field="to")))
    return prebuilt(given.content, sender=sender, recipients=recipients)


def to_options(given: OptionsIn | None, idempotency_key: str = "") -> SendOptions | None:
    """`idempotency_key` is that of the request's header."""
    if given is None:
        return SendOptions(idempotency_key=idempotency_key) if idempotency_key else None
    if idempotency_key and given.idempotency_key and given.idempotency_key != idempotency_key:
        raise InvalidInput("the header Idempotency-Key says another key", field="options.idempotency_key")
    try:
        return SendOptions(
            send_at=given.send_at,
            expires_at=given.expires_at,
            priority=given.priority,
            uncertain=given.uncertain,
            idempotency_key=given.idempotency_key or idempotency_key,
            tags=given.tags,
            unsubscribe=given.unsubscribe,
            unsubscribe_list=given.unsubscribe_list,
        )
    except InvalidInput as error:
        raise under(error, "options") from None


def to_dsn(given: DsnIn | None) -> DsnOptions | None:
    if given is None:
        return None
    try:
        return DsnOptions(notify=given.notify, returns=given.returns, envelope_id=given.envelope_id)
    except InvalidInput as error:
        raise under(error, "dsn") from None


def under(error: InvalidInput, name: str) -> InvalidInput:
    """The same error, its field with the full path. (No context manager: it would cost every message.)"""
    error.field = f"{name}.{error.field}" if error.field else name
    return error


def located(error: InvalidInput) -> None:
    """Composing a message names its field; callers see it inside of `message`."""
    if error.field.partition("[")[0].partition(".")[0] in _MESSAGE_FIELDS:
        under(error, "message")


def _attachment(given: AttachmentIn, index: int) -> Attachment:
    if (given.content is None) == (given.text is None):
        raise InvalidAttachment("exactly one of content and text makes the file", field=f"attachments[{index}]")
    data = given.content if given.content is not None else (given.text or "").encode()
    try:
        return Attachment(given.filename, data, given.content_type, given.disposition, given.content_id)
    except InvalidAttachment as error:
        error.field = f"attachments[{index}]"
        raise


def _headers(given: dict[str, str | list[str]]) -> list[tuple[str, str]]:
    return [(name, text) for name, value in given.items() for text in (value if isinstance(value, list) else (value,))]


def _unsubscribe(given: UnsubscribeIn) -> Unsubscribe:
    mailto = parse_address(given.mailto, field="unsubscribe.mailto") if given.mailto else None
    return Unsubscribe(url=given.url, mailto=mailto, one_click=given.one_click)
