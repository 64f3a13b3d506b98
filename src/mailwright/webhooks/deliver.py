"""One attempt to deliver one event to one endpoint. Writes nothing: what came of it is the returned value."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from mailwright.errors import EgressError
from mailwright.model.event import Event
from mailwright.model.webhook import WebhookAttempt, WebhookEndpoint
from mailwright.webhooks.judge import Answer, judge
from mailwright.webhooks.payload import payload_of
from mailwright.webhooks.signing import signed_headers

#: seconds for the whole request; a receiver that has more to do acknowledges first
TIMEOUT = 20.0
#: of the answer, which nobody reads: its head says it all, and showing the body would let whoever chose the address
#: read what stands behind it
_MAX_ANSWER = 65_536


class EgressAnswer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def address(self) -> str: ...
    @property
    def elapsed(self) -> float: ...


class EgressPort(Protocol):
    """The guarded HTTP client, for webhooks alone. Raises EgressError."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes,
        timeout: float,  # noqa: ASYNC109 - of the whole request
        max_bytes: int,
    ) -> EgressAnswer: ...


async def deliver(
    endpoint: WebhookEndpoint, event: Event, egress: EgressPort, now: datetime, *, number: int, jitter: float
) -> WebhookAttempt:
    """`number` counts the attempts from 1; `jitter` lies in 0 ≤ jitter < 1 and varies the wait for the next one."""
    body = payload_of(event)
    headers = {
        "content-type": "application/json",
        "user-agent": "Mailwright-Webhooks",
        **signed_headers(event.id, body, endpoint.live_secrets(now), now),
    }
    try:
        found = await egress.request(
            "POST", endpoint.url, headers=headers, content=body, timeout=TIMEOUT, max_bytes=_MAX_ANSWER
        )
    except EgressError as error:
        return judge(error, number=number, now=now + timedelta(seconds=error.elapsed), jitter=jitter)
    answer = Answer(found.status, found.headers, found.address, found.elapsed)
    return judge(answer, number=number, now=now + timedelta(seconds=found.elapsed), jitter=jitter)
