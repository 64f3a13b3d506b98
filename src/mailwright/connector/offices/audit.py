"""The audit trail, and whether anybody has written in it."""

from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.model.access import Action
from mailwright.model.audit import AuditEntry
from mailwright.model.page import Page
from mailwright.store.audit_chain import verify
from mailwright.store.queries.audit import audit_page


class AuditOffice(OfficePart):
    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[AuditEntry]:
        self._access.require(Action.AUDIT_READ)
        return await self._read(
            lambda conn: audit_page(
                conn, None if self._access.everywhere else self._workspace, cursor=cursor, limit=page_size(limit)
            )
        )

    async def verify(self) -> int:
        self._access.require(Action.ADMIN)
        return await self._read(verify)
