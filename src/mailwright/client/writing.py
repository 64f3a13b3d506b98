"""What is asked for, as the HTTP API takes it. Pure."""

from collections.abc import Sequence
from typing import Any

from mailwright.connector.calls import AccountSettings, Submission
from mailwright.errors import InvalidInput
from mailwright.model.account_json import MASK, account_secrets, account_to_json
from mailwright.model.address import Address, Group, Recipient
from mailwright.model.attachment import Attachment
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.message import Message, NullSender, Unsubscribe
from mailwright.model.outbox import SendOptions
from mailwright.wire.message import (
    AttachmentIn,
    DsnIn,
    MessageIn,
    OptionsIn,
    RawIn,
    SendIn,
    SubmissionIn,
    UnsubscribeIn,
)
from mailwright.wire.recipients import AddressIn, RecipientsIn


def send_body(account: str, message: Message | Composed, options: SendOptions | None, dsn: DsnOptions | None) -> SendIn:
    wanted = dsn if dsn is not None or isinstance(message, Message) else message.dsn
    return SendIn(
        account=account,
        message=_message(message) if isinstance(message, Message) else None,
        raw=_raw(message) if isinstance(message, Composed) else None,
        options=_options(options) if options is not None else None,
        dsn=DsnIn(wanted.notify, wanted.returns, wanted.envelope_id) if wanted is not None else None,
    )


def submission_body(submission: Submission) -> SubmissionIn:
    message = submission.message
    if isinstance(message, Composed) and message.dsn is not None:
        raise InvalidInput("a message of a bulk call asks for no delivery reports", field="dsn", hint="send it alone")
    return SubmissionIn(
        message=_message(message) if isinstance(message, Message) else None,
        raw=_raw(message) if isinstance(message, Composed) else None,
        options=_options(submission.options),
    )


def settings_body(settings: AccountSettings) -> dict[str, Any]:
    """A secret that was read from a service is only its mask: left out, it stays what it is there."""
    account = account_to_json(settings.account)
    for name, secret in account_secrets(settings.account).items():
        if secret != MASK:
            *places, last = name.split(".")
            place = account
            for step in places:
                place = place[step]
            place[last] = secret
    return {
        "account": account,
        "limits": {
            "messages_per_second": settings.limits.messages_per_second,
            "concurrency": settings.limits.concurrency,
        },
        "retry": {"waits": list(settings.retry.waits)},
        "uncertain": settings.uncertain,
        "fallback": settings.fallback,
        "bounce_address": settings.bounce_address,
    }


def _message(message: Message) -> MessageIn:
    return MessageIn(
        to=_recipients(message.to),
        cc=_recipients(message.cc),
        bcc=_recipients(message.bcc),
        from_=_sender(message),
        reply_to=_recipients(message.reply_to),
        subject=message.subject,
        text=message.text,
        html=message.html,
        plain_only=message.plain_only,
        attachments=tuple(map(_attachment, message.attachments)),
        priority=message.priority,
        headers=_headers(message.headers),
        in_reply_to=message.in_reply_to,
        references=message.references,
        message_id=message.message_id,
        date=message.date,
        unsubscribe=_unsubscribe(message.unsubscribe) if message.unsubscribe is not None else None,
        auto_submitted=message.auto_submitted,
        envelope_from=_envelope_from(message.envelope_from),
    )


def _sender(message: Message) -> AddressIn | None:
    if message.from_ is not None:
        return AddressIn(written(message.from_), message.from_name or message.from_.name)
    if message.from_name:
        raise InvalidInput(
            "the name of the sender needs the address of the sender here", field="from", hint="set from_ too"
        )
    return None


def _recipients(recipients: Sequence[Recipient]) -> RecipientsIn | None:
    return [_group(one) if isinstance(one, Group) else AddressIn(written(one), one.name) for one in recipients] or None


def _group(group: Group) -> str:
    """As RFC 5322 section 3.4 writes it."""
    members = ", ".join(f"{_quoted(one.name)} <{written(one)}>" if one.name else written(one) for one in group.members)
    return f"{_quoted(group.name)}: {members};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def written(address: Address) -> str:
    """With the domain as it was typed: `spec` has it in ASCII."""
    return f"{address.spec.rpartition('@')[0]}@{address.domain}"


def _attachment(attachment: Attachment) -> AttachmentIn:
    return AttachmentIn(
        filename=attachment.filename,
        content=attachment.data,
        content_type=attachment.content_type,
        disposition=attachment.disposition,
        content_id=attachment.content_id,
    )


def _headers(headers: Sequence[tuple[str, str]]) -> dict[str, str | list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return dict(found)


def _unsubscribe(unsubscribe: Unsubscribe) -> UnsubscribeIn:
    mailto = written(unsubscribe.mailto) if unsubscribe.mailto is not None else ""
    return UnsubscribeIn(unsubscribe.url, mailto, unsubscribe.one_click)


def _envelope_from(sender: Address | NullSender | None) -> str | None:
    return written(sender) if isinstance(sender, Address) else sender


def _raw(composed: Composed) -> RawIn:
    sender, recipients = composed.envelope
    return RawIn(
        content=composed.content,
        to=[AddressIn(written(one)) for one in recipients],
        from_=written(sender) if sender is not None else "",
    )


def _options(options: SendOptions) -> OptionsIn:
    return OptionsIn(
        send_at=options.send_at,
        expires_at=options.expires_at,
        priority=options.priority,
        uncertain=options.uncertain,
        idempotency_key=options.idempotency_key,
        tags=dict(options.tags),
        unsubscribe=options.unsubscribe,
        unsubscribe_list=options.unsubscribe_list,
    )
