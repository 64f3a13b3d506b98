"""`mailwright check`: does this account work, and if not, what is to be done?"""

import ipaddress
import os
from typing import Annotated

import typer

from mailwright.cli import connection as options
from mailwright.cli.exit_codes import exit_code_of
from mailwright.cli.output import busy, console, print_error, print_json, safe, with_options
from mailwright.connector import Mailwright
from mailwright.errors import MailwrightError
from mailwright.model.account import Account
from mailwright.model.check import CheckReport, StepState
from mailwright.model.security import PortPolicy

_MARKS = {
    StepState.OK: "[green]ok[/green]     ",
    StepState.WARNING: "[yellow]warning[/yellow]",
    StepState.FAILED: "[bold red]failed[/bold red] ",
    StepState.SKIPPED: "[dim]skipped[/dim]",
}


def check(
    *,
    server: options.Server,
    from_: Annotated[str, typer.Option("--from", help="The address of the account.", envvar="MAILWRIGHT_FROM")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
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
) -> None:
    """Resolve, connect, encrypt and sign in, without sending anything."""
    try:
        outgoing = options.outgoing(
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
        )
        account = Account(from_ or (username if "@" in username else _address_at(outgoing.host)), outgoing)
        with Mailwright.sync() as mail, busy(f"checking {outgoing.host} …"):
            report = mail.check(account)
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    if as_json:
        print_json(report.to_json())
    else:
        print_report(report)
    if report.error is not None:
        raise typer.Exit(exit_code_of(report.error))


def _address_at(host: str) -> str:
    """Some address for an account that sends nothing (RFC 5321 section 4.1.3 for literals)."""
    try:
        tag = "IPv6:" if ipaddress.ip_address(host).version == 6 else ""
    except ValueError:
        return f"check@{host}"
    return f"check@[{tag}{host}]"


def print_report(report: CheckReport) -> None:
    console.print(f"[bold]{safe(report.server)}[/bold]")
    for warning in report.warnings:
        console.print(f"  {_MARKS[StepState.WARNING]}  {safe(with_options(warning))}")
    for step in report.steps:
        console.print(f"  {_MARKS[step.state]}  {step.name.replace('_', ' '):<8}  {safe(step.detail)}")
        if step.hint:
            console.print(f"           [bold]what to do:[/bold] {safe(with_options(step.hint))}")
    if report.capabilities:
        console.print(f"  the server offers: {safe(', '.join(report.capabilities))}")
