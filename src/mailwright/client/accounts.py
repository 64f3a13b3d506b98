"""The calls about accounts, over HTTP."""

from mailwright.client.http import Http, Query, Request, path_of
from mailwright.client.reading import account_of, check_of, page_of
from mailwright.client.writing import settings_body
from mailwright.connector.calls import AccountSettings
from mailwright.model.account_record import AccountRecord
from mailwright.model.check import CheckReport
from mailwright.model.page import Page

_CHECK_SECONDS = 300.0


class RemoteAccounts:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(self, name: str, settings: AccountSettings) -> AccountRecord:
        body = {"name": name, **settings_body(settings)}
        return await self._http.call(Request("POST", path_of("accounts"), body=body), account_of)

    async def get(self, name: str) -> AccountRecord:
        return await self._http.call(Request("GET", path_of("accounts", name), repeatable=True), account_of)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AccountRecord]:
        query: Query = {"cursor": cursor, "limit": limit}
        request = Request("GET", path_of("accounts"), query, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, account_of))

    async def replace(self, name: str, settings: AccountSettings, *, version: int | None = None) -> AccountRecord:
        return await self._http.call(
            Request("PUT", path_of("accounts", name), body=settings_body(settings), headers=if_match(version)),
            account_of,
        )

    async def delete(self, name: str) -> None:
        await self._http.content(Request("DELETE", path_of("accounts", name)))

    async def pause(self, name: str) -> AccountRecord:
        request = Request("POST", path_of("accounts", name, "pause"), repeatable=True)
        return await self._http.call(request, account_of)

    async def resume(self, name: str) -> AccountRecord:
        request = Request("POST", path_of("accounts", name, "resume"), repeatable=True)
        return await self._http.call(request, account_of)

    async def check(self, name: str) -> CheckReport:
        request = Request("POST", path_of("accounts", name, "check"), repeatable=True, waits=_CHECK_SECONDS)
        return await self._http.call(request, check_of)


def if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"if-match": f'"{version}"'}
