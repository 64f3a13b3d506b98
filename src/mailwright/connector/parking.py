"""Accounts that cannot be used now: parked visibly, looked at again later, their messages losing no attempt."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mailwright.connector.clock import moment
from mailwright.model.account_record import AccountRecord
from mailwright.model.changes import AddEvent, ParkLane
from mailwright.model.event import Event, EventType
from mailwright.model.outbox import Failure
from mailwright.model.outbox_json import failure_to_json, iso
from mailwright.sending.settle import park_until
from mailwright.store.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime


#: microseconds; until the row of the lane says that it is parked, more of it may be claimed
_WRITTEN_WITHIN = 1_000_000


class _Wait(NamedTuple):
    begun: int
    until: int
    #: how often in a row
    times: int


class Parking:
    """What this node has parked. The row of the lane is the truth; this only keeps it from being written twice."""

    def __init__(self) -> None:
        self._parked: dict[str, _Wait] = {}
        #: lane → the beginning of the wait that ended, which the directory may still show for a moment
        self._ended: dict[str, datetime] = {}

    def failed(
        self, record: AccountRecord, failure: Failure, at: int, jitter: float, *, claimed_at: int
    ) -> Sequence[object]:
        """The changes that park it; none for what was in hand already when it was parked (one dead server fails many
        messages). What was claimed later was claimed because somebody ended the wait, and in vain."""
        last = self._parked.get(record.id, _Wait(0, 0, 0))
        if last.until > at and claimed_at <= last.begun + _WRITTEN_WITHIN:
            return []
        times, since = last.times, moment(at)
        if record.parked is not None and self._ended.get(record.id) != record.parked.since:
            times, since = max(times, record.parked.times), record.parked.since
        until = park_until(times + 1, now=at, jitter=jitter)
        self._parked[record.id] = _Wait(at, until, times + 1)
        said = {
            "since": iso(since),
            "until": iso(moment(until)),
            "times": times + 1,
            "failure": failure_to_json(failure),
        }
        return [
            ParkLane(record.id, until, msgspec.json.encode(said).decode()),
            AddEvent(_event(record, EventType.ACCOUNT_PARKED, at, said)),
        ]

    def works(self, record: AccountRecord, *, at: int) -> Sequence[object]:
        """A server has answered: the changes that end the wait, none when there was none."""
        waited = record.id in self._parked
        self._parked.pop(record.id, None)
        shown = record.parked is not None and self._ended.get(record.id) != record.parked.since
        if not waited and not shown:
            return []
        if record.parked is not None:
            self._ended[record.id] = record.parked.since
        return [ParkLane(record.id, 0, None), AddEvent(_event(record, EventType.ACCOUNT_UNPARKED, at, {}))]


def _event(record: AccountRecord, type: EventType, at: int, data: Mapping[str, object]) -> Event:
    return Event(new_id("evt"), record.workspace, type, moment(at), account=record.id, data=data)
