"""Who gets no more mail: full control, because a list that only grows is wrong one day."""

from collections.abc import Sequence
from datetime import UTC, datetime

from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.errors import NotFound
from mailwright.model.access import Action
from mailwright.model.address_syntax import parse_address
from mailwright.model.changes import DropSuppression, PutSuppression
from mailwright.model.event import EventType
from mailwright.model.page import Page
from mailwright.model.suppression import Suppression, SuppressionReason
from mailwright.store.queries.suppressions import suppression_page, suppressions_of


class SuppressionsOffice(OfficePart):
    async def add(
        self, address: str, *, list: str = "", reason: SuppressionReason = SuppressionReason.MANUAL, note: str = ""
    ) -> Suppression:
        self._access.require(Action.SUPPRESSIONS_MANAGE)
        return await self.record(address, list=list, reason=reason, note=note)

    async def record(
        self, address: str, *, list: str, reason: SuppressionReason, note: str = "", message: str = ""
    ) -> Suppression:
        """Also for the public page, where nobody has a token."""
        spec = parse_address(address, field="address").spec.lower()
        suppression = Suppression(self._workspace, spec, list, reason, datetime.now(UTC), message, note)
        data = {"address": spec, "list": list, "reason": reason.value}
        await self._commit(
            PutSuppression(suppression),
            self._happened(EventType.SUPPRESSION_ADDED, data=data),
            self._audited("suppression.add", spec, {"list": list, "reason": reason.value}),
        )
        return suppression

    async def remove(self, address: str, *, list: str = "") -> None:
        self._access.require(Action.SUPPRESSIONS_MANAGE)
        spec = parse_address(address, field="address").spec.lower()
        if not any(found.list == list for found in await self.get(spec)):
            raise NotFound(f"{spec} is not on this list", field="address")
        await self._commit(
            DropSuppression(self._workspace, list, spec),
            self._happened(EventType.SUPPRESSION_REMOVED, data={"address": spec, "list": list}),
            self._audited("suppression.remove", spec, {"list": list}),
        )

    async def get(self, address: str) -> Sequence[Suppression]:
        self._access.require(Action.SUPPRESSIONS_MANAGE)
        spec = parse_address(address, field="address").spec.lower()
        return await self._read(lambda conn: suppressions_of(conn, self._workspace, spec))

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[Suppression]:
        self._access.require(Action.SUPPRESSIONS_MANAGE)
        return await self._read(
            lambda conn: suppression_page(conn, self._workspace, cursor=cursor, limit=page_size(limit))
        )
