"""Commands over an `Office`: each is an async function, and gets the options that all of them share by being one."""

import asyncio
import functools
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop

from mailwright.cli.exit_codes import ExitCode, exit_code_of
from mailwright.cli.output import print_error
from mailwright.cli.tables import Listing, Output
from mailwright.cli.where import Where, opened
from mailwright.connector.calls import Office
from mailwright.errors import MailwrightError

_PANEL = "Where"


@dataclass(frozen=True, slots=True)
class Desk:
    office: Office
    output: Output
    where: Where


Command = Callable[..., Awaitable[ExitCode | None]]


def shared_options(
    *,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            envvar="MAILWRIGHT_URL",
            help="A running service. Left out: the local store.",
            rich_help_panel=_PANEL,
        ),
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="MAILWRIGHT_TOKEN",
            help="Its token. Other users see command lines: better is a file or the environment.",
            rich_help_panel=_PANEL,
        ),
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A file with that token.", rich_help_panel=_PANEL)
    ] = None,
    service_ca: Annotated[
        Path | None,
        typer.Option(
            "--service-ca",
            envvar="MAILWRIGHT_SERVICE_CA",
            help="PEM file of the authority of the service's certificate.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    workspace: Annotated[
        str,
        typer.Option(
            "--workspace", envvar="MAILWRIGHT_WORKSPACE", help="Another workspace than default.", rich_help_panel=_PANEL
        ),
    ] = "",
    data: Annotated[
        Path | None, typer.Option("--data", help="The directory of the local store.", rich_help_panel=_PANEL)
    ] = None,
    database: Annotated[
        str, typer.Option("--database", help="The database of the local store.", rich_help_panel=_PANEL)
    ] = "",
    config: Annotated[
        Path | None, typer.Option("--config", help="A TOML file with settings.", rich_help_panel=_PANEL)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one value in each line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when all goes well.")] = False,
) -> tuple[Where, Output]:
    where = Where(
        url=url,
        token=token,
        token_file=token_file,
        service_ca=service_ca,
        workspace=workspace,
        data=data,
        database=database,
        config=config,
    )
    return where, Output(as_json, quiet)


def _listing(
    *,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many; 0 for all.")] = 50,
    cursor: Annotated[str, typer.Option("--cursor", help="Where to go on, from an earlier list.")] = "",
) -> Listing:
    return Listing(limit, cursor)


def office_command(
    app: typer.Typer, name: str, options: Callable[..., Any] | None = None
) -> Callable[[Command], Command]:
    """Adds the function as a command. Its first parameter is a Desk. `listing`, where it has one, is a Listing, and
    `options` is what the function `options` makes of its own parameters; the others are options of the command."""

    def added(command: Command) -> Command:
        own = list(inspect.signature(command).parameters.values())[1:]
        makers = {part.name: {"listing": _listing, "options": options}.get(part.name) for part in own}

        @functools.wraps(command)
        def run(**given: Any) -> None:
            where, output = shared_options(**taken(given, shared_options))

            async def act() -> ExitCode | None:
                for part, make in makers.items():
                    if make is not None:
                        given[part] = make(**taken(given, make))
                async with opened(where) as office:
                    return await command(Desk(office, output, where), **given)

            run_command(act(), as_json=output.as_json)

        parts = [part for part in own if makers[part.name] is None]
        more = [part for make in makers.values() if make is not None for part in _parameters(make)]
        set_parameters(run, [*parts, *more, *_parameters(shared_options)])
        app.command(name)(run)
        return command

    return added


def run_command(work: Coroutine[Any, Any, ExitCode | None], *, as_json: bool) -> None:
    """Runs it; errors of ours are printed, and end the program with their exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(work)
    except MailwrightError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(exit_code_of(error)) from None
    except BrokenPipeError:
        # Whoever read the output has gone (`mailwright events list --follow --json | head -1`): an end, not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if code:
        raise typer.Exit(code)


def set_parameters(command: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> None:
    """What the command line reads of a function, set instead of written."""
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {part.name: part.annotation for part in parameters}


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def taken(given: dict[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    return {name: given.pop(name) for name in inspect.signature(function).parameters}
