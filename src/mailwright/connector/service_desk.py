"""What the HTTP API and the public pages ask of the service: who somebody is, how things stand, who leaves a list."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text

from mailwright.connector.measures import Measure, measures
from mailwright.connector.offices.office import LocalOffice
from mailwright.connector.offices.suppressions import SuppressionsOffice
from mailwright.connector.service import Service
from mailwright.connector.unsubscribe import Subscription
from mailwright.errors import StoreError
from mailwright.model.access import Access
from mailwright.model.suppression import SuppressionReason
from mailwright.store.queries.suppressions import suppressions_of


class Leaving(NamedTuple):
    address: str
    list: str
    left: bool


class ServiceDesk:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def authenticate(self, token: str) -> Access:
        return await self._service.tokens.authenticate(token)

    def office(self, access: Access) -> LocalOffice:
        return self._service.office(access)

    async def readiness(self) -> Mapping[str, str]:
        """A node is ready when it can commit; whether mail gets through is said by accounts and metrics."""
        reasons = {"database": "", "background": ""}
        try:
            await self._service.parts.database.read(lambda conn: conn.execute(text("SELECT 1")).scalar_one())
        except StoreError as error:
            reasons["database"] = error.code
        ended = self._service.ended_parts()
        if ended:
            reasons["background"] = f"{', '.join(ended)} ended"
        return reasons

    async def metrics(self) -> Sequence[Measure]:
        return await measures(self._service.parts)

    # The public page.

    async def describe_unsubscribe(self, token: str) -> Leaving:
        subscription = self._service.parts.links.read(token)
        return Leaving(subscription.address, subscription.list, await self._has_left(subscription))

    async def unsubscribe(self, token: str) -> Leaving:
        subscription = self._service.parts.links.read(token)
        if not await self._has_left(subscription):
            office = SuppressionsOffice(
                self._service.parts, Access("unsubscribe link", workspace=subscription.workspace, actions=frozenset())
            )
            await office.record(
                subscription.address,
                list=subscription.list,
                reason=SuppressionReason.UNSUBSCRIBED,
                message=subscription.message,
            )
        return Leaving(subscription.address, subscription.list, left=True)

    async def _has_left(self, subscription: Subscription) -> bool:
        found = await self._service.parts.database.read(
            lambda conn: suppressions_of(conn, subscription.workspace, subscription.address)
        )
        return any(suppression.list in {"", subscription.list} for suppression in found)
