"""`mailwright events`: what happened, as a list and live."""

from typing import Annotated

import msgspec
import typer

from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.output import print_json
from mailwright.cli.tables import Listing, cell
from mailwright.model.event import Event
from mailwright.model.page import Page
from mailwright.wire.message_view import event_view

app = typer.Typer(help="What happened.", no_args_is_help=True)

_COLUMNS = ("at", "type", "message", "account", "data")


@office_command(app, "list")
async def list_events(
    desk: Desk,
    *,
    listing: Listing,
    type: Annotated[list[str], typer.Option("--type", help="Such as message.sent. Can be repeated.")] = [],  # noqa: B006 - typer
    message: Annotated[str, typer.Option("--message", help="About this message.")] = "",
    account: Annotated[str, typer.Option("--account", help="About this account.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="From now on, or from --cursor on, until it is interrupted.")
    ] = False,
) -> None:
    """List events, the oldest first, or follow them live."""
    if follow:
        if message or account:
            raise typer.BadParameter("--follow shows events of all messages and accounts")
        async for cursor, event in desk.office.events.stream(types=type, cursor=listing.cursor):
            if desk.output.as_json:
                print_json({**event_json(event), "cursor": cursor})
            else:
                typer.echo("  ".join(filter(None, map(cell, _cells(event)))))
        return

    async def fetch(*, cursor: str, limit: int) -> Page[Event]:
        return await desk.office.events.list(types=type, message=message, account=account, cursor=cursor, limit=limit)

    await desk.output.listed(fetch, listing, _COLUMNS, _cells, event_json)


def event_json(event: Event) -> dict[str, object]:
    value: dict[str, object] = msgspec.to_builtins(event_view(event))
    return value


def _cells(event: Event) -> tuple[object, ...]:
    return event.at, event.type, event.message, event.account, told(event)


def told(event: Event) -> dict[str, object]:
    """What its data say in a word each; the rest is for programs."""
    return {name: part for name, part in event.data.items() if part and isinstance(part, str | int | float)}
