"""What every office shares: the parts of the service, the access, and the words of the audit trail."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailwright.connector.clock import moment, now
from mailwright.connector.offices.parts import Parts
from mailwright.errors import InvalidInput
from mailwright.model.access import Access
from mailwright.model.changes import AddAudit, AddEvent
from mailwright.model.event import Event, EventType
from mailwright.model.page import MAX_PAGE
from mailwright.store.commit import commit
from mailwright.store.ids import new_id

_Result = TypeVar("_Result")


class OfficePart:
    def __init__(self, parts: Parts, access: Access) -> None:
        self._parts = parts
        self._access = access
        self._workspace = access.workspace

    async def _read(self, function: Callable[[Connection], _Result]) -> _Result:
        return await self._parts.database.read(function)

    async def _commit(self, *changes: object) -> list[Any]:
        return await commit(self._parts.database, changes, box=self._parts.secrets)

    def _audited(self, action: str, target: str, details: Mapping[str, Any] | None = None) -> AddAudit:
        return AddAudit(now(), self._access.actor, self._workspace, action, target, details or {})

    def _happened(self, type: EventType, *, account: str = "", data: Mapping[str, Any] | None = None) -> AddEvent:
        return AddEvent(Event(new_id("evt"), self._workspace, type, moment(now()), account=account, data=data or {}))


def page_size(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"a page has 1 to {MAX_PAGE} items", field="limit")
    return limit
