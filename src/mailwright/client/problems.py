"""An error that came as JSON, as the exception that it was. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mailwright.errors import (
    AccessDenied,
    EgressError,
    EgressFailed,
    EgressReason,
    EgressRefused,
    EgressRule,
    InvalidAddress,
    InvalidInput,
    LimitExceeded,
    MailwrightError,
    NotFound,
    PartlySent,
    SendError,
    Unauthenticated,
    Uncertain,
)
from mailwright.model.outbox_json import reply_from_json
from mailwright.reply import Phase


def _family(kind: type[MailwrightError]) -> Iterator[type[MailwrightError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)


#: every error of ours by its code
KINDS: Mapping[str, type[MailwrightError]] = {kind.code: kind for kind in _family(MailwrightError)}

#: what an answer says that has no code of ours: by its status
_BY_STATUS: Mapping[int, type[MailwrightError]] = {
    401: Unauthenticated,
    403: AccessDenied,
    404: NotFound,
    429: LimitExceeded,
}


def error_of_answer(status: int, content: bytes, *, server: str, retry_after: str = "") -> MailwrightError:
    """What an answer of 400 or more means. Something between us and the service may have given it."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if isinstance(value, dict) and isinstance(value.get("code"), str):
        send = value.get("send")
        error = error_from_json({**value, **send} if isinstance(send, dict) else value)
        error = error or _of_status(status, _text(value, "message"), _text(value, "field"), _text(value, "hint"))
    elif status in _BY_STATUS:
        error = _of_status(status, f"{server} answered {status}", "", "")
    else:
        error = EgressFailed(
            f"{server} answered {status}, and not as Mailwright does",
            reason=EgressReason.PROTOCOL,
            server=server,
            status=status,
            hint="is this the address of a Mailwright, and is it up?",
        )
    if isinstance(error, LimitExceeded) and retry_after.isdecimal():
        error.retry_after = float(retry_after)
    return error


def error_from_json(value: Mapping[str, Any]) -> MailwrightError | None:
    """What `to_json` took apart; None for a code that this version does not know."""
    kind = KINDS.get(_text(value, "code"))
    if kind is None:
        return None
    message, field, hint = _text(value, "message"), _text(value, "field"), _text(value, "hint")
    if issubclass(kind, SendError):
        return _send_error(kind, value, message=message, field=field, hint=hint)
    if issubclass(kind, EgressError):
        return _egress_error(kind, value, message=message, field=field, hint=hint)
    if issubclass(kind, InvalidAddress):
        item = value.get("item")
        return kind(message, field=field, hint=hint, position=value.get("position") or 0, item=item)
    return kind(message, field=field, hint=hint)


def _send_error(kind: type[SendError], value: Mapping[str, Any], *, message: str, field: str, hint: str) -> SendError:
    reply = value.get("reply")
    error = kind(
        message,
        phase=Phase(value.get("phase") or Phase.QUEUE),
        reply=reply_from_json(reply) if reply else None,
        recipients={address: reply_from_json(said) for address, said in (value.get("recipients") or {}).items()},
        server=_text(value, "server"),
        field=field,
        hint=hint,
    )
    if isinstance(error, PartlySent | Uncertain):
        error.message_id = _text(value, "message_id")
    if isinstance(error, PartlySent):
        error.accepted = tuple(value.get("accepted") or ())
    return error


def _egress_error(
    kind: type[EgressError], value: Mapping[str, Any], *, message: str, field: str, hint: str
) -> EgressError:
    server, status = _text(value, "server"), value.get("status") or 0
    error: EgressError
    if issubclass(kind, EgressRefused) and "rule" in value:
        error = kind(message, rule=EgressRule(value["rule"]), server=server, hint=hint)
    elif issubclass(kind, EgressFailed) and "reason" in value:
        error = kind(message, reason=EgressReason(value["reason"]), server=server, status=status, hint=hint)
    else:
        # Which rule or reason it was is not said: then the class that does not say it either.
        error = EgressError(message, server=server, status=status, hint=hint)
    error.field = field
    return error


def _of_status(status: int, message: str, field: str, hint: str) -> MailwrightError:
    kind = _BY_STATUS.get(status, InvalidInput if status < 500 else MailwrightError)
    return kind(message, field=field, hint=hint)


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
