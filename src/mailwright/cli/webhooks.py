"""`mailwright webhooks`: where events go."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from mailwright.cli.exit_codes import ExitCode
from mailwright.cli.moments import moment_of
from mailwright.cli.office_command import Desk, office_command
from mailwright.cli.tables import Listing
from mailwright.connector.calls import Office
from mailwright.model.page import MAX_PAGE, Page
from mailwright.model.webhook import EVERY_EVENT, WebhookEndpoint, WebhookState, WebhookTask

app = typer.Typer(help="Where events go.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The id of the webhook.", show_default=False)]
Events = Annotated[
    list[str], typer.Option("--event", help="Such as message.sent, message.* or *. Can be repeated. Left out: all.")
]
Accounts = Annotated[list[str], typer.Option("--account", help="Only of this account. Can be repeated.")]


@office_command(app, "list")
async def list_webhooks(desk: Desk, *, listing: Listing) -> None:
    """List webhooks."""
    await desk.output.listed(
        desk.office.webhooks.list,
        listing,
        ("id", "url", "events", "enabled", "description"),
        lambda one: (one.id, one.url, one.events, one.disabled_because or one.enabled, one.description),
        WebhookEndpoint.to_json,
    )


@office_command(app, "show")
async def show(desk: Desk, *, id: Id) -> None:
    """Show one webhook, without its secrets."""
    found = await desk.office.webhooks.get(id)
    desk.output.details(
        found.to_json(),
        [
            ("id", found.id),
            ("url", found.url),
            ("events", found.events),
            ("accounts", found.accounts or "all"),
            ("description", found.description),
            ("enabled", found.enabled),
            ("switched off because", found.disabled_because),
            ("secrets", [secret.id for secret in found.secrets]),
            ("created", found.created_at),
            ("version", found.version),
        ],
    )


@office_command(app, "create")
async def create(
    desk: Desk,
    *,
    target: Annotated[str, typer.Argument(metavar="URL", help="An http or https address.", show_default=False)],
    event: Events = [],  # noqa: B006 - typer
    account: Accounts = [],  # noqa: B006
    description: Annotated[str, typer.Option("--description", help="For people.")] = "",
) -> None:
    """Create a webhook; its signing secret is shown this once."""
    made, secret = await desk.office.webhooks.create(
        target, events=event or (EVERY_EVENT,), accounts=account, description=description
    )
    value = {"webhook": made.to_json(), "secret": secret.reveal()}
    desk.output.secret(value, secret.reveal(), f"signing secret of {made.id}")


@office_command(app, "edit")
async def edit(
    desk: Desk,
    *,
    id: Id,
    target: Annotated[str | None, typer.Option("--target", metavar="URL", help="Another address.")] = None,
    event: Events = [],  # noqa: B006 - typer
    account: Accounts = [],  # noqa: B006
    all_accounts: Annotated[bool, typer.Option("--all-accounts", help="Of all accounts again.")] = False,
    description: Annotated[str | None, typer.Option("--description", help="For people.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether events are sent.")] = None,
) -> None:
    """Change what is given, and leave the rest as it is."""
    before = await desk.office.webhooks.get(id)
    kept = () if all_accounts else await _names(desk.office, before.accounts)
    changed = await desk.office.webhooks.replace(
        id,
        url=before.url if target is None else target,
        events=event or before.events,
        accounts=account or kept,
        description=before.description if description is None else description,
        enabled=before.enabled if enabled is None else enabled,
        version=before.version,
    )
    desk.output.confirm(changed.to_json(), f"changed webhook {id}")


async def _names(office: Office, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Endpoints are read with ids of accounts and written with their names."""
    found: dict[str, str] = {}
    cursor = ""
    while len(found) < len(ids):
        page = await office.accounts.list(cursor=cursor, limit=MAX_PAGE)
        found.update((account.id, account.name) for account in page.items if account.id in ids)
        if not (cursor := page.next_cursor):
            break
    # An account that is gone has no events any more.
    return tuple(found[one] for one in ids if one in found)


@office_command(app, "delete")
async def delete(desk: Desk, *, id: Id) -> None:
    """Delete a webhook."""
    await desk.office.webhooks.delete(id)
    desk.output.confirm({"deleted": id}, f"deleted webhook {id}")


@office_command(app, "rotate-secret")
async def rotate_secret(
    desk: Desk,
    *,
    id: Id,
    overlap_seconds: Annotated[
        int, typer.Option("--overlap-seconds", min=0, help="For so long the old secret signs beside the new one.")
    ] = 86_400,
) -> None:
    """Make a new signing secret; it is shown this once."""
    secret = await desk.office.webhooks.rotate_secret(id, overlap_seconds=overlap_seconds)
    desk.output.secret({"secret": secret.reveal()}, secret.reveal(), f"new signing secret of {id}")


@office_command(app, "test")
async def test(desk: Desk, *, id: Id) -> ExitCode:
    """Send a test event now, and say what came of it."""
    task = await desk.office.webhooks.test(id)
    desk.output.confirm(task.to_json(), _outcome(task))
    return ExitCode.OK if task.state is WebhookState.DELIVERED else ExitCode.TRY_AGAIN


@office_command(app, "deliveries")
async def deliveries(desk: Desk, *, id: Id, listing: Listing) -> None:
    """List what was delivered to a webhook, what was not, and why."""

    async def fetch(*, cursor: str, limit: int) -> Page[WebhookTask]:
        return await desk.office.webhooks.deliveries(id, cursor=cursor, limit=limit)

    await desk.output.listed(
        fetch,
        listing,
        ("id", "event", "type", "state", "attempts", "status", "reason", "next attempt"),
        lambda task: (
            task.id,
            task.event,
            task.event_type,
            task.state,
            task.last.number if task.last else 0,
            task.last.status if task.last and task.last.status else "",
            task.last.reason if task.last else "",
            task.next_at,
        ),
        WebhookTask.to_json,
    )


@office_command(app, "replay")
async def replay(
    desk: Desk,
    *,
    id: Id,
    delivery: Annotated[list[str], typer.Argument(help="Ids of deliveries.", show_default=False)] = [],  # noqa: B006 - typer
    since: Annotated[
        str, typer.Option("--since", help="Every event since: 2026-01-31T09:00:00+01:00, or 2h, 3d ago.")
    ] = "",
) -> None:
    """Deliver again: those that are named, or every event since."""
    start = moment_of(since, "since", now=datetime.now(UTC), past=True)
    if not delivery and start is None:
        raise typer.BadParameter("name deliveries, or give --since")
    count = await desk.office.webhooks.replay(id, delivery, since=start)
    desk.output.confirm({"replayed": count}, f"{count} to be delivered again")


def _outcome(task: WebhookTask) -> str:
    last = task.last
    if last is None:
        return str(task.state)
    told = f"{task.state}: {last.reason}" if last.reason else f"{task.state}: {last.status}"
    return f"{told} ({last.hint})" if last.hint else told
