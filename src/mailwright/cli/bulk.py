"""`mailwright bulk`: many messages from a file, and how far they are."""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mailwright.cli.bulk_rows import Line, Mailing, Reader, columns_of, lines_of
from mailwright.cli.connection import read_text
from mailwright.cli.exit_codes import ExitCode
from mailwright.cli.messages import tags_of
from mailwright.cli.moments import moment_of
from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.output import errors, safe
from mailwright.cli.tables import Listing
from mailwright.cli.templates import Template
from mailwright.connector.calls import Submission
from mailwright.errors import InvalidBody, InvalidInput
from mailwright.files.local import attachment_from_file
from mailwright.model.bulk import BulkItem, BulkJob
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, SendPriority, UncertainPolicy
from mailwright.model.page import Page
from mailwright.wire.message import MessageIn, to_message
from mailwright.wire.message_view import bulk_item_view, bulk_job_view
from mailwright.wire.problem import misfit

app = typer.Typer(help="Many messages by one command.", no_args_is_help=True)

_MESSAGE = "Message: {column} stands for what a line has there"
_DELIVERY = "Delivery"
#: refused lines that are shown when there is no file for them
_SHOWN = 10

Id = Annotated[str, typer.Argument(help="The id of the bulk job.", show_default=False)]


def _mailing(
    *,
    message: Annotated[
        Path | None,
        typer.Option(
            "--message", help="JSON with subject, text, html, … as the HTTP API takes it.", rich_help_panel=_MESSAGE
        ),
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="The subject.", rich_help_panel=_MESSAGE)] = "",
    text: Annotated[str | None, typer.Option("--text", help="The plain text.", rich_help_panel=_MESSAGE)] = None,
    text_file: Annotated[
        Path | None, typer.Option("--text-file", help="A file with the text.", rich_help_panel=_MESSAGE)
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", help="The HTML. Columns are escaped in it.", rich_help_panel=_MESSAGE)
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html-file", help="A file with the HTML.", rich_help_panel=_MESSAGE)
    ] = None,
    attach: Annotated[
        list[Path], typer.Option("--attach", help="A file for everybody.", rich_help_panel=_MESSAGE)
    ] = [],  # noqa: B006 - typer
    to_column: Annotated[
        str, typer.Option("--to-column", help="Left out: to, email, address …", rich_help_panel=_MESSAGE)
    ] = "",
    name_column: Annotated[
        str, typer.Option("--name-column", help="Left out: name, if there is one.", rich_help_panel=_MESSAGE)
    ] = "",
    send_at: Annotated[
        str, typer.Option("--send-at", help="Not before: a time, or a span such as 2h.", rich_help_panel=_DELIVERY)
    ] = "",
    expires_at: Annotated[
        str, typer.Option("--expires-at", help="Not after: a time, or a span such as 2d.", rich_help_panel=_DELIVERY)
    ] = "",
    priority: Annotated[
        SendPriority, typer.Option("--queue-priority", help="Against other messages.", rich_help_panel=_DELIVERY)
    ] = SendPriority.LOW,
    uncertain: Annotated[
        UncertainPolicy | None,
        typer.Option("--uncertain", help="When the server's last answer is lost.", rich_help_panel=_DELIVERY),
    ] = None,
    tag: Annotated[
        list[str], typer.Option("--tag", metavar="NAME=VALUE", help="Your own words.", rich_help_panel=_DELIVERY)
    ] = [],  # noqa: B006
    unsubscribe: Annotated[
        bool, typer.Option("--unsubscribe", help="Add one-click unsubscribe.", rich_help_panel=_DELIVERY)
    ] = False,
    unsubscribe_list: Annotated[
        str, typer.Option("--unsubscribe-list", help="The list that is left.", rich_help_panel=_DELIVERY)
    ] = "",
    idempotency_key: Annotated[
        str,
        typer.Option(
            "--idempotency-key",
            help="With the same key, a line that was accepted is not again.",
            rich_help_panel=_DELIVERY,
        ),
    ] = "",
) -> Mailing:
    base = _message_file(message) if message is not None else Message()
    given = Template(
        subject or base.subject,
        _given("text", text, text_file) or base.text,
        _given("html", html, html_file) or base.html,
    )
    templated = given != Template() or message is not None
    if templated and given.text is None and given.html is None:
        raise InvalidBody("the message has no body", field="text", hint="give --text, --html or --message")
    now = datetime.now(UTC)
    options = SendOptions(
        send_at=moment_of(send_at, "send_at", now=now, past=False),
        expires_at=moment_of(expires_at, "expires_at", now=now, past=False),
        priority=priority,
        uncertain=uncertain,
        tags=tags_of(tag),
        unsubscribe=unsubscribe,
        unsubscribe_list=unsubscribe_list,
    )
    if attach:
        base = base.changed(attachments=[*base.attachments, *map(attachment_from_file, attach)])
    return Mailing(given if templated else None, base, options, to_column, name_column, idempotency_key)


