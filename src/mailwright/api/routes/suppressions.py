"""The suppression list: addresses that get no more mail."""

from urllib.parse import quote

from mailwright.api.answers import Answer, answer, nothing
from mailwright.api.route import Call, route
from mailwright.api.routes.common import page_answer, several
from mailwright.model.access import Action
from mailwright.wire.admin import ListQuery, SuppressionIn, SuppressionView, suppression_view
from mailwright.wire.base import Nothing, Paged, PageQuery, Several

_NEEDS = [Action.SUPPRESSIONS_MANAGE]


@route("POST", "/v1/suppressions", needs=_NEEDS, body=SuppressionIn, answers={201: SuppressionView})
async def add(call: Call[SuppressionIn, Nothing]) -> Answer:
    """Add an address to the suppression list"""
    given = call.body
    entry = await call.office.suppressions.add(given.address, list=given.list, reason=given.reason, note=given.note)
    location = f"/v1/suppressions/{quote(entry.address, safe='@')}"
    return answer(suppression_view(entry), 201, location=location)


@route("GET", "/v1/suppressions", needs=_NEEDS, query=PageQuery, answers={200: Paged[SuppressionView]})
async def list_suppressions(call: Call[Nothing, PageQuery]) -> Answer:
    """List suppressed addresses"""
    page = await call.office.suppressions.list(cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, suppression_view)


@route("GET", "/v1/suppressions/{address}", needs=_NEEDS, answers={200: Several[SuppressionView]})
async def get(call: Call[Nothing, Nothing]) -> Answer:
    """Read the entries of one address; none means that it gets mail"""
    return several(await call.office.suppressions.get(call.path["address"]), suppression_view)


@route("DELETE", "/v1/suppressions/{address}", needs=_NEEDS, query=ListQuery, answers={204: None})
async def remove(call: Call[Nothing, ListQuery]) -> Answer:
    """Remove one entry of an address"""
    await call.office.suppressions.remove(call.path["address"], list=call.query.list)
    return nothing()
