"""`mailwright audit`: who did what, and whether anybody has written in the trail."""

import msgspec
import typer

from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.tables import Listing
from mailwright.model.audit import AuditEntry
from mailwright.wire.admin import audit_entry_view

app = typer.Typer(help="Who did what.", no_args_is_help=True)


@office_command(app, "list")
async def list_entries(desk: Desk, *, listing: Listing) -> None:
    """List the audit trail."""
    await desk.output.listed(
        desk.office.audit.list,
        listing,
        ("number", "at", "who", "workspace", "did", "to", "details"),
        lambda one: (one.number, one.at, one.actor, one.workspace, one.action, one.target, one.details),
        _to_json,
    )


@office_command(app, "verify")
async def verify(desk: Desk) -> None:
    """Check that nobody changed the trail."""
    count = await desk.office.audit.verify()
    desk.output.confirm({"ok": True, "entries": count}, f"the trail is whole: {count} entries")


def _to_json(entry: AuditEntry) -> dict[str, object]:
    value: dict[str, object] = msgspec.to_builtins(audit_entry_view(entry))
    return value
