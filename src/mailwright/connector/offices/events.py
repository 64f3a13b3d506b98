"""What happened, as a list and live."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.model.access import Action
from mailwright.model.event import Event
from mailwright.model.page import Page
from mailwright.store.queries.events import event_page, last_event_cursor, look_at_events

#: events of other nodes are seen after this long
LOOK_SECONDS = 1.0
_AT_ONCE = 200


class EventsOffice(OfficePart):
    async def list(
        self, *, types: Sequence[str] = (), message: str = "", account: str = "", cursor: str = "", limit: int = 50
    ) -> Page[Event]:
        self._access.require(Action.EVENTS_READ)
        return await self._page(types, message=message, account=account, cursor=cursor, limit=page_size(limit))

    async def stream(self, *, types: Sequence[str] = (), cursor: str = "") -> AsyncIterator[tuple[str, Event]]:
        self._access.require(Action.EVENTS_READ)
        position = cursor or await self._read(lambda conn: last_event_cursor(conn, self._workspace))
        seen = self._access.accounts
        listener = self._parts.wake.listener()
        while True:
            look = partial(
                look_at_events, workspace=self._workspace, types=types, accounts=seen, cursor=position, limit=_AT_ONCE
            )
            found = await self._read(look)
            for place, event in found.events:
                yield place, event
            position = found.next_cursor
            if len(found.events) < _AT_ONCE:
                await listener.wait(LOOK_SECONDS)

    async def _page(self, types: Sequence[str], *, message: str, account: str, cursor: str, limit: int) -> Page[Event]:
        seen = self._access.accounts
        return await self._read(
            lambda conn: event_page(
                conn,
                self._workspace,
                types=types,
                message=message,
                account=account,
                accounts=seen,
                cursor=cursor,
                limit=limit,
            )
        )
