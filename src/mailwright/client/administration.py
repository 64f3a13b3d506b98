"""The calls about suppressions, workspaces, tokens and the audit trail, over HTTP."""

from collections.abc import Sequence

from mailwright.client.accounts import if_match
from mailwright.client.http import Http, Request, path_of
from mailwright.client.reading import audit_entry_of, page_of, several_of, suppression_of, token_of, workspace_of
from mailwright.connector.calls import NewToken
from mailwright.model.access import Action, ApiToken
from mailwright.model.audit import AuditEntry
from mailwright.model.page import Page
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.model.workspace import SafeMode, Workspace
from mailwright.secret import Secret

_VERIFY_SECONDS = 600.0


class RemoteSuppressions:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def add(
        self, address: str, *, list: str = "", reason: SuppressionReason = SuppressionReason.MANUAL, note: str = ""
    ) -> Suppression:
        body = {"address": address, "list": list, "reason": reason, "note": note}
        return await self._http.call(
            Request("POST", path_of("suppressions"), body=body, repeatable=True), suppression_of
        )

    async def remove(self, address: str, *, list: str = "") -> None:
        await self._http.content(Request("DELETE", path_of("suppressions", address), {"list": list}))

    async def get(self, address: str) -> Sequence[Suppression]:
        request = Request("GET", path_of("suppressions", address), repeatable=True)
        return await self._http.call(request, lambda value: several_of(value, suppression_of))

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Suppression]:
        request = Request("GET", path_of("suppressions"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, suppression_of))


class RemoteWorkspaces:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(self, name: str, *, description: str = "") -> Workspace:
        body = {"name": name, "description": description}
        return await self._http.call(Request("POST", path_of("workspaces"), body=body), workspace_of)

    async def get(self, name: str) -> Workspace:
        return await self._http.call(Request("GET", path_of("workspaces", name), repeatable=True), workspace_of)

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Workspace]:
        request = Request("GET", path_of("workspaces"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, workspace_of))

    async def replace(
        self, name: str, *, description: str, safe_mode: SafeMode, version: int | None = None
    ) -> Workspace:
        body = {
            "description": description,
            "safe_mode": {"redirect_to": safe_mode.redirect_to, "allow": list(safe_mode.allow)},
        }
        request = Request("PUT", path_of("workspaces", name), body=body, headers=if_match(version))
        return await self._http.call(request, workspace_of)

    async def delete(self, name: str) -> None:
        await self._http.content(Request("DELETE", path_of("workspaces", name)))


class RemoteTokens:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def create(
        self,
        name: str,
        actions: Sequence[Action],
        *,
        workspace: str | None = None,
        accounts: Sequence[str] | None = None,
        expires_in_days: int = 90,
    ) -> NewToken:
        body = {
            "name": name,
            "actions": list(actions),
            "workspace": workspace,
            "accounts": list(accounts) if accounts is not None else None,
            "expires_in_days": expires_in_days,
        }
        return await self._http.call(
            Request("POST", path_of("tokens"), body=body),
            lambda value: NewToken(token_of(value["token"]), Secret(value["secret"])),
        )

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[ApiToken]:
        request = Request("GET", path_of("tokens"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, token_of))

    async def revoke(self, id: str) -> None:
        await self._http.content(Request("DELETE", path_of("tokens", id), repeatable=True))


class RemoteAudit:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AuditEntry]:
        request = Request("GET", path_of("audit"), {"cursor": cursor, "limit": limit}, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, audit_entry_of))

    async def verify(self) -> int:
        request = Request("GET", path_of("audit", "verify"), repeatable=True, waits=_VERIFY_SECONDS)
        return await self._http.call(request, lambda value: int(value["entries"]))
