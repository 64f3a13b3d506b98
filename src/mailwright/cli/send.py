"""`mailwright send`: one message, all its fields, now."""

import inspect
import os
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mailwright.cli import connection as options
from mailwright.cli.exit_codes import exit_code_of
from mailwright.cli.office_command import set_parameters
from mailwright.cli.output import busy, console, print_error, print_json, safe
from mailwright.cli.send_queue import queue_parameters, queued_of, send_queued
from mailwright.cli.written import Written
from mailwright.connector import Mailwright
from mailwright.errors import InvalidInput, MailwrightError
from mailwright.model.account import Account
from mailwright.model.address import Address
from mailwright.model.address_syntax import parse_address
from mailwright.model.delivery import Composed, DsnNotify, DsnOptions, DsnReturn, SendResult
from mailwright.model.message import AutoSubmitted, Message, Priority
from mailwright.model.security import PortPolicy

_MESSAGE = "Message"
_BODY = "Body"
_DELIVERY = "Delivery"


def _option(name: str, text: str, panel: str, **more: str | bool) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, rich_help_panel=panel, **more)  # type: ignore[arg-type]
    return info


def _send_now(
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
        written, dsn = _written(locals())
        message = written.message() if raw is None else written.around(raw, account.address, dsn)
        result = _deliver(account, message, dsn, on_partial, dry_run=dry_run)
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    if result is not None:
        _print_result(result, as_json=as_json)


def send(**given: Any) -> None:
    """Send one message now and print what the server said; or with --queue, put it into the outbox."""
    try:
        queued, where, output = queued_of(given, _OF_SEND)
    except MailwrightError as error:
        print_error(error, as_json=given["as_json"])
        raise typer.Exit(exit_code_of(error)) from None
    if queued is None:
        _send_now(**given)
    else:
        send_queued(queued, where, output, given=given, make=_written)


_OF_SEND = inspect.signature(_send_now).parameters
set_parameters(send, [*_OF_SEND.values(), *queue_parameters(_OF_SEND)])


def _written(given: Mapping[str, Any]) -> tuple[Written, DsnOptions | None]:
    notify, returns, envelope_id = given["notify"], given["dsn_return"], given["envelope_id"]
    dsn = DsnOptions(tuple(notify), returns, envelope_id) if notify or returns or envelope_id else None
    return Written(**{part.name: given[part.name] for part in fields(Written)}), dsn


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
