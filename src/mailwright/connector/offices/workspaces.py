"""Tenants."""

from datetime import UTC, datetime

from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.errors import NotFound
from mailwright.model.access import Action
from mailwright.model.address_syntax import parse_address
from mailwright.model.changes import DropWorkspace, PutWorkspace
from mailwright.model.page import Page
from mailwright.model.workspace import SafeMode, Workspace, workspace_name
from mailwright.store.queries.workspaces import workspace_by_name, workspace_page


class WorkspacesOffice(OfficePart):
    async def create(self, name: str, *, description: str = "") -> Workspace:
        self._access.require_everywhere()
        made = Workspace(workspace_name(name), description, datetime.now(UTC))
        await self._commit(PutWorkspace(made, 0), self._audited("workspace.create", name))
        return made

    async def get(self, name: str) -> Workspace:
        self._access.require(Action.WORKSPACES_MANAGE)
        if name != self._workspace and not self._access.everywhere:
            raise NotFound(f"there is no workspace {name!r}", field="workspace")
        found = await self._read(lambda conn: workspace_by_name(conn, name))
        if found is None:
            raise NotFound(f"there is no workspace {name!r}", field="workspace")
        return found

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Workspace]:
        self._access.require_everywhere()
        return await self._read(lambda conn: workspace_page(conn, cursor=cursor, limit=page_size(limit)))

    async def replace(
        self, name: str, *, description: str, safe_mode: SafeMode, version: int | None = None
    ) -> Workspace:
        before = await self.get(name)
        if safe_mode.redirect_to:
            redirect = parse_address(safe_mode.redirect_to, field="safe_mode.redirect_to").spec
            safe_mode = SafeMode(redirect, safe_mode.allow)
        expected = version or before.version
        made = Workspace(name, description, before.created_at, safe_mode, expected + 1)
        await self._commit(
            PutWorkspace(made, expected), self._audited("workspace.replace", name, {"safe_mode": safe_mode.on})
        )
        self._parts.directory.forget()
        return made

    async def delete(self, name: str) -> None:
        await self.get(name)
        self._access.require_everywhere()
        await self._commit(DropWorkspace(name), self._audited("workspace.delete", name))
        self._parts.directory.forget()
