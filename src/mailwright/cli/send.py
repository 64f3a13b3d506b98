"""`mailwright send`: one message, all its fields, now."""

import os
import sys
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from mailwright.cli import connection as options
from mailwright.cli.exit_codes import exit_code_of
from mailwright.cli.output import busy, console, print_error, print_json, safe
from mailwright.connector import Mailwright
from mailwright.errors import InvalidBody, InvalidHeader, InvalidInput, MailwrightError
from mailwright.files.local import attachment_from_file
from mailwright.mime.prebuilt import prebuilt
from mailwright.model.account import Account
from mailwright.model.address import Address, mailboxes
from mailwright.model.address_syntax import parse_address, parse_recipients
from mailwright.model.attachment import Attachment
from mailwright.model.delivery import Composed, DsnNotify, DsnOptions, DsnReturn, SendResult
from mailwright.model.message import AutoSubmitted, Message, Priority, Unsubscribe
from mailwright.model.security import PortPolicy

_MESSAGE = "Message"
_BODY = "Body"
_DELIVERY = "Delivery"


def _option(name: str, text: str, panel: str, **more: str | bool) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, rich_help_panel=panel, **more)  # type: ignore[arg-type]
    return info


def send(
    *,
    to: Annotated[list[str], _option("--to", "Recipients; several in one text or several times.", _MESSAGE)] = [],  # noqa: B006 - typer
    cc: Annotated[list[str], _option("--cc", "Recipients of copies.", _MESSAGE)] = [],  # noqa: B006
    bcc: Annotated[list[str], _option("--bcc", "Recipients that nobody sees.", _MESSAGE)] = [],  # noqa: B006
    from_: Annotated[
        str, _option("--from", "The sender. Left out: the user name.", _MESSAGE, envvar="MAILWRIGHT_FROM")
    ] = "",
    from_name: Annotated[str, _option("--from-name", "The name shown beside the sender.", _MESSAGE)] = "",
    reply_to: Annotated[list[str], _option("--reply-to", "Where answers go.", _MESSAGE)] = [],  # noqa: B006
    subject: Annotated[str, _option("--subject", "The subject.", _MESSAGE)] = "",
    text: Annotated[str | None, _option("--text", "The plain text. Without any body: standard input.", _BODY)] = None,
    text_file: Annotated[
        Path | None, _option("--text-file", "A file with the text; - is standard input.", _BODY)
    ] = None,
    html: Annotated[str | None, _option("--html", "The HTML.", _BODY)] = None,
    html_file: Annotated[
        Path | None, _option("--html-file", "A file with the HTML; - is standard input.", _BODY)
    ] = None,
    plain_only: Annotated[bool, _option("--plain-only", "Send the text alone, without the HTML.", _BODY)] = False,
    attach: Annotated[list[Path], _option("--attach", "A file to attach.", _BODY)] = [],  # noqa: B006
    inline: Annotated[
        list[str], _option("--inline", "A file that the HTML shows as cid:CID.", _BODY, metavar="CID=FILE")
    ] = [],  # noqa: B006
    raw: Annotated[Path | None, _option("--raw", "A finished message instead; - is standard input.", _BODY)] = None,
    priority: Annotated[Priority, _option("--priority", "How urgent it is.", _MESSAGE)] = Priority.NORMAL,
    header: Annotated[list[str], _option("--header", "A further header.", _MESSAGE, metavar="'NAME: VALUE'")] = [],  # noqa: B006
    in_reply_to: Annotated[str, _option("--in-reply-to", "The message this answers.", _MESSAGE)] = "",
    references: Annotated[str, _option("--references", "The messages before it in the thread.", _MESSAGE)] = "",
    message_id: Annotated[str, _option("--message-id", "Left out: a new one.", _MESSAGE)] = "",
    date: Annotated[str, _option("--date", "With time zone, as 2026-01-31T09:00:00+01:00.", _MESSAGE)] = "",
    unsubscribe_url: Annotated[str, _option("--unsubscribe-url", "Where to leave the list.", _MESSAGE)] = "",
    unsubscribe_mailto: Annotated[str, _option("--unsubscribe-mailto", "Whom to write to leave it.", _MESSAGE)] = "",
    one_click: Annotated[bool, _option("--one-click", "The URL acts on one click (RFC 8058).", _MESSAGE)] = False,
    auto_submitted: Annotated[
        AutoSubmitted | None, _option("--auto-submitted", "Tells vacation programs not to answer.", _MESSAGE)
    ] = None,
    envelope_from: Annotated[
        str | None, _option("--envelope-from", "Where bounces go; '' for nowhere.", _DELIVERY)
    ] = None,
    notify: Annotated[
        list[DsnNotify], _option("--notify", "When the server should report.", _DELIVERY, case_sensitive=False)
    ] = [],  # noqa: B006
    dsn_return: Annotated[
        DsnReturn | None, _option("--return", "How much a report contains.", _DELIVERY, case_sensitive=False)
    ] = None,
    envelope_id: Annotated[str, _option("--envelope-id", "Comes back in the report.", _DELIVERY)] = "",
    on_partial: Annotated[
        Literal["report", "raise"], _option("--on-partial", "What a refused recipient among others is.", _DELIVERY)
    ] = "raise",
    dry_run: Annotated[bool, _option("--dry-run", "Print the message, send nothing.", _DELIVERY)] = False,
    as_json: Annotated[bool, _option("--json", "Print the result as JSON.", _DELIVERY)] = False,
    server: options.Server = "",
    security: options.SecurityOption = None,
    username: options.Username = "",
    password_file: options.PasswordFile = None,
    token_file: options.TokenFile = None,
    mechanism: options.MechanismOption = "",
    ca_file: options.CaFile = None,
    pin: options.Pin = "",
    verify_trust: options.VerifyTrust = True,
    verify_hostname: options.VerifyHostname = True,
    allow_clear_text_password: options.ClearText = False,
    port_25: options.Port25 = PortPolicy.LOCAL,
    proxy: options.ProxyOption = "",
    source_address: options.SourceAddress = "",
    ehlo_name: options.EhloName = "",
    timeout_ms: options.TimeoutMs = None,
    chunking: options.Chunking = False,
) -> None:
    """Send one message now and print what the server said."""
    # A dry run signs in nowhere: a password that lies around in the environment needs no user name there.
    environment = {} if dry_run and not username else dict(os.environ)
    try:
        account = Account(
            _sender(from_, username),
            options.outgoing(
                server=server or ("localhost" if dry_run else ""),  # a dry run talks to nobody
                security=security,
                username=username,
                secrets=options.SecretSources(password_file, token_file, environment),
                mechanism=mechanism,
                ca_file=ca_file,
                pin=pin,
                verify_trust=verify_trust,
                verify_hostname=verify_hostname,
                allow_clear_text_password=allow_clear_text_password,
                port_25=port_25,
                proxy=proxy,
                source_address=source_address,
                ehlo_name=ehlo_name,
                timeout_ms=timeout_ms,
                chunking=chunking,
            ),
        )
        dsn = DsnOptions(tuple(notify), dsn_return, envelope_id) if notify or dsn_return or envelope_id else None
        written = _Written(
            to=to,
            cc=cc,
            bcc=bcc,
            from_name=from_name,
            reply_to=reply_to,
            subject=subject,
            text=text,
            text_file=text_file,
            html=html,
            html_file=html_file,
            plain_only=plain_only,
            attach=attach,
            inline=inline,
            priority=priority,
            header=header,
            in_reply_to=in_reply_to,
            references=references,
            message_id=message_id,
            date=date,
            unsubscribe_url=unsubscribe_url,
            unsubscribe_mailto=unsubscribe_mailto,
            one_click=one_click,
            auto_submitted=auto_submitted,
            envelope_from=envelope_from,
        )
        message = written.message() if raw is None else written.around(raw, account, dsn)
        result = _deliver(account, message, dsn, on_partial, dry_run=dry_run)
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    if result is not None:
        _print_result(result, as_json=as_json)


