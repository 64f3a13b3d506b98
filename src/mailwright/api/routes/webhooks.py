"""Webhooks: where events go."""

from mailwright.api.answers import Answer, answer, nothing
from mailwright.api.route import Call, route
from mailwright.api.routes.common import (
    IF_MATCH,
    IF_NONE_MATCH,
    check_version,
    expected_version,
    page_answer,
    tagged,
)
from mailwright.errors import InvalidInput
from mailwright.model.access import Action
from mailwright.model.webhook import WebhookEndpoint, WebhookTask
from mailwright.wire.base import Nothing, Paged, PageQuery
from mailwright.wire.webhook import (
    NewWebhookView,
    ReplayedView,
    ReplayIn,
    RotateIn,
    SecretView,
    WebhookDeliveryView,
    WebhookHealthView,
    WebhookIn,
    WebhookSettingsIn,
    WebhookView,
)

_NEEDS = [Action.WEBHOOKS_MANAGE]


@route("POST", "/v1/webhooks", needs=_NEEDS, body=WebhookIn, answers={201: NewWebhookView})
async def create(call: Call[WebhookIn, Nothing]) -> Answer:
    """Create a webhook; its signing secret is shown this once"""
    given = call.body
    made, secret = await call.office.webhooks.create(
        given.url, events=given.events, accounts=given.accounts, description=given.description
    )
    return answer({"webhook": made.to_json(), "secret": secret.reveal()}, 201, location=f"/v1/webhooks/{made.id}")


@route("GET", "/v1/webhooks", needs=_NEEDS, query=PageQuery, answers={200: Paged[WebhookView]})
async def list_webhooks(call: Call[Nothing, PageQuery]) -> Answer:
    """List webhooks"""
    page = await call.office.webhooks.list(cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, WebhookEndpoint.to_json)


@route("GET", "/v1/webhooks/{id}", needs=_NEEDS, headers=IF_NONE_MATCH, answers={200: WebhookView, 304: None})
async def get(call: Call[Nothing, Nothing]) -> Answer:
    """Read a webhook, without its secrets"""
    found = await call.office.webhooks.get(call.path["id"])
    return tagged(call, found.to_json(), found.version)


@route("PUT", "/v1/webhooks/{id}", needs=_NEEDS, body=WebhookSettingsIn, headers=IF_MATCH, answers={200: WebhookView})
async def replace(call: Call[WebhookSettingsIn, Nothing]) -> Answer:
    """Replace a webhook; its secrets stay"""
    given = call.body
    changed = await call.office.webhooks.replace(
        call.path["id"],
        url=given.url,
        events=given.events,
        accounts=given.accounts,
        description=given.description,
        enabled=given.enabled,
        version=expected_version(call),
    )
    return tagged(call, changed.to_json(), changed.version)


@route("DELETE", "/v1/webhooks/{id}", needs=_NEEDS, headers=IF_MATCH, answers={204: None})
async def delete(call: Call[Nothing, Nothing]) -> Answer:
    """Delete a webhook"""
    if call.header(b"if-match"):
        check_version(call, (await call.office.webhooks.get(call.path["id"])).version)
    await call.office.webhooks.delete(call.path["id"])
    return nothing()


@route("POST", "/v1/webhooks/{id}/rotate-secret", needs=_NEEDS, body=RotateIn, answers={200: SecretView})
async def rotate_secret(call: Call[RotateIn, Nothing]) -> Answer:
    """Make a new signing secret; both sign for a while"""
    secret = await call.office.webhooks.rotate_secret(call.path["id"], overlap_seconds=call.body.overlap_seconds)
    return answer(SecretView(secret=secret.reveal()))


@route("POST", "/v1/webhooks/{id}/test", needs=_NEEDS, answers={200: WebhookDeliveryView})
async def test(call: Call[Nothing, Nothing]) -> Answer:
    """Send a test event now, and see what comes of it"""
    return answer((await call.office.webhooks.test(call.path["id"])).to_json())


@route("GET", "/v1/webhooks/{id}/health", needs=_NEEDS, answers={200: WebhookHealthView})
async def health(call: Call[Nothing, Nothing]) -> Answer:
    """See how the last deliveries to a webhook went"""
    return answer((await call.office.webhooks.health(call.path["id"])).to_json())


@route(
    "GET",
    "/v1/webhooks/{id}/deliveries",
    needs=_NEEDS,
    query=PageQuery,
    answers={200: Paged[WebhookDeliveryView]},
)
async def deliveries(call: Call[Nothing, PageQuery]) -> Answer:
    """List what was delivered to a webhook, what was not, and why"""
    page = await call.office.webhooks.deliveries(call.path["id"], cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, WebhookTask.to_json)


@route("POST", "/v1/webhooks/{id}/replay", needs=_NEEDS, body=ReplayIn, answers={200: ReplayedView})
async def replay(call: Call[ReplayIn, Nothing]) -> Answer:
    """Deliver events again"""
    given = call.body
    if not given.deliveries and given.since is None:
        raise InvalidInput("it is not said which", field="deliveries", hint="name deliveries, or give since")
    count = await call.office.webhooks.replay(call.path["id"], given.deliveries, since=given.since)
    return answer(ReplayedView(replayed=count))
