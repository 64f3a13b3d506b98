"""Tokens: who may call."""

from mailwright.api.answers import Answer, answer, nothing
from mailwright.api.route import Call, route
from mailwright.api.routes.common import page_answer
from mailwright.model.access import Action
from mailwright.wire.admin import NewTokenView, TokenIn, TokenView, new_token_view, token_view
from mailwright.wire.base import Nothing, Paged, PageQuery

_NEEDS = [Action.TOKENS_MANAGE]


@route("POST", "/v1/tokens", needs=_NEEDS, body=TokenIn, answers={201: NewTokenView})
async def create(call: Call[TokenIn, Nothing]) -> Answer:
    """Make a token; its secret is shown this once

    Nobody can make a token that may do more than they may themselves.
    """
    given = call.body
    made = await call.office.tokens.create(
        given.name,
        given.actions,
        workspace=given.workspace,
        accounts=given.accounts,
        expires_in_days=given.expires_in_days,
    )
    return answer(new_token_view(made), 201)


@route("GET", "/v1/tokens", needs=_NEEDS, query=PageQuery, answers={200: Paged[TokenView]})
async def list_tokens(call: Call[Nothing, PageQuery]) -> Answer:
    """List tokens, without their secrets"""
    page = await call.office.tokens.list(cursor=call.query.cursor, limit=call.query.limit)
    return page_answer(page, token_view)


@route("DELETE", "/v1/tokens/{id}", needs=_NEEDS, answers={204: None})
async def revoke(call: Call[Nothing, Nothing]) -> Answer:
    """Revoke a token"""
    await call.office.tokens.revoke(call.path["id"])
    return nothing()
