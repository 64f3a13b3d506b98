"""`mailwright suppressions`: addresses that get no more mail."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from mailwright.cli.connection import read_text
from mailwright.cli.exit_codes import ExitCode
from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.output import errors, safe
from mailwright.cli.tables import Listing
from mailwright.errors import InvalidInput
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.wire.admin import suppression_view

app = typer.Typer(help="Addresses that get no more mail.", no_args_is_help=True)

Address = Annotated[str, typer.Argument(help="The address.", show_default=False)]
List = Annotated[str, typer.Option("--list", help="The list that was left. Left out: all mail of the workspace.")]
Reason = Annotated[SuppressionReason, typer.Option("--reason", help="Why.")]
Note = Annotated[str, typer.Option("--note", help="For people.")]
#: how the column of addresses may be called
_COLUMNS = ("address", "email", "e-mail", "mail")


@office_command(app, "list")
async def list_suppressions(desk: Desk, *, listing: Listing) -> None:
    """List suppressed addresses."""
    await desk.output.listed(
        desk.office.suppressions.list,
        listing,
        ("address", "list", "reason", "since", "note"),
        lambda one: (one.address, one.list or "all mail", one.reason, one.created_at, one.note),
        _to_json,
    )


@office_command(app, "add")
async def add(
    desk: Desk, *, address: Address, list: List = "", reason: Reason = SuppressionReason.MANUAL, note: Note = ""
) -> None:
    """Add an address."""
    added = await desk.office.suppressions.add(address, list=list, reason=reason, note=note)
    desk.output.confirm(_to_json(added), f"{added.address} gets no more mail{f' of {list}' if list else ''}")


@office_command(app, "remove")
async def remove(desk: Desk, *, address: Address, list: List = "") -> None:
    """Remove an address: it gets mail again."""
    await desk.office.suppressions.remove(address, list=list)
    desk.output.confirm({"removed": address, "list": list}, f"removed {address}")


@office_command(app, "import")
async def import_file(
    desk: Desk,
    *,
    file: Annotated[Path, typer.Argument(help="CSV with a column `address` or `email`, or one address in each line.")],
    list: List = "",
    reason: Reason = SuppressionReason.MANUAL,
    note: Note = "",
) -> ExitCode:
    """Add every address of a file. A line that is wrong keeps the others from nothing."""
    added = refused = 0
    for number, address in _addresses(read_text(file, "file")):
        try:
            await desk.office.suppressions.add(address, list=list, reason=reason, note=note)
            added += 1
        except InvalidInput as error:
            refused += 1
            errors.print(f"line {number}: {safe(str(error))}")
    desk.output.confirm({"added": added, "refused": refused}, f"{added} added, {refused} refused")
    if refused:
        return ExitCode.PARTLY_DONE if added else ExitCode.USAGE
    return ExitCode.OK


def _addresses(text: str) -> Iterator[tuple[int, str]]:
    """Line number and address. Without a head line that names the column it is the first one."""
    reader = csv.reader(text.removeprefix("\ufeff").splitlines())
    column: int | None = None
    for row in reader:
        if column is None:
            names = [name.strip().lower() for name in row]
            found = next((names.index(name) for name in _COLUMNS if name in names), None)
            column = found or 0
            if found is not None:
                continue
        if any(cell.strip() for cell in row):
            yield reader.line_num, row[column].strip() if column < len(row) else ""


def _to_json(suppression: Suppression) -> dict[str, object]:
    value: dict[str, object] = msgspec.to_builtins(suppression_view(suppression))
    return value