@office_command(app, "send", _mailing)
async def send(
    desk: Desk,
    *,
    options: Mailing,
    file: Annotated[
        Path,
        typer.Argument(
            help="A .csv with a head line, or .jsonl; - is JSON lines on standard input.", show_default=False
        ),
    ],
    account: Annotated[str, typer.Option("--account", help="Who sends. Left out: default_account.")] = "",
    errors_to: Annotated[Path | None, typer.Option("--errors", help="Write refused lines here, as JSON lines.")] = None,
) -> ExitCode:
    """Put one message for each line into the outbox. A line that is wrong keeps no other back."""
    text = sys.stdin.read() if str(file) == "-" else read_text(file, "file")
    if options.template is not None:
        options.template.check(columns_of(file, text, options.to_column))
    lines = list(lines_of(file, text))
    sent: list[Line] = []
    accepted = refused = 0
    job = ""
    with _bar(len(lines), quiet=desk.output.quiet) as progress, _errors_file(errors_to) as wrong:
        task = progress.add_task("accepted", total=len(lines))
        submissions = _submissions(Reader(options), lines, sent)
        async for item in desk.office.messages.send_many(account, submissions, total=len(lines)):
            job = item.job or job
            progress.advance(task)
            if item.message:
                accepted += 1
                continue
            refused += 1
            _tell(sent[item.index], item, wrong, count=refused)
    value = {"job": job, "accepted": accepted, "refused": refused}
    desk.output.confirm(value, f"{accepted} accepted, {refused} refused{f'; job {job}' if job else ''}")
    if refused:
        return ExitCode.PARTLY_DONE if accepted else ExitCode.USAGE
    return ExitCode.OK


@office_command(app, "list")
async def list_jobs(desk: Desk, *, listing: Listing) -> None:
    """List bulk jobs."""
    await desk.output.listed(
        desk.office.messages.bulk_jobs,
        listing,
        ("id", "state", "total", "accepted", "refused", "ended", "created"),
        lambda job: (job.id, job.state, job.total, job.accepted, job.refused, job.ended, job.created_at),
        _job_json,
    )


@office_command(app, "show")
async def show(desk: Desk, *, id: Id) -> None:
    """Show how far a bulk job is."""
    job = await desk.office.messages.bulk_job(id)
    desk.output.details(
        _job_json(job),
        [
            ("id", job.id),
            ("state", job.state),
            ("created", job.created_at),
            ("total", str(job.total)),
            ("accepted", str(job.accepted)),
            ("refused", str(job.refused)),
            *[(f"ended {state}", str(count)) for state, count in job.ended.items()],
        ],
    )


@office_command(app, "errors")
async def list_errors(desk: Desk, *, id: Id, listing: Listing) -> None:
    """List the lines of a bulk job that were refused."""

    async def fetch(*, cursor: str, limit: int) -> Page[BulkItem]:
        return await desk.office.messages.bulk_errors(id, cursor=cursor, limit=limit)

    await desk.output.listed(
        fetch,
        listing,
        ("index", "error", "field", "code"),
        lambda item: (item.index, item.error, item.field, item.error_code),
        lambda item: msgspec.to_builtins(bulk_item_view(item)),
    )


async def _submissions(reader: Reader, lines: list[Line], sent: list[Line]) -> AsyncIterator[Submission | InvalidInput]:
    """`sent` gets the line of each, so that an answer finds its line."""
    for line in lines:
        found = reader.read(line)
        if found is not None:
            sent.append(line)
            yield found


def _tell(line: Line, item: BulkItem, wrong: TextIO | None, *, count: int) -> None:
    if wrong is not None:
        content = None if isinstance(line.content, InvalidInput) else line.content
        value = {
            "line": line.number,
            "code": item.error_code,
            "message": item.error,
            "field": item.field,
            "content": content,
        }
        wrong.write(json.dumps(value) + "\n")
    elif count <= _SHOWN:
        where = f"{item.field}: " if item.field else ""
        errors.print(f"line {line.number}: {safe(where + item.error)}")
    elif count == _SHOWN + 1:
        errors.print("… and more: --errors FILE takes them all")


@contextmanager
def _errors_file(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {str(path)!r}: {error.strerror}", field="errors") from None
    with file:
        yield file


def _bar(total: int, *, quiet: bool) -> Progress:
    shown = errors.is_terminal and not quiet and total > 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True, disable=not shown)


def _given(field: str, given: str | None, path: Path | None) -> str | None:
    if given is not None and path is not None:
        raise InvalidInput(f"--{field} and --{field}-file exclude each other", field=field)
    return read_text(path, f"{field}_file") if path is not None else given


def _message_file(path: Path) -> Message:
    try:
        return to_message(msgspec.json.decode(read_text(path, "message"), type=MessageIn))
    except msgspec.ValidationError as error:
        wrong = misfit(str(error))
        raise InvalidInput(wrong.message, field=f"message.{wrong.field}") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{str(path)!r} is not JSON: {error}", field="message") from None


def _job_json(job: BulkJob) -> Mapping[str, object]:
    value: dict[str, object] = msgspec.to_builtins(bulk_job_view(job))
    return value
