"""`mailwright messages`: what is in the outbox, and what is to become of it."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mailwright.cli.events import event_json, told
from mailwright.cli.exit_codes import ExitCode, exit_code_of_state
from mailwright.cli.moments import moment_of
from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.output import errors, safe
from mailwright.cli.tables import Listing, cell
from mailwright.connector.calls import MessageFilter
from mailwright.errors import InvalidInput
from mailwright.model.outbox import MessageState, StoredMessage
from mailwright.model.page import Page

app = typer.Typer(help="What is in the outbox.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The id of the message.", show_default=False)]
Ids = Annotated[
    list[str], typer.Argument(help="Ids of messages; - reads them from standard input.", show_default=False)
]
#: so many ids in one call
_AT_ONCE = 1000


@office_command(app, "list")
async def list_messages(
    desk: Desk,
    *,
    listing: Listing,
    state: Annotated[list[MessageState], typer.Option("--state", help="In this state. Can be repeated.")] = [],  # noqa: B006 - typer
    account: Annotated[str, typer.Option("--account", help="Of this account.")] = "",
    recipient: Annotated[str, typer.Option("--recipient", help="To this address.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="With these words in the subject.")] = "",
    message_id: Annotated[str, typer.Option("--message-id", help="With this Message-ID.")] = "",
    bulk: Annotated[str, typer.Option("--bulk", help="Of this bulk job.")] = "",
    tag: Annotated[list[str], typer.Option("--tag", metavar="NAME=VALUE", help="With this tag. Can be repeated.")] = [],  # noqa: B006
    since: Annotated[str, typer.Option("--since", help="Accepted since: a time, or a span such as 2h, 3d.")] = "",
    until: Annotated[str, typer.Option("--until", help="Accepted before: a time, or a span ago.")] = "",
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="Left out: the newest first.")] = False,
) -> None:
    """List and search messages. Every filter that is given must fit."""
    now = datetime.now(UTC)
    wanted = MessageFilter(
        states=state,
        account=account,
        recipient=recipient,
        subject=subject,
        message_id=message_id,
        bulk=bulk,
        tags=tags_of(tag),
        since=moment_of(since, "since", now=now, past=True),
        until=moment_of(until, "until", now=now, past=True),
    )

    async def fetch(*, cursor: str, limit: int) -> Page[StoredMessage]:
        return await desk.office.messages.list(wanted, cursor=cursor, limit=limit, oldest_first=oldest_first)

    await desk.output.listed(
        fetch,
        listing,
        ("id", "state", "to", "subject", "attempts", "accepted", "next attempt"),
        lambda one: (one.id, one.state, _to(one), one.subject, one.attempts, one.created_at, one.next_attempt_at),
        StoredMessage.to_json,
    )


@office_command(app, "show")
async def show(desk: Desk, *, id: Id) -> None:
    """Show one message and everything that happened to it."""
    found = await desk.office.messages.get(id)
    story = await desk.office.messages.story(id)
    failure = found.last_failure
    desk.output.details(
        {**found.to_json(), "story": [event_json(event) for event in story]},
        [
            ("id", found.id),
            ("state", found.state),
            ("from", found.from_),
            *[("to", f"{to.address}  {to.state}{f': {to.reply}' if to.reply else ''}") for to in found.recipients],
            ("subject", found.subject),
            ("message id", found.message_id),
            ("size", f"{found.size} bytes"),
            ("account", found.account),
            ("sent by", found.sending_account if found.sending_account != found.account else ""),
            ("bounces to", found.envelope_from),
            ("priority", found.priority),
            ("when uncertain", found.uncertain),
            ("attempts", str(found.attempts)),
            ("accepted", found.created_at),
            ("next attempt", found.next_attempt_at),
            ("expires", found.expires_at),
            ("ended", found.settled_at),
            ("last failure", f"{failure.code} ({failure.phase}): {failure.message}" if failure else ""),
            ("what to do", failure.hint if failure else ""),
            ("server said", str(found.response) if found.response else ""),
            ("tags", found.tags),
            ("bulk job", found.bulk),
            ("key", found.idempotency_key),
            *[("story", f"{cell(event.at)}  {event.type}  {cell(told(event))}".rstrip()) for event in story],
        ],
    )


@office_command(app, "body")
async def body(
    desk: Desk,
    *,
    id: Id,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Into this file.")] = None,
) -> None:
    """Print the message as it is sent."""
    content = await desk.office.messages.body(id)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"cannot write {str(output)!r}: {error.strerror}", field="output") from None


@office_command(app, "wait")
async def wait(
    desk: Desk,
    *,
    id: Id,
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Seconds, at most.")] = 60.0,
) -> ExitCode:
    """Wait until a message has ended. The exit code says how."""
    found = await desk.office.messages.wait(id, timeout=timeout)
    desk.output.confirm(found.to_json(), f"{found.state} {found.id}")
    return exit_code_of_state(found.state)


@office_command(app, "cancel")
async def cancel(desk: Desk, *, id: Ids) -> ExitCode:
    """Cancel messages. One that has ended, or is just being sent, stays as it is."""
    return await _managed(desk, id, desk.office.messages.cancel, "cancelled")


@office_command(app, "retry")
async def retry(desk: Desk, *, id: Ids) -> ExitCode:
    """Try messages again, now and with all their attempts. Who has a message does not get it again."""
    return await _managed(desk, id, desk.office.messages.retry, "to be tried again")


async def _managed(
    desk: Desk, given: list[str], call: Callable[[Sequence[str]], Awaitable[Sequence[StoredMessage]]], told: str
) -> ExitCode:
    ids = _ids(given)
    count = 0
    for start in range(0, len(ids), _AT_ONCE):
        asked = ids[start : start + _AT_ONCE]
        done = await call(asked)
        count += len(done)
        for message in done:
            desk.output.confirm(message.to_json(), f"{told}: {message.id}")
        for left in sorted(set(asked) - {message.id for message in done}):
            errors.print(f"not {told}: {safe(left)} is not in a state in which that can be done")
    if count == len(ids):
        return ExitCode.OK
    return ExitCode.PARTLY_DONE if count else ExitCode.USAGE


@office_command(app, "release")
async def release(
    desk: Desk,
    *,
    id: Ids,
    sent: Annotated[bool, typer.Option("--sent", help="It has arrived.")] = False,
    not_sent: Annotated[bool, typer.Option("--not-sent", help="It has not, and is given up.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send it again; it may arrive twice.")] = False,
) -> None:
    """Decide messages of which nobody knows whether they were sent."""
    if sent + not_sent + again != 1:
        raise typer.BadParameter("give one of --sent, --not-sent and --again")
    for one in _ids(id):
        found = await desk.office.messages.release(one, sent=None if again else sent)
        desk.output.confirm(found.to_json(), f"{found.state} {found.id}")


@office_command(app, "clean-up")
async def clean_up(
    desk: Desk,
    *,
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", min=1, help="Those that ended before.", show_default=False)
    ],
) -> None:
    """Remove messages that have ended, with their bodies and events."""
    removed = await desk.office.messages.clean_up(older_than_days=older_than_days)
    desk.output.confirm({"removed": removed}, f"{removed} removed")


def tags_of(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInput("a tag is written NAME=VALUE", field="tag")
        found[name] = value
    return found


def _ids(given: list[str]) -> list[str]:
    if given == ["-"]:
        # The first word of each line, or the id in a line of JSON: what `messages list` prints.
        return [found for line in sys.stdin if (found := _first_id(line))]
    return list(dict.fromkeys(given))


def _first_id(line: str) -> str:
    text = line.strip()
    if text.startswith("{"):
        return _id_in_json(text)
    return text.split(None, 1)[0] if text else ""


def _id_in_json(text: str) -> str:
    try:
        return str(json.loads(text)["id"])
    except (ValueError, KeyError, TypeError):
        raise InvalidInput("a line of JSON has no id", field="id") from None


def _to(message: StoredMessage) -> str:
    first = message.recipients[0].address if message.recipients else ""
    more = len(message.recipients) - 1
    return f"{first} (+{more})" if more > 0 else first
