"""A message as it is written on the command line."""

import sys
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from mailwright.errors import InvalidBody, InvalidHeader, InvalidInput
from mailwright.files.local import attachment_from_file
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.address import Address, mailboxes
from mailwright.model.address_syntax import parse_address, parse_recipients
from mailwright.model.attachment import Attachment
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.message import AutoSubmitted, Message, Priority, Unsubscribe


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The message as it was written on the command line."""

    to: list[str]
    cc: list[str]
    bcc: list[str]
    from_name: str
    reply_to: list[str]
    subject: str
    text: str | None
    text_file: Path | None
    html: str | None
    html_file: Path | None
    plain_only: bool
    attach: list[Path]
    inline: list[str]
    priority: Priority
    header: list[str]
    in_reply_to: str
    references: str
    message_id: str
    date: str
    unsubscribe_url: str
    unsubscribe_mailto: str
    one_click: bool
    auto_submitted: AutoSubmitted | None
    envelope_from: str | None

    def message(self) -> Message:
        has_body = self.html is not None or self.html_file is not None or bool(self.attach)
        return Message(
            to=self.to,
            cc=self.cc,
            bcc=self.bcc,
            from_name=self.from_name,
            reply_to=self.reply_to,
            subject=self.subject,
            text=_body("text", self.text, self.text_file, or_stdin=not has_body),
            html=_body("html", self.html, self.html_file),
            plain_only=self.plain_only,
            attachments=[*map(attachment_from_file, self.attach), *map(_inline, self.inline)],
            priority=self.priority,
            headers=[_header(line) for line in self.header],
            in_reply_to=self.in_reply_to,
            references=self.references,
            message_id=self.message_id,
            date=_date(self.date),
            unsubscribe=_unsubscribe(self.unsubscribe_url, self.unsubscribe_mailto, one_click=self.one_click),
            auto_submitted=self.auto_submitted,
            envelope_from=self.envelope_from,
        )

    def around(self, raw: Path, sender: Address, dsn: DsnOptions | None) -> Composed:
        """The envelope around a finished message, which nothing else here may change."""
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name not in _ENVELOPE and value not in (None, "", [], False, Priority.NORMAL):
                option = part.name.replace("_", "-")
                raise InvalidInput(f"--{option} cannot change a finished message", field="raw")
        bounces: Address | None = sender
        if self.envelope_from is not None:
            bounces = parse_address(self.envelope_from, field="envelope_from") if self.envelope_from else None
        recipients = parse_recipients([*self.to, *self.cc, *self.bcc], field="to")
        unique = {address.spec: address for address in mailboxes(recipients)}
        return prebuilt(_read_bytes(raw, "raw"), sender=bounces, recipients=tuple(unique.values()), dsn=dsn)


#: what stands outside the message
_ENVELOPE = frozenset({"to", "cc", "bcc", "envelope_from"})


def _body(field: str, given: str | None, path: Path | None, *, or_stdin: bool = False) -> str | None:
    if given is not None and path is not None:
        raise InvalidInput(f"--{field} and --{field}-file exclude each other", field=field)
    if given is None and path is None and or_stdin and not sys.stdin.isatty():
        path = Path("-")
    if path is None:
        return given
    try:
        return _read_bytes(path, field).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidBody(f"{str(path)!r} is not UTF-8", field=field) from None


def _read_bytes(path: Path, field: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidBody(f"cannot read {str(path)!r}: {error.strerror}", field=field) from None


def _inline(option: str) -> Attachment:
    content_id, equals, path = option.partition("=")
    if not equals or not content_id:
        raise InvalidInput("expected CID=FILE", field="inline", hint="--inline logo=logo.png for cid:logo")
    return attachment_from_file(path, content_id=content_id)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise InvalidHeader("a header is written NAME: VALUE", field="header")
    return name, value.strip()


def _date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no date", field="date", hint="as 2026-01-31T09:00:00+01:00") from None


def _unsubscribe(url: str, mailto: str, *, one_click: bool) -> Unsubscribe | None:
    if not (url or mailto or one_click):
        return None
    return Unsubscribe(url, parse_address(mailto, field="unsubscribe.mailto") if mailto else None, one_click)
