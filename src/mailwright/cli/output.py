"""What people and scripts get to see. Results go to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from mailwright.errors import MailwrightError, PartlySent, SendError
from mailwright.reply import one_line

#: rich leaves colours out where the output is no terminal, and where NO_COLOR is set
console = Console(highlight=False, emoji=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)


def print_json(value: Mapping[str, object]) -> None:
    # The console would wrap and colour it; a script wants the bytes. In ASCII, so that nothing of what a server said
    # acts on a terminal or fails to be written.
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def print_error(error: MailwrightError, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": False, "error": error.to_json()})
        return
    phase = f" [dim]({error.phase})[/dim]" if isinstance(error, SendError) else ""
    where = f"{error.where}: " if error.where else ""
    errors.print(f"[bold red]{error.code}[/bold red]{phase} {safe(where + error.message)}")
    if isinstance(error, SendError):
        for line in _what_the_server_said(error):
            errors.print(f"  {safe(line)}")
    if error.hint:
        errors.print(f"  [bold]what to do:[/bold] {safe(with_options(error.hint))}")


def _what_the_server_said(error: SendError) -> Iterator[str]:
    if isinstance(error, PartlySent):
        for address in error.accepted:
            yield f"accepted  {address}"
    if error.recipients:
        for address, reply in error.recipients.items():
            yield f"refused   {address}: {reply}"
    elif error.reply is not None:
        yield f"the server said: {error.reply}"


# Hints name what a program sets; here the same is done by an option.
_OPTIONS = (
    ("set verify_trust to false", "use --no-verify-trust"),
    ("set verify_hostname to false", "use --no-verify-hostname"),
    ("set security to", "use --security"),
    ("with security implicit", "with --security implicit"),
    ("security none", "--security none"),
    ("port_25 always", "--port-25 always"),
    ("pinned_certificate", "--pin"),
    ("ca_certificates", "--ca-file"),
)


def with_options(hint: str) -> str:
    for setting, option in _OPTIONS:
        hint = hint.replace(setting, option)
    return hint


def safe(text: str) -> str:
    """Text of others: no escape sequences for the terminal, no line breaks, no markup for rich."""
    return escape(one_line(text))


@contextmanager
def busy(what: str) -> Iterator[None]:
    """A sign of life while a server takes its time; only on a terminal."""
    if errors.is_terminal:
        with errors.status(what):
            yield
    else:
        yield
