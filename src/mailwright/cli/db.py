"""`mailwright db`: the database of the local store."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from mailwright.cli.exit_codes import ExitCode
from mailwright.cli.office_command import run_command
from mailwright.cli.tables import Output
from mailwright.cli.where import Where, need_store
from mailwright.connector.service import database_url
from mailwright.settings import Settings
from mailwright.store import backup as copies, migrate
from mailwright.store.database import Database
from mailwright.store.engine import dialect_of, parse_url

app = typer.Typer(help="The database of the local store.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", help="The directory of the store.")]
Url = Annotated[str, typer.Option("--database", help="The database, where it is another.")]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file with settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when all goes well.")]


@app.command("upgrade")
def upgrade(
    *, data: Data = None, database: Url = "", config: Config = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Make the database, or bring it up to date. (`serve` does the same at its start.)"""

    async def act(settings: Settings, output: Output) -> None:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = await Database.open(database_url(settings))
        await opened.close()
        output.confirm({"schema": migrate.HEAD}, f"the database has schema {migrate.HEAD}")

    _run(act, Where(data=data, database=database, config=config), Output(as_json, quiet))


@app.command("check")
def check(
    *, data: Data = None, database: Url = "", config: Config = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Look at all of the database. It may be in use."""

    async def act(settings: Settings, output: Output) -> ExitCode:
        need_store(settings)
        health = migrate.examine(parse_url(database_url(settings)))
        problems = list(health.problems)
        if health.schema != migrate.HEAD:
            problems.append(f"it has schema {health.schema or '(none)'}, this program has {migrate.HEAD}")
        value = {"ok": not problems, "dialect": health.dialect, "schema": health.schema, "problems": problems}
        if problems:
            output.show(value, problems)
            return ExitCode.ERROR
        output.confirm(value, f"{health.dialect}, schema {health.schema}: no problem found")
        return ExitCode.OK

    _run(act, Where(data=data, database=database, config=config), Output(as_json, quiet))


@app.command("backup")
def backup(
    *,
    file: Annotated[Path, typer.Argument(help="A new file.", show_default=False)],
    data: Data = None,
    database: Url = "",
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Copy the database of this moment, while everything goes on. SQLite only."""

    async def act(settings: Settings, output: Output) -> None:
        need_store(settings)
        copies.back_up(parse_url(database_url(settings)), file)
        output.confirm(
            {"file": str(file), "size": file.stat().st_size},
            f"{file}: {file.stat().st_size} bytes. Messages and keys are files of their own: copy "
            f"{settings.data / 'bodies'} and the keys too, after this.",
        )

    _run(act, Where(data=data, database=database, config=config), Output(as_json, quiet))


@app.command("restore")
def restore(
    *,
    file: Annotated[Path, typer.Argument(help="What `db backup` made.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="In the place of the database that is there.")] = False,
    data: Data = None,
    database: Url = "",
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put a backup in the place of the database, after a look at all of it. No Mailwright may run on it."""

    async def act(settings: Settings, output: Output) -> None:
        url = database_url(settings)
        if dialect_of(parse_url(url)) == "sqlite":
            settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        copies.restore(file, url, force=force)
        output.confirm({"restored": str(file)}, f"restored {file}")

    _run(act, Where(data=data, database=database, config=config), Output(as_json, quiet))


def _run(act: Callable[[Settings, Output], Awaitable[ExitCode | None]], where: Where, output: Output) -> None:
    async def run() -> ExitCode | None:
        return await act(where.settings(), output)

    run_command(run(), as_json=output.as_json)
