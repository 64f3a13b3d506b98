"""The body of a webhook: one event as JSON, the same bytes at every attempt and at every replay.

{"type": "message.sent", "timestamp": "2030-01-31T12:00:00.000000Z", "version": 1,
 "data": {…, "event_id": "evt_…", "workspace": "default", "account": "acc_…", "message": "msg_…"}}

Receivers rely on it: names are added, never taken away or given another meaning. What cannot keep that promise gets
the next version number.
"""

import json

from mailwright.model.event import Event
from mailwright.model.outbox_json import iso

VERSION = 1


def payload_of(event: Event) -> bytes:
    """The ids come last and win over names in the event's own data."""
    data = {
        **event.data,
        "event_id": event.id,
        "workspace": event.workspace,
        "account": event.account,
        "message": event.message,
    }
    body = {"type": event.type.value, "timestamp": iso(event.at), "version": VERSION, "data": data}
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # What a server said may hold bytes that are no UTF-8, kept as surrogates: no reader of JSON takes those.
    return text.encode("utf-8", "replace")
