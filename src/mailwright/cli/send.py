"""`mailwright send`: one message, all its fields, now."""

import os
import sys
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


def _option(name: str, text: str, panel: str, **more: str) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, rich_help_panel=panel, **more)  # type: ignore[arg-type]
    return info


def send(
    *,
    server: options.Server,
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
    notify: Annotated[list[DsnNotify], _option("--notify", "When the server should report.", _DELIVERY)] = [],  # noqa: B006
    dsn_return: Annotated[DsnReturn | None, _option("--return", "How much a report contains.", _DELIVERY)] = None,
    envelope_id: Annotated[str, _option("--envelope-id", "Comes back in the report.", _DELIVERY)] = "",
    on_partial: Annotated[
        Literal["report", "raise"], _option("--on-partial", "What a refused recipient among others is.", _DELIVERY)
    ] = "raise",
    dry_run: Annotated[bool, _option("--dry-run", "Print the message, send nothing.", _DELIVERY)] = False,
    as_json: Annotated[bool, _option("--json", "Print the result as JSON.", _DELIVERY)] = False,
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
    try:
        account = Account(
            from_ or username,
            options.outgoing(
                server=server,
                security=security,
                username=username,
                secrets=options.SecretSources(password_file, token_file, dict(os.environ)),
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
        message: Message | Composed
        if raw is not None:
            message = _finished(raw, account, envelope_from, [*to, *cc, *bcc], dsn)
        else:
            message = Message(
                to=to,
                cc=cc,
                bcc=bcc,
                from_name=from_name,
                reply_to=reply_to,
                subject=subject,
                text=_text(text, text_file, html, html_file, attach),
                html=html if html is not None else _read(html_file) if html_file is not None else None,
                plain_only=plain_only,
                attachments=[*map(attachment_from_file, attach), *map(_inline, inline)],
                priority=priority,
                headers=[_header(line) for line in header],
                in_reply_to=in_reply_to,
                references=references,
                message_id=message_id,
                date=_date(date),
                unsubscribe=_unsubscribe(unsubscribe_url, unsubscribe_mailto, one_click=one_click),
                auto_submitted=auto_submitted,
                envelope_from=envelope_from,
            )
        with Mailwright.sync() as mail:
            composed = message if isinstance(message, Composed) else mail.compose(account, message, dsn=dsn)
            if dry_run:
                _print_message(composed)
                return
            with busy(f"sending {len(composed.content)} bytes to {account.outgoing.host} …"):
                result = mail.send(account, composed, on_partial=on_partial)
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    _print_result(result, as_json=as_json)


def _finished(
    path: Path, account: Account, envelope_from: str | None, recipients: list[str], dsn: DsnOptions | None
) -> Composed:
    sender: Address | None = account.address
    if envelope_from is not None:
        sender = parse_address(envelope_from, field="envelope_from") if envelope_from else None
    unique = {address.key: address for address in mailboxes(parse_recipients(recipients, field="to"))}
    return prebuilt(_read_bytes(path), sender=sender, recipients=tuple(unique.values()), dsn=dsn)


def _text(
    text: str | None, text_file: Path | None, html: str | None, html_file: Path | None, attach: list[Path]
) -> str | None:
    if text is not None and text_file is not None:
        raise InvalidInput("--text and --text-file exclude each other", field="text")
    if text_file is not None:
        return _read(text_file)
    if text is None and html is None and html_file is None and not attach and not sys.stdin.isatty():
        return _read(Path("-"))
    return text


def _read(path: Path) -> str:
    try:
        return _read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidBody(f"{str(path)!r} is not UTF-8", field="text") from None


def _read_bytes(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise InvalidBody(f"cannot read {str(path)!r}: {error.strerror}", field="text") from None


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
