"""How `mailwright dev` shows a mail. Everything that came with a mail is made safe for the terminal."""

import json
import sys
from enum import StrEnum

from mailwright.cli.output import console, safe
from mailwright.devserver import Caught
from mailwright.devserver.reading import Part, Readable, read
from mailwright.reply import printable

_SHOWN_HEADERS = ("From", "Reply-To", "To", "Cc", "Subject", "Date")


class Show(StrEnum):
    SUMMARY = "summary"
    TEXT = "text"
    RAW = "raw"
    NONE = "none"


def show(mail: Caught, how: Show) -> None:
    match how:
        case Show.SUMMARY:
            print_summary(mail)
        case Show.TEXT:
            print_summary(mail)
            print_text(mail)
        case Show.RAW:
            print_summary(mail)
            print_raw(mail)
        case Show.NONE:
            pass


def print_summary(mail: Caught) -> None:
    marks = [f"[green]{safe(mark)}[/green]" for mark in (mail.tls, mail.user and f"as {mail.user}") if mark]
    marks += [f"[yellow]{defect}[/yellow]" for defect in mail.defects]
    sender = mail.envelope.sender.address or "<>"
    subject = read(mail.raw).header("Subject")
    console.print(
        f"[bold]{mail.number:>4}[/bold]  {mail.received.astimezone():%H:%M:%S}  "
        f"{_line(sender)} [dim]→[/dim] {_line(_recipients(mail))}  [bold]{_line(subject) or '(no subject)'}[/bold]  "
        f"[dim]{_size(len(mail.raw))}[/dim]  {'  '.join(marks)}".rstrip(),
        emoji=False,
    )


def print_text(mail: Caught) -> None:
    readable = read(mail.raw)
    for name in _SHOWN_HEADERS:
        value = readable.header(name)
        if value:
            console.print(f"  [dim]{name}:[/dim] {_line(value)}", emoji=False)
    for part in readable.parts:
        console.print(f"  [dim]Attached:[/dim] {_line(_part(part))}", emoji=False)
    if mail.defects:
        console.print(f"  [dim]Defects:[/dim] [yellow]{', '.join(mail.defects)}[/yellow]")
    _print_block(readable.text or _without_text(readable, mail.number))


def print_html(mail: Caught) -> None:
    _print_block(read(mail.raw).html or "(the mail has no HTML)")


def print_raw(mail: Caught) -> None:
    _print_block(mail.raw.decode(errors="replace").replace("\r\n", "\n"))


def print_json(value: dict[str, object]) -> None:
    # ASCII only: whatever a mail contains, a terminal that shows this line comes to no harm.
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def to_json(mail: Caught) -> dict[str, object]:
    readable = read(mail.raw)
    sender = mail.envelope.sender
    return {
        "event": "mail",
        "number": mail.number,
        "received": mail.received.isoformat(),
        "connection": mail.connection,
        "peer": mail.peer,
        "hello": mail.hello,
        "tls": mail.tls,
        "user": mail.user,
        "mechanism": mail.mechanism.value if mail.mechanism else "",
        "envelope": {
            "from": sender.address,
            "size": sender.size,
            "body": sender.body,
            "smtputf8": sender.smtputf8,
            "ret": sender.returns.value if sender.returns else "",
            "envid": sender.envelope_id,
            "to": [
                {"address": to.address, "notify": [*map(str, to.notify)], "orcpt": to.original}
                for to in mail.envelope.recipients
            ],
        },
        "subject": readable.header("Subject"),
        "headers": [[name, value] for name, value in readable.headers],
        "text": readable.text,
        "html": readable.html,
        "parts": [{"name": part.name, "type": part.content_type, "size": part.size} for part in readable.parts],
        "size": len(mail.raw),
        "chunks": mail.chunks,
        "defects": [*map(str, mail.defects)],
    }


def _recipients(mail: Caught) -> str:
    first, *others = mail.envelope.addresses
    return f"{first} (+{len(others)})" if others else first


def _line(text: str) -> str:
    return safe(text.replace("\n", " ").replace("\t", " "))


def _print_block(text: str) -> None:
    # `out` knows no markup, no emoji codes and no wrapping: the text stands there as it is.
    console.out("\n" + printable(text).rstrip("\n") + "\n", highlight=False)


def _without_text(readable: Readable, number: int) -> str:
    return f"(no text; `{number} html` shows the HTML)" if readable.html else "(the mail is empty)"


def _part(part: Part) -> str:
    return f"{part.name or '(no name)'}, {part.content_type}, {_size(part.size)}"


def _size(octets: int) -> str:
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.1f} kB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"
