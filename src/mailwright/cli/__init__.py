"""The command line: arguments in, text out. What is done is done by the library, or by a service elsewhere."""

import sys

import typer

from mailwright.cli import accounts, audit, bulk, db, events, keys, messages, suppressions, tokens, webhooks, workspaces
from mailwright.cli.check import check
from mailwright.cli.config import config
from mailwright.cli.dev import dev
from mailwright.cli.send import send
from mailwright.cli.serve import serve

app = typer.Typer(
    name="mailwright",
    help="Send mail, run the service that sends it, check servers, and catch mail while you develop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(send)
app.command()(check)
app.command()(dev)
app.command()(serve)
app.command()(config)
app.add_typer(messages.app, name="messages")
app.add_typer(bulk.app, name="bulk")
app.add_typer(accounts.app, name="accounts")
app.add_typer(events.app, name="events")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(workspaces.app, name="workspaces")
app.add_typer(tokens.app, name="tokens")
app.add_typer(audit.app, name="audit")
app.add_typer(db.app, name="db")
app.add_typer(keys.app, name="keys")


def main() -> None:
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
