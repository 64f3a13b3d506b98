"""`mailwright dev`: a mail server for development. It catches every mail, and fails on request."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from mailwright.cli.dev_desk import Desk, Wishes
from mailwright.cli.dev_view import Show
from mailwright.cli.exit_codes import exit_code_of
from mailwright.cli.output import print_error
from mailwright.devserver import (
    CertificateKind,
    DevServerOptions,
    Lie,
    parse_extension,
    parse_failure,
    read_users,
)
from mailwright.errors import MailwrightError
from mailwright.model.account import Mechanism
from mailwright.protocol.smtp.server_types import Extension, ServerPolicy

_SERVER = "Server"
_REHEARSAL = "What goes wrong"
_OUTPUT = "What is shown"


def dev(
    *,
    host: Annotated[str, typer.Option("--host", help="Listen on this address.", rich_help_panel=_SERVER)] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes any free one.", rich_help_panel=_SERVER)] = 1025,
    tls_port: Annotated[
        int | None,
        typer.Option("--tls-port", help="A second port, with TLS from the first byte.", rich_help_panel=_SERVER),
    ] = None,
    users: Annotated[
        list[str],
        typer.Option(
            "--users",
            metavar="NAME:PASSWORD",
            help="Only these may sign in. Left out: everybody. Can be repeated.",
            rich_help_panel=_SERVER,
        ),
    ] = [],  # noqa: B006  # typer reads the default, nobody changes it
    tokens: Annotated[
        list[str],
        typer.Option(
            "--tokens",
            metavar="NAME:TOKEN",
            help="Access tokens for XOAUTH2 and OAUTHBEARER. Can be repeated.",
            rich_help_panel=_SERVER,
        ),
    ] = [],  # noqa: B006
    mechanism: Annotated[
        list[Mechanism],
        typer.Option("--mechanism", help="Offer only these ways to sign in.", rich_help_panel=_SERVER),
    ] = [],  # noqa: B006
    require_sign_in: Annotated[
        bool, typer.Option("--require-sign-in", help="No mail without sign-in.", rich_help_panel=_SERVER)
    ] = False,
    require_tls: Annotated[
        bool, typer.Option("--require-tls", help="No mail without STARTTLS.", rich_help_panel=_SERVER)
    ] = False,
    auth_needs_tls: Annotated[
        bool, typer.Option("--auth-needs-tls", help="Sign-in only over TLS.", rich_help_panel=_SERVER)
    ] = False,
    max_size: Annotated[
        int, typer.Option("--max-size", help="Octets of the biggest message taken.", rich_help_panel=_SERVER)
    ] = 64 * 1024 * 1024,
    max_messages: Annotated[
        int,
        typer.Option("--max-messages", help="Messages on one connection, then 421. 0: any.", rich_help_panel=_SERVER),
    ] = 0,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file", help="Write the certificate authority here, for clients to trust.", rich_help_panel=_SERVER
        ),
    ] = None,
    fail: Annotated[
        list[str],
        typer.Option(
            "--fail",
            metavar="PHASE=ACTION",
            help="Such as rcpt=450, mail:2=451, final_dot=silence, data=slow:5. Can be repeated.",
            rich_help_panel=_REHEARSAL,
        ),
    ] = [],  # noqa: B006
    without: Annotated[
        list[str],
        typer.Option(
            "--without",
            metavar="EXTENSION",
            help="Do not offer STARTTLS, PIPELINING, … Can be repeated.",
            rich_help_panel=_REHEARSAL,
        ),
    ] = [],  # noqa: B006
    lie: Annotated[list[Lie], typer.Option("--lie", help="Be a dishonest server.", rich_help_panel=_REHEARSAL)] = [],  # noqa: B006
    certificate: Annotated[
        CertificateKind,
        typer.Option("--certificate", help="What is wrong with the certificate.", rich_help_panel=_REHEARSAL),
    ] = CertificateKind.VALID,
    accept_bare_newlines: Annotated[
        bool,
        typer.Option("--accept-bare-newlines", help="Keep messages with a lone CR or LF.", rich_help_panel=_REHEARSAL),
    ] = False,
    show: Annotated[
        Show, typer.Option("--show", help="What is printed of each mail.", rich_help_panel=_OUTPUT)
    ] = Show.SUMMARY,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, for scripts.", rich_help_panel=_OUTPUT)
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="DIR", help="Write each mail there as .eml.", rich_help_panel=_OUTPUT),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="End after so many mails.", rich_help_panel=_OUTPUT)
    ] = None,
    keep: Annotated[int, typer.Option("--keep", help="Mails kept in memory.", rich_help_panel=_OUTPUT)] = 1000,
) -> None:
    """Catch every mail that a program sends, show it, and deliver none."""
    try:
        options = DevServerOptions(
            host=host,
            port=port,
            tls_port=tls_port,
            policy=ServerPolicy(
                extensions=frozenset(Extension) - {parse_extension(name) for name in without},
                mechanisms=tuple(mechanism or Mechanism),
                users=read_users(users, tokens),
                require_sign_in=require_sign_in,
                require_tls=require_tls,
                auth_needs_tls=auth_needs_tls,
                max_size=max_size,
                max_messages=max_messages,
                refuse_bare_newlines=not accept_bare_newlines,
            ),
            certificate=certificate,
            failures=tuple(map(parse_failure, fail)),
            lies=frozenset(lie),
            keep=keep,
        )
        wishes = Wishes(show, as_json, save, count, ca_file, (*fail, *map(str, lie)))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(Desk(options, wishes).run())
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    except BrokenPipeError:
        # Whoever read the output has gone (`mailwright dev --json | head -1`): that is an end, not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