def _sender(from_: str, username: str) -> Address:
    if not from_ and "@" not in username:
        raise InvalidInput("the sender is missing", field="from", hint="give --from, or a user name that is an address")
    return parse_address(from_ or username, field="from")


def _deliver(
    account: Account,
    message: Message | Composed,
    dsn: DsnOptions | None,
    on_partial: Literal["report", "raise"],
    *,
    dry_run: bool,
) -> SendResult | None:
    with Mailwright.sync() as mail:
        composed = message if isinstance(message, Composed) else mail.compose(account, message, dsn=dsn)
        if dry_run:
            _print_message(composed)
            return None
        with busy(f"sending {len(composed.content)} bytes to {account.outgoing.host} …"):
            return mail.send(account, composed, on_partial=on_partial)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
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

    def around(self, raw: Path, account: Account, dsn: DsnOptions | None) -> Composed:
        """The envelope around a finished message, which nothing else here may change."""
        for part in fields(self):
            value = getattr(self, part.name)
            if part.name not in _ENVELOPE and value not in (None, "", [], False, Priority.NORMAL):
                option = part.name.replace("_", "-")
                raise InvalidInput(f"--{option} cannot change a finished message", field="raw")
        sender: Address | None = account.address
        if self.envelope_from is not None:
            sender = parse_address(self.envelope_from, field="envelope_from") if self.envelope_from else None
        recipients = parse_recipients([*self.to, *self.cc, *self.bcc], field="to")
        unique = {address.spec: address for address in mailboxes(recipients)}
        return prebuilt(_read_bytes(raw, "raw"), sender=sender, recipients=tuple(unique.values()), dsn=dsn)


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


def _print_message(composed: Composed) -> None:
    sys.stdout.buffer.write(composed.content)
    sys.stdout.flush()


def _print_result(result: SendResult, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, **result.to_json()})
        return
    console.print(f"[bold green]{result.state}[/bold green] {safe(result.message_id)} ({result.size} bytes)")
    for address in result.accepted:
        console.print(f"  accepted  {safe(address)}")
    for address, reply in result.rejected.items():
        console.print(f"  [red]refused[/red]   {safe(address)}: {safe(str(reply))}")
    console.print(f"  the server said: {safe(result.response)}")
