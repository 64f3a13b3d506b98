"""`mailwright tokens`: who may call the HTTP API."""

from typing import Annotated

import msgspec
import typer

from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.tables import Listing
from mailwright.errors import InvalidInput
from mailwright.model.access import Action, ApiToken
from mailwright.wire.admin import new_token_view, token_view

app = typer.Typer(help="Tokens for the HTTP API.", no_args_is_help=True)


@office_command(app, "list")
async def list_tokens(desk: Desk, *, listing: Listing) -> None:
    """List tokens, without their secrets."""
    await desk.output.listed(
        desk.office.tokens.list,
        listing,
        ("id", "name", "workspace", "may", "accounts", "expires", "last used", "revoked"),
        lambda one: (
            one.id,
            one.name,
            one.workspace or "all",
            sorted(one.actions),
            "all" if one.accounts is None else sorted(one.accounts),
            one.expires_at,
            one.last_used_at,
            one.revoked_at,
        ),
        _to_json,
    )


@office_command(app, "create")
async def create(
    desk: Desk,
    *,
    name: Annotated[str, typer.Argument(help="What it is for.", show_default=False)],
    action: Annotated[
        list[Action], typer.Option("--action", help="What it may do. Can be repeated.", show_default=False)
    ],
    account: Annotated[
        list[str], typer.Option("--account", help="Only with this account. Can be repeated. Left out: all.")
    ] = [],  # noqa: B006 - typer
    everywhere: Annotated[bool, typer.Option("--everywhere", help="For all workspaces; needs --action admin.")] = False,
    expires_in_days: Annotated[int, typer.Option("--expires-in-days", min=1, help="How long it is good for.")] = 90,
) -> None:
    """Make a token; it is shown this once. With --quiet nothing else is printed."""
    if everywhere and desk.where.workspace:
        raise InvalidInput("--everywhere and --workspace exclude each other", field="everywhere")
    made = await desk.office.tokens.create(
        name, action, workspace="" if everywhere else None, accounts=account or None, expires_in_days=expires_in_days
    )
    desk.output.secret(msgspec.to_builtins(new_token_view(made)), made.secret.reveal(), f"token {made.token.id}")


@office_command(app, "revoke")
async def revoke(desk: Desk, *, id: Annotated[str, typer.Argument(help="Its id.", show_default=False)]) -> None:
    """Revoke a token: nobody can use it any more."""
    await desk.office.tokens.revoke(id)
    desk.output.confirm({"revoked": id}, f"revoked {id}")


def _to_json(token: ApiToken) -> dict[str, object]:
    value: dict[str, object] = msgspec.to_builtins(token_view(token))
    return value
