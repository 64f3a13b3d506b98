"""The limits that the API keeps. They are kept by each node for itself, in memory."""

from dataclasses import dataclass
from typing import Self

from mailwright.settings import Settings

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiSettings:
    #: of a call that sends, and of one item of a bulk call; base64 takes a third more than the files themselves
    max_message_bytes: int = 35 * MEGABYTE
    #: of every other call
    max_body_bytes: int = MEGABYTE
    #: between two pieces of a body, and for the whole body of a call that is no bulk call
    body_seconds: float = 60.0
    #: messages in one bulk call; what came of each is kept in memory until the caller reads it
    max_bulk_items: int = 200_000
    #: calls in a second by one token, and how many may come at once beyond that
    requests_per_second: float = 1000.0
    burst: int = 1000
    #: calls by one token that are under way at once, waiting ones and streams included
    concurrency: int = 256
    #: of one call that waits
    max_wait_seconds: float = 60.0
    #: a comment on a stream of events that has nothing to say, so that nobody between closes it
    heartbeat_seconds: float = 15.0
    #: a line of the log for each call: method, route, status, time, who; never an address or a query
    log_requests: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What the operator set; a burst is as much as a second allows."""
        return cls(
            max_message_bytes=settings.max_request_bytes,
            requests_per_second=settings.requests_per_second,
            burst=max(1, int(settings.requests_per_second)),
            concurrency=settings.concurrent_requests,
        )
