"""The calls about events, over HTTP: as a list, and live."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec

from mailwright.client.http import Http, Query, Request, path_of
from mailwright.client.reading import event_of, page_of
from mailwright.client.server_sent import EventReader
from mailwright.errors import EgressFailed
from mailwright.model.event import Event
from mailwright.model.page import Page

#: the service says something every 15 seconds: after this long without a word it is gone
_QUIET_SECONDS = 60.0
_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class RemoteEvents:
    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(
        self, *, types: Sequence[str] = (), message: str = "", account: str = "", cursor: str = "", limit: int = 50
    ) -> Page[Event]:
        query: Query = {"type": list(types), "message": message, "account": account, "cursor": cursor, "limit": limit}
        request = Request("GET", path_of("events"), query, repeatable=True)
        return await self._http.call(request, lambda value: page_of(value, event_of))

    async def stream(self, *, types: Sequence[str] = (), cursor: str = "") -> AsyncIterator[tuple[str, Event]]:
        """A connection that is lost is made again, and goes on behind the last event that came. What happens before
        the first one came, while nothing was connected, is not seen: give a cursor where that matters."""
        position, connected, pause = cursor, False, _PAUSE
        while True:
            reader = EventReader()
            headers = {"last-event-id": position} if position else {}
            request = Request("GET", path_of("events", "stream"), {"type": list(types)}, headers=headers)
            try:
                async with self._http.streamed(request, quiet_seconds=_QUIET_SECONDS) as answer:
                    connected, pause = True, _PAUSE
                    async for chunk in answer.aiter_bytes():
                        for sent in reader.feed(chunk):
                            position = sent.id
                            yield sent.id, event_of(msgspec.json.decode(sent.data))
            except EgressFailed:
                # One that never worked is most likely a wrong address.
                if not connected:
                    raise
            await asyncio.sleep(reader.retry or pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
