"""Accounts: what mail is sent by."""

from urllib.parse import quote

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
from mailwright.model.access import Action
from mailwright.model.account_record import AccountRecord
from mailwright.model.account_record_json import record_to_json
from mailwright.wire.account import AccountIn, AccountSettingsIn, AccountView, CheckView, to_settings
from mailwright.wire.base import Nothing, Paged, PageQuery


@route("POST", "/v1/accounts", needs=[Action.ACCOUNTS_MANAGE], body=AccountIn, answers={201: AccountView})
async def create(call: Call[AccountIn, Nothing]) -> Answer:
    """Create an account"""
    record = await call.office.accounts.create(call.body.name, to_settings(call.body))
    return _shown(call, record, status=201)


@route("GET", "/v1/accounts", needs=[Action.ACCOUNTS_READ], query=PageQuery, answers={200: Paged[AccountView]})
async def list_accounts(call: Call[Nothing, PageQuery]) -> Answer:
    """List accounts"""
    return page_answer(
        await call.office.accounts.list(cursor=call.query.cursor, limit=call.query.limit), record_to_json
    )


@route(
    "GET",
    "/v1/accounts/{name}",
    needs=[Action.ACCOUNTS_READ],
    headers=IF_NONE_MATCH,
    answers={200: AccountView, 304: None},
)
async def get(call: Call[Nothing, Nothing]) -> Answer:
    """Read an account; secrets show as ***"""
    return _shown(call, await call.office.accounts.get(call.path["name"]))


@route(
    "PUT",
    "/v1/accounts/{name}",
    needs=[Action.ACCOUNTS_MANAGE],
    body=AccountSettingsIn,
    headers=IF_MATCH,
    answers={200: AccountView},
)
async def replace(call: Call[AccountSettingsIn, Nothing]) -> Answer:
    """Replace an account

    A password that is left out stays, as long as it goes to the same server as before.
    """
    accounts = call.office.accounts
    version = expected_version(call)
    name = call.path["name"]
    existing = await accounts.get(name)
    # Without If-Match the change still must not undo one that came between this reading and this writing.
    record = await accounts.replace(
        name, to_settings(call.body, existing), version=existing.version if version is None else version
    )
    return _shown(call, record)


@route("DELETE", "/v1/accounts/{name}", needs=[Action.ACCOUNTS_MANAGE], headers=IF_MATCH, answers={204: None})
async def delete(call: Call[Nothing, Nothing]) -> Answer:
    """Delete an account; messages that wait are cancelled"""
    if call.header(b"if-match"):
        check_version(call, (await call.office.accounts.get(call.path["name"])).version)
    await call.office.accounts.delete(call.path["name"])
    return nothing()


@route("POST", "/v1/accounts/{name}/check", needs=[Action.ACCOUNTS_MANAGE], answers={200: CheckView})
async def check(call: Call[Nothing, Nothing]) -> Answer:
    """Connect, encrypt and sign in, without sending anything"""
    return answer((await call.office.accounts.check(call.path["name"])).to_json())


@route("POST", "/v1/accounts/{name}/pause", needs=[Action.ACCOUNTS_MANAGE], answers={200: AccountView})
async def pause(call: Call[Nothing, Nothing]) -> Answer:
    """Send nothing more for now; the queue waits"""
    return _shown(call, await call.office.accounts.pause(call.path["name"]))


@route("POST", "/v1/accounts/{name}/resume", needs=[Action.ACCOUNTS_MANAGE], answers={200: AccountView})
async def resume(call: Call[Nothing, Nothing]) -> Answer:
    """End a pause, and the wait of an account that is parked"""
    return _shown(call, await call.office.accounts.resume(call.path["name"]))


def _shown(
    call: Call[AccountIn, Nothing] | Call[AccountSettingsIn, Nothing] | Call[Nothing, Nothing],
    record: AccountRecord,
    *,
    status: int = 200,
) -> Answer:
    location = f"/v1/accounts/{quote(record.name, safe='')}" if status == 201 else ""
    return tagged(call, record_to_json(record), record.version, status=status, location=location)
