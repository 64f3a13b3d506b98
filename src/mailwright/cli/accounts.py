"""`mailwright accounts`: what mail is sent by."""

from typing import Annotated, Any

import typer

from mailwright.cli.account_options import account_options, presets, settings_of
from mailwright.cli.check import print_report
from mailwright.cli.exit_codes import ExitCode, exit_code_of
from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.output import print_json
from mailwright.cli.tables import Listing, Output
from mailwright.errors import InvalidInput
from mailwright.model.account_record import AccountRecord
from mailwright.model.account_record_json import record_to_json

app = typer.Typer(help="What mail is sent by.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name.", show_default=False)]


@office_command(app, "list")
async def list_accounts(desk: Desk, *, listing: Listing) -> None:
    """List accounts."""
    await desk.output.listed(
        desk.office.accounts.list,
        listing,
        ("name", "address", "server", "state", "limits", "fallback"),
        lambda one: (
            one.name,
            one.account.address.spec,
            f"{one.account.outgoing.host}:{one.account.outgoing.port}",
            _state(one),
            _limits(one),
            one.fallback,
        ),
        record_to_json,
    )


@office_command(app, "show")
async def show(desk: Desk, *, name: Name) -> None:
    """Show one account; its secrets show as ***."""
    found = await desk.office.accounts.get(name)
    outgoing, parked = found.account.outgoing, found.parked
    desk.output.details(
        record_to_json(found),
        [
            ("name", found.name),
            ("id", found.id),
            ("address", str(found.account.address)),
            ("display name", found.account.display_name),
            ("server", f"{outgoing.host}:{outgoing.port}"),
            ("security", outgoing.security),
            ("signs in as", outgoing.sign_in.username if outgoing.sign_in else "nobody"),
            ("sessions", outgoing.pool.sessions),
            ("limits", _limits(found) or "none"),
            ("retries", len(found.retry.waits)),
            ("when uncertain", found.uncertain),
            ("fallback", found.fallback),
            ("bounces to", found.bounce_address),
            ("state", _state(found)),
            ("because", f"{parked.failure.code}: {parked.failure.message}" if parked else ""),
            ("what to do", parked.failure.hint if parked else ""),
            ("tried again", parked.until if parked else None),
            ("changed", found.updated_at),
            ("version", found.version),
        ],
    )


@office_command(app, "create", account_options)
async def create(
    desk: Desk,
    *,
    options: dict[str, Any],
    name: Annotated[str, typer.Argument(help="Its name. Left out: `name` of the file.", show_default=False)] = "",
) -> None:
    """Create an account, from options or a file."""
    in_file = options.pop("name", "")
    if not (name or in_file):
        raise InvalidInput("the account has no name", field="name", hint="mailwright accounts create office …")
    made = await desk.office.accounts.create(name or in_file, settings_of(options))
    desk.output.confirm(record_to_json(made), f"created account {made.name}")


@office_command(app, "edit", account_options)
async def edit(desk: Desk, *, options: dict[str, Any], name: Name) -> None:
    """Change what is given, and leave the rest, secrets too, as it is."""
    if options.pop("name", name) != name:
        raise InvalidInput("an account keeps its name", field="name")
    before = await desk.office.accounts.get(name)
    changed = await desk.office.accounts.replace(name, settings_of(options, before), version=before.version)
    desk.output.confirm(record_to_json(changed), f"changed account {name}")


@office_command(app, "delete")
async def delete(desk: Desk, *, name: Name) -> None:
    """Delete an account; messages that wait are cancelled."""
    await desk.office.accounts.delete(name)
    desk.output.confirm({"deleted": name}, f"deleted account {name}")


@office_command(app, "check")
async def check(desk: Desk, *, name: Name) -> ExitCode:
    """Resolve, connect, encrypt and sign in, without sending anything."""
    report = await desk.office.accounts.check(name)
    if desk.output.as_json:
        print_json(report.to_json())
    elif not (desk.output.quiet and report.ok):
        print_report(report)
    return exit_code_of(report.error) if report.error is not None else ExitCode.OK


@office_command(app, "pause")
async def pause(desk: Desk, *, name: Name) -> None:
    """Send nothing more for now; the queue waits."""
    found = await desk.office.accounts.pause(name)
    desk.output.confirm(record_to_json(found), f"paused account {name}")


@office_command(app, "resume")
async def resume(desk: Desk, *, name: Name) -> None:
    """End a pause, and the wait of an account that is parked."""
    found = await desk.office.accounts.resume(name)
    desk.output.confirm(record_to_json(found), f"resumed account {name}")


@app.command("presets")
def list_presets(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one value in each line.")] = False
) -> None:
    """List limits of providers, as a start."""
    Output(as_json).rows(("name", "messages per second", "at once"), presets())


def _state(record: AccountRecord) -> str:
    if record.paused:
        return "paused"
    return "parked" if record.parked is not None else "active"


def _limits(record: AccountRecord) -> str:
    limits = record.limits
    parts = [f"{limits.messages_per_second:g}/s"] if limits.messages_per_second else []
    return ", ".join([*parts, *([f"{limits.concurrency} at once"] if limits.concurrency else [])])
