"""`mailwright workspaces`: the tenants."""

from typing import Annotated

import msgspec
import typer

from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.tables import Listing
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.wire.admin import workspace_view

app = typer.Typer(help="Tenants: nothing crosses from one to another.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name.", show_default=False)]


@office_command(app, "list")
async def list_workspaces(desk: Desk, *, listing: Listing) -> None:
    """List workspaces."""
    await desk.output.listed(
        desk.office.workspaces.list,
        listing,
        ("name", "description", "safe mode", "created"),
        lambda one: (one.id, one.description, _safe_mode(one.safe_mode), one.created_at),
        to_json,
    )


@office_command(app, "show")
async def show(desk: Desk, *, name: Name) -> None:
    """Show one workspace."""
    found = await desk.office.workspaces.get(name)
    desk.output.details(
        to_json(found),
        [
            ("name", found.id),
            ("description", found.description),
            ("safe mode", _safe_mode(found.safe_mode)),
            ("created", found.created_at),
            ("version", found.version),
        ],
    )


@office_command(app, "create")
async def create(
    desk: Desk, *, name: Name, description: Annotated[str, typer.Option("--description", help="For people.")] = ""
) -> None:
    """Create a workspace."""
    made = await desk.office.workspaces.create(name, description=description)
    desk.output.confirm(to_json(made), f"created workspace {made.id}")


@office_command(app, "edit")
async def edit(
    desk: Desk,
    *,
    name: Name,
    description: Annotated[str | None, typer.Option("--description", help="For people.")] = None,
    redirect_to: Annotated[
        str | None, typer.Option("--redirect-to", help="Safe mode: everything goes to this address. '' ends it.")
    ] = None,
    allow: Annotated[
        list[str], typer.Option("--allow", help="Safe mode: only this address or @domain gets mail. Can be repeated.")
    ] = [],  # noqa: B006 - typer
    safe_mode_off: Annotated[bool, typer.Option("--safe-mode-off", help="Mail goes out as it is.")] = False,
) -> None:
    """Change what is given, and leave the rest as it is."""
    before = await desk.office.workspaces.get(name)
    kept = SafeMode() if safe_mode_off else before.safe_mode
    changed = await desk.office.workspaces.replace(
        name,
        description=before.description if description is None else description,
        safe_mode=SafeMode(
            kept.redirect_to if redirect_to is None else redirect_to, tuple(allow) if allow else kept.allow
        ),
        version=before.version,
    )
    desk.output.confirm(to_json(changed), f"changed workspace {changed.id}; {_safe_mode(changed.safe_mode)}")


@office_command(app, "delete")
async def delete(desk: Desk, *, name: Name) -> None:
    """Delete a workspace with everything in it."""
    await desk.office.workspaces.delete(name)
    desk.output.confirm({"deleted": name}, f"deleted workspace {name}")


def to_json(workspace: Workspace) -> dict[str, object]:
    value: dict[str, object] = msgspec.to_builtins(workspace_view(workspace))
    return value


def _safe_mode(safe_mode: SafeMode) -> str:
    if not safe_mode.on:
        return "off"
    parts = [f"all to {safe_mode.redirect_to}"] if safe_mode.redirect_to else []
    return "; ".join([*parts, *([f"only {', '.join(safe_mode.allow)}"] if safe_mode.allow else [])])
