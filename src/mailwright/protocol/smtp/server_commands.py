"""The arguments of MAIL, RCPT and BDAT, read strictly: a development server that forgives hides mistakes.

MAIL FROM:<reverse-path> [SP parameters]     RFC 5321 section 4.1.1.2
RCPT TO:<forward-path> [SP parameters]       RFC 5321 section 4.1.1.3
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mailwright.model.address import MAX_DOMAIN_OCTETS, MAX_LOCAL_OCTETS
from mailwright.model.delivery import DsnNotify, DsnReturn
from mailwright.protocol.smtp.server_types import CloseReason, Extension, ReceivedRecipient, ReceivedSender, Refused

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"'
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9_\-\u0080-\U0010ffff]*[A-Za-z0-9\u0080-\U0010ffff])?"
_MAILBOX = re.compile(
    rf"(?P<local>{_ATEXT}+(?:\.{_ATEXT}+)*|{_QUOTED})@(?P<domain>{_LABEL}(?:\.{_LABEL})*|\[[!-Z^-~]+\])\Z"
)
# RFC 5321 section 4.1.2, A-d-l: a route in front of the mailbox "SHOULD be ignored".
_ROUTE = re.compile(r"(?:@[^,:@<>]+,?)+:")
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^"<>])*)>')
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9\-]*)(?:=([^ =\x00-\x1f\x7f]+))?\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_XCHAR = re.compile(r"\+([0-9A-F]{2})")
_BDAT = re.compile(r"([0-9]{1,20})( LAST)?\Z", re.IGNORECASE)


def read_mail(text: str, offered: Collection[Extension], max_size: int) -> ReceivedSender:
    path, parameters = _path_and_parameters(text, "FROM")
    known = {key: take for key, (extension, take) in _MAIL_PARAMETERS.items() if extension in offered}
    values = _values(parameters, known, "MAIL")
    sender = ReceivedSender(address=_mailbox(path, "smtputf8" in values, "1.7") if path else "", **values)
    if sender.size is not None and sender.size > max_size:
        raise Refused(552, "5.3.4", f"The message is bigger than the {max_size} octets taken here")
    return sender


def read_rcpt(text: str, offered: Collection[Extension], smtputf8: bool) -> ReceivedRecipient:
    path, parameters = _path_and_parameters(text, "TO")
    known = {key: take for key, (extension, take) in _RCPT_PARAMETERS.items() if extension in offered}
    values = _values(parameters, known, "RCPT")
    # RFC 5321 section 4.5.1: this one mailbox has no domain.
    address = path if path.lower() == "postmaster" else _mailbox(path, smtputf8, "1.3")
    return ReceivedRecipient(address=address, **values)


def read_bdat(text: str) -> tuple[int, bool]:
    """Octets that follow, and whether they are the last."""
    match = _BDAT.match(text)
    if match is None:
        raise Refused.closing(CloseReason.UNREADABLE_BDAT)
    return int(match[1]), match[2] is not None


def _path_and_parameters(text: str, word: str) -> tuple[str, list[str]]:
    syntax = Refused(501, "5.5.4", f"Syntax: {word}:<address> [parameters], without a space after the colon")
    if text[: len(word) + 1].upper() != f"{word}:":
        raise syntax
    match = _PATH.match(text, len(word) + 1)
    if match is None:
        raise syntax
    rest = text[match.end() :]
    if rest[:1] not in ("", " "):
        raise syntax
    return match[1], rest.split()


def _mailbox(path: str, smtputf8: bool, refused: str) -> str:
    route = _ROUTE.match(path)
    match = _MAILBOX.match(path, route.end() if route else 0)
    if match is None:
        raise Refused(501 if refused == "1.7" else 553, f"5.{refused}", "This is no mail address")
    if len(match["local"].encode()) > MAX_LOCAL_OCTETS or len(match["domain"].encode()) > MAX_DOMAIN_OCTETS:
        raise Refused(501, f"5.{refused}", "The address is too long")
    if not match[0].isascii() and not smtputf8:
        raise Refused(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8")
    return match[0]


def _values(parameters: list[str], known: Mapping[str, "_Take"], verb: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    seen = set()
    for parameter in parameters:
        match = _PARAMETER.match(parameter)
        if match is None:
            raise Refused(501, "5.5.4", f"A parameter of {verb} cannot be read")
        key = match[1].upper()
        if key not in known:
            raise Refused(555, "5.5.4", f"{verb} parameter {key} is not offered here")
        if key in seen:
            raise Refused(501, "5.5.4", f"{verb} parameter {key} is given twice")
        seen.add(key)
        values.update(known[key](match[2]))
    return values


def _size(value: str | None) -> dict[str, object]:
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 20:
        raise Refused(501, "5.5.4", "Syntax: SIZE=octets")
    return {"size": int(value)}


def _body(value: str | None) -> dict[str, object]:
    kind = (value or "").upper()
    if kind not in ("7BIT", "8BITMIME"):
        raise Refused(501, "5.5.4", "BODY is 7BIT or 8BITMIME")
    return {"body": kind}


def _smtputf8(value: str | None) -> dict[str, object]:
    if value is not None:
        raise Refused(501, "5.5.4", "SMTPUTF8 takes no value")
    return {"smtputf8": True}


def _returns(value: str | None) -> dict[str, object]:
    kind = (value or "").upper()
    if kind not in set(DsnReturn):
        raise Refused(501, "5.5.4", "RET is FULL or HDRS")
    return {"returns": DsnReturn(kind)}


def _envelope_id(value: str | None) -> dict[str, object]:
    # RFC 3461 section 4.4: at most 100 characters, counted as sent.
    if not value or len(value) > 100:
        raise Refused(501, "5.5.4", "ENVID has 1 to 100 characters")
    return {"envelope_id": _from_xtext(value)}


def _auth(value: str | None) -> dict[str, object]:
    if not value:
        raise Refused(501, "5.5.4", "Syntax: AUTH=<> or AUTH=address")
    return {"auth": value if value == "<>" else _from_xtext(value)}


def _notify(value: str | None) -> dict[str, object]:
    words = (value or "").upper().split(",")
    if not set(words) <= set(DsnNotify) or len(set(words)) != len(words):
        raise Refused(501, "5.5.4", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
    if "NEVER" in words and len(words) > 1:
        raise Refused(501, "5.5.4", "NOTIFY=NEVER stands alone")
    return {"notify": tuple(DsnNotify(word) for word in words)}


def _original(value: str | None) -> dict[str, object]:
    kind, _, address = (value or "").partition(";")
    # RFC 3461 section 4.2: at most 500 characters, counted as sent.
    if not kind or not address or len(value or "") > 500:
        raise Refused(501, "5.5.4", "Syntax: ORCPT=type;address")
    return {"original": f"{kind};{_from_xtext(address)}"}


def _from_xtext(value: str) -> str:
    if not _XTEXT.match(value):
        raise Refused(501, "5.5.4", "This is no xtext (RFC 3461 section 4)")
    return _XCHAR.sub(lambda match: chr(int(match[1], 16)), value)


_Take = Callable[[str | None], dict[str, object]]
_MAIL_PARAMETERS: Mapping[str, tuple[Extension, _Take]] = {
    "SIZE": (Extension.SIZE, _size),
    "BODY": (Extension.EIGHT_BIT_MIME, _body),
    "SMTPUTF8": (Extension.SMTPUTF8, _smtputf8),
    "RET": (Extension.DSN, _returns),
    "ENVID": (Extension.DSN, _envelope_id),
    "AUTH": (Extension.AUTH, _auth),
}
_RCPT_PARAMETERS: Mapping[str, tuple[Extension, _Take]] = {
    "NOTIFY": (Extension.DSN, _notify),
    "ORCPT": (Extension.DSN, _original),
}
