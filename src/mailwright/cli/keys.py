"""`mailwright keys`: the keys for what is encrypted at rest. On the machine of the store, beside a running service."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mailwright.cli.exit_codes import ExitCode
from mailwright.cli.office_command import run_command
from mailwright.cli.output import errors
from mailwright.cli.tables import Output
from mailwright.cli.where import Where, local_service
from mailwright.connector.key_check import check_keys
from mailwright.connector.offices.parts import Parts
from mailwright.connector.service import Service
from mailwright.files.body_store import SweepReport
from mailwright.store.queries.bodies import live_bodies, move_bodies
from mailwright.store.rotation import Reseal, count_secrets, reseal_secrets
from mailwright.store.secret_box import KeyringBox

app = typer.Typer(help="The keys for what is encrypted at rest.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the store.")]
Url = Annotated[str, typer.Option("--database", help="The database, where it is another.")]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when all goes well.")]


@app.command("rotate")
def rotate(
    *, data: Data = None, database: Url = "", config: Config = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Add a key, and put everything under it. A service that runs goes on, and takes the new key by itself."""

    async def act(service: Service, output: Output) -> ExitCode:
        service.parts.keyring.add_new(datetime.now(UTC))
        # The database remembers its keys from the first moment on that one is used.
        await check_keys(service.parts.database, service.parts.keyring)
        return await _reseal(service.parts, output)

    _run(act, Where(data=data, database=database, config=config), Output(as_json, quiet))


@app.command("reseal")
def reseal(
    *, data: Data = None, database: Url = "", config: Config = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Put under the newest key what is not there yet, such as what a rotation left."""

    async def act(service: Service, output: Output) -> ExitCode:
        return await _reseal(service.parts, output)

    _run(act, Where(data=data, database=database, config=config), Output(as_json, quiet))


@app.command("list")
def list_keys(*, data: Data = None, database: Url = "", config: Config = None, as_json: Json = False) -> None:
    """List the ids of the keys, the oldest first."""

    async def act(service: Service, output: Output) -> ExitCode:
        keyring = service.parts.keyring
        output.rows(
            ("key", "newest"),
            [
                ((id_, id_ == keyring.newest_id), {"id": id_, "newest": id_ == keyring.newest_id})
                for id_ in keyring.key_ids
            ],
        )
        return ExitCode.OK

    _run(act, Where(data=data, database=database, config=config), Output(as_json))


async def _reseal(parts: Parts, output: Output) -> ExitCode:
    """Interrupted, it goes on by being called again: every value says itself which key it is under."""
    box = KeyringBox(parts.keyring)
    before = await parts.database.read(lambda conn: count_secrets(conn, box))
    done = 0
    with _progress() as progress:
        task = progress.add_task("secrets", total=before.total)
        after: str | None = None
        while after != "":
            batch = await parts.database.write(reseal_secrets, Reseal(box, after or ""))
            after, done = batch.after, done + batch.done
            progress.advance(task, batch.seen)
        progress.add_task("messages", total=None)
        report = await _sweep(parts)
    left = (await parts.database.read(lambda conn: count_secrets(conn, box))).outdated
    value = {
        "key": parts.keyring.newest_id,
        "secrets": done,
        "secrets_left": left,
        "messages": report.moved,
        "postponed": report.postponed,
        "damaged": list(report.damaged),
    }
    output.confirm(value, f"key {parts.keyring.newest_id}: {done} secrets and {report.moved} messages put under it")
    if report.damaged:
        errors.print(f"damaged, and left as they are: {', '.join(report.damaged)}")
        return ExitCode.ERROR
    if left or report.postponed:
        errors.print(
            "Something was in use or too young: do `mailwright keys reseal` in two hours. Keep the older keys."
        )
        return ExitCode.PARTLY_DONE
    return ExitCode.OK


async def _sweep(parts: Parts) -> SweepReport:
    database = parts.database

    async def is_live(bodies: Sequence[tuple[str, str]]) -> set[str]:
        return await database.read(lambda conn: live_bodies(conn, bodies))

    async def moved(bodies: Sequence[tuple[str, str, str]]) -> None:
        await database.write(move_bodies, bodies)

    return await parts.bodies.sweep(is_live, moved, thorough=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )


def _run(act: Callable[[Service, Output], Awaitable[ExitCode]], where: Where, output: Output) -> None:
    async def run() -> ExitCode:
        async with local_service(where.settings()) as service:
            return await act(service, output)

    run_command(run(), as_json=output.as_json)
