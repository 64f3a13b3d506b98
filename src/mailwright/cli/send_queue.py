"""`mailwright send --queue`: one message into the outbox, of a running service or of the local store."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mailwright.cli.exit_codes import ExitCode, exit_code_of_state
from mailwright.cli.messages import tags_of
from mailwright.cli.moments import moment_of
from mailwright.cli.office_command import run_command, shared_options, taken
from mailwright.cli.tables import Output
from mailwright.cli.where import Where, opened
from mailwright.cli.written import Written
from mailwright.connector.calls import Office
from mailwright.errors import InvalidInput
from mailwright.model.address_syntax import parse_address
from mailwright.model.delivery import Composed, DsnOptions
from mailwright.model.message import Message
from mailwright.model.outbox import SendOptions, SendPriority, UncertainPolicy

_PANEL = "With --queue"


def _option(name: str, text: str, **more: str | float) -> typer.models.OptionInfo:
    info: typer.models.OptionInfo = typer.Option(name, help=text, rich_help_panel=_PANEL, **more)  # type: ignore[arg-type]
    return info


@dataclass(frozen=True, slots=True)
class Queued:
    account: str
    wait: float | None
    options: SendOptions


def _queue_options(
    *,
    queue: Annotated[bool, _option("--queue", "Into the outbox: kept, tried again, sent by the service.")] = False,
    account: Annotated[
        str, _option("--account", "The name of the account that sends. Left out: the default_account of the service.")
    ] = "",
    wait: Annotated[float | None, _option("--wait", "Seconds to wait for the server's answer.", min=0)] = None,
    send_at: Annotated[str, _option("--send-at", "Not before: a time, or a span such as 2h.")] = "",
    expires_at: Annotated[str, _option("--expires-at", "Not after: a time, or a span such as 2d.")] = "",
    queue_priority: Annotated[
        SendPriority, _option("--queue-priority", "Against other messages of the account.")
    ] = SendPriority.NORMAL,
    uncertain: Annotated[UncertainPolicy | None, _option("--uncertain", "When the last answer is lost.")] = None,
    idempotency_key: Annotated[str, _option("--idempotency-key", "The same key is the same message.")] = "",
    tag: Annotated[list[str], _option("--tag", "Your own words.", metavar="NAME=VALUE")] = [],  # noqa: B006 - typer
    unsubscribe: Annotated[bool, _option("--unsubscribe", "Add one-click unsubscribe of ours.")] = False,
    unsubscribe_list: Annotated[str, _option("--unsubscribe-list", "The list that is left.")] = "",
) -> Queued | None:
    now = datetime.now(UTC)
    options = SendOptions(
        send_at=moment_of(send_at, "send_at", now=now, past=False),
        expires_at=moment_of(expires_at, "expires_at", now=now, past=False),
        priority=queue_priority,
        uncertain=uncertain,
        idempotency_key=idempotency_key,
        tags=tags_of(tag),
        unsubscribe=unsubscribe,
        unsubscribe_list=unsubscribe_list,
    )
    if queue:
        return Queued(account, wait, options)
    if account or wait is not None or options != SendOptions():
        raise InvalidInput("this is for messages that are queued", field="queue", hint="give --queue too")
    return None


#: what belongs to the account when a message is queued, and may not come from the environment unnoticed
_OF_THE_ACCOUNT = (
    "security",
    "password_file",
    "mechanism",
    "ca_file",
    "pin",
    "allow_clear_text_password",
    "source_address",
    "ehlo_name",
    "timeout_ms",
    "chunking",
    "dry_run",
)


def queue_parameters(of_send: Mapping[str, inspect.Parameter]) -> list[inspect.Parameter]:
    """Beside those that `send` has anyway."""
    ours = (_queue_options, shared_options)
    return [part for make in ours for name, part in inspect.signature(make).parameters.items() if name not in of_send]


def queued_of(given: dict[str, Any], of_send: Mapping[str, Any]) -> tuple[Queued | None, Where, Output]:
    """Takes what is for the queue out of what was given."""
    common = ("token_file", "as_json")
    shared = {name: given[name] for name in common}
    shared |= {name: given.pop(name) for name in inspect.signature(shared_options).parameters if name not in of_send}
    where, output = shared_options(**shared)
    return _queue_options(**taken(given, _queue_options)), where, output


def send_queued(
    queued: Queued,
    where: Where,
    output: Output,
    *,
    given: Mapping[str, Any],
    make: Callable[[Mapping[str, Any]], tuple[Written, DsnOptions | None]],
) -> None:
    async def act() -> ExitCode:
        for name in _OF_THE_ACCOUNT:
            if given[name] not in (None, "", False):
                option = name.replace("_", "-")
                raise InvalidInput(
                    f"--{option} is not for a message that is queued", field=name, hint="edit the account"
                )
        written, dsn = make(given)
        async with opened(where) as office:
            raw: Path | None = given["raw"]
            message = (
                _message(written, given["from_"])
                if raw is None
                else await _around(office, queued.account, written, raw=raw, from_=given["from_"], dsn=dsn)
            )
            return await _sent(office, queued, message, dsn, output)

    run_command(act(), as_json=output.as_json)


def _message(written: Written, from_: str) -> Message:
    message = written.message()
    return message.changed(from_=from_) if from_ else message


async def _around(
    office: Office, account: str, written: Written, *, raw: Path, from_: str, dsn: DsnOptions | None
) -> Composed:
    if from_:
        sender = parse_address(from_, field="from")
    elif written.envelope_from:
        sender = parse_address(written.envelope_from, field="envelope_from")
    else:
        sender = (await office.accounts.get(account)).account.address
    return written.around(raw, sender, dsn)


async def _sent(
    office: Office, queued: Queued, message: Message | Composed, dsn: DsnOptions | None, output: Output
) -> ExitCode:
    # A message that has its options for delivery reports keeps them.
    asked = None if isinstance(message, Composed) else dsn
    if queued.wait is None:
        id_ = await office.messages.accept(queued.account, message, queued.options, dsn=asked)
        output.confirm({"ok": True, "id": id_}, f"queued {id_}")
        return ExitCode.OK
    found = await office.messages.send_and_wait(queued.account, message, queued.options, dsn=asked, timeout=queued.wait)
    failure = f": {found.last_failure.message}" if found.last_failure is not None else ""
    output.confirm({"ok": found.state.final, **found.to_json()}, f"{found.state} {found.id}{failure}")
    return exit_code_of_state(found.state)
