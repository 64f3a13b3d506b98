"""Headers that the caller adds. Those with a field of their own, and those that are not the author's, are refused."""

import re
from collections.abc import Iterable
from functools import lru_cache

from mailwright.errors import InvalidHeader
from mailwright.mime.fields import text_field
from mailwright.model.message import Message, Priority

# RFC 5322 section 3.6.8 ftext. The length leaves room for a value beside the name.
_NAME = re.compile(r"[!-9;-~]{1,76}\Z")

_USE_FIELD = "use the field `{}` of the message"
_OWN_FIELD = {
    "from": _USE_FIELD.format("from_"),
    "to": _USE_FIELD.format("to"),
    "cc": _USE_FIELD.format("cc"),
    "bcc": _USE_FIELD.format("bcc"),
    "reply-to": _USE_FIELD.format("reply_to"),
    "subject": _USE_FIELD.format("subject"),
    "date": _USE_FIELD.format("date"),
    "message-id": _USE_FIELD.format("message_id"),
    "in-reply-to": _USE_FIELD.format("in_reply_to"),
    "references": _USE_FIELD.format("references"),
    "auto-submitted": _USE_FIELD.format("auto_submitted"),
    "list-unsubscribe": _USE_FIELD.format("unsubscribe"),
    "list-unsubscribe-post": _USE_FIELD.format("unsubscribe"),
    "return-path": _USE_FIELD.format("envelope_from"),
    "sender": "the sender of the envelope is the field `envelope_from`",
    "received": "servers write it on the way",
    "mime-version": "it is written by itself",
    "dkim-signature": "a signature covers finished bytes: give the signed message as bytes",
}
_OWN_PREFIX = {
    "content-": "parts are described by `text`, `html` and `attachments`",
    # Resent-Bcc would tell everybody who is blind-copied (RFC 5322 section 3.6.6).
    "resent-": "to resend a message, give its bytes",
}
# Each program reads another one of the three; with a priority set, one of them alone would contradict it.
_PRIORITY = frozenset({"x-priority", "x-msmail-priority", "importance"})


def custom_fields(message: Message) -> Iterable[str]:
    for name, value in message.headers:
        refusal = _refusal(name, priority_is_set=message.priority is not Priority.NORMAL)
        if refusal is not None:
            raise InvalidHeader(refusal.message, field=refusal.field, hint=refusal.hint)
        yield text_field(name, value, f"headers.{name}")


@lru_cache(maxsize=512)
def _refusal(name: str, *, priority_is_set: bool) -> InvalidHeader | None:
    """Why a header of this name is refused; a cached answer, because bulk mail repeats its headers."""
    if not _NAME.match(name):
        hint = "1 to 76 printable ASCII characters, no colon"
        return InvalidHeader(f"{name!r} is not the name of a header", field="headers", hint=hint)
    lower = name.lower()
    hint = _OWN_FIELD.get(lower, "")
    for prefix, why in _OWN_PREFIX.items():
        if lower.startswith(prefix):
            hint = why
    if lower in _PRIORITY and priority_is_set:
        hint = _USE_FIELD.format("priority")
    return InvalidHeader(f"{name} cannot be given as a header", field=f"headers.{name}", hint=hint) if hint else None
