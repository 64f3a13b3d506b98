"""Events: what happened, as a list and live."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from mailwright.api.answers import Answer, Stream
from mailwright.api.closing import ended, until_gone
from mailwright.api.route import Call, route
from mailwright.api.routes.common import page_answer
from mailwright.model.access import Action
from mailwright.model.event import Event
from mailwright.wire.base import Nothing, Paged
from mailwright.wire.message_view import EventQuery, EventView, StreamQuery, event_view

_LAST_EVENT_ID = {"Last-Event-ID": "The `id` of the last event that was read: goes on behind it."}
_HEARTBEAT = b": still here\n\n"


@route("GET", "/v1/events", needs=[Action.EVENTS_READ], query=EventQuery, answers={200: Paged[EventView]})
async def list_events(call: Call[Nothing, EventQuery]) -> Answer:
    """List events, oldest first

    The last cursor stays good for what happens later.
    """
    query = call.query
    page = await call.office.events.list(
        types=query.type, message=query.message, account=query.account, cursor=query.cursor, limit=query.limit
    )
    return page_answer(page, event_view)


@route(
    "GET",
    "/v1/events/stream",
    needs=[Action.EVENTS_READ],
    query=StreamQuery,
    headers=_LAST_EVENT_ID,
    answers={200: "text/event-stream"},
)
async def stream(call: Call[Nothing, StreamQuery]) -> Answer:
    """Follow events live, as server-sent events

    From now on, or from behind the event that Last-Event-ID or `cursor` names. `id` is the cursor, `event` the type,
    `data` the event as JSON.
    """
    # Something that is wrong with the cursor is said before the stream begins.
    cursor = call.header(b"last-event-id") or call.query.cursor
    if cursor:
        await call.office.events.list(cursor=cursor, limit=1)
    return Stream(_followed(call, cursor), "text/event-stream", {"x-accel-buffering": "no"})


async def _followed(call: Call[Nothing, StreamQuery], cursor: str) -> AsyncGenerator[bytes, None]:
    events = call.office.events.stream(types=call.query.type, cursor=cursor)
    end = asyncio.ensure_future(until_gone(call.receive, call.closing))
    following = asyncio.ensure_future(anext(events))
    try:
        # Said at once, so that the caller knows that it listens.
        yield b"retry: 1000\n\n"
        while not end.done():
            await asyncio.wait(
                (following, end), timeout=call.settings.heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if following.done():
                position, event = following.result()
                following = asyncio.ensure_future(anext(events))
                yield _written(position, event)
            elif not end.done():
                yield _HEARTBEAT
    finally:
        for task in (following, end):
            task.cancel()
        await asyncio.gather(following, end, return_exceptions=True)
        await ended(events)


def _written(position: str, event: Event) -> bytes:
    # JSON has no line break in it, and our cursors and types have none.
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (
        position.encode(),
        event.type.value.encode(),
        msgspec.json.encode(event_view(event)),
    )
