"""The command line: arguments in, text out. What is done is done by the library."""

import sys

import typer

from mailwright.cli.check import check
from mailwright.cli.dev import dev
from mailwright.cli.send import send

app = typer.Typer(
    name="mailwright",
    help="Send mail, check servers, and catch mail while you develop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(send)
app.command()(check)
app.command()(dev)


def main() -> None:
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
