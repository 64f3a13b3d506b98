"""One claim: what it takes from which lane, in one transaction. The databases only spell the statements."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from mailwright.work.budget import LaneLimits, allowance, charged
from mailwright.work.statements import LaneAhead, QueueRow, Statements

_LANE, _DUE_ORDER = 1, (2, 4, 0)


class ClaimRequest(NamedTuple):
    limit: int
    per_lane: int
    lease_us: int
    now: int
    #: the lane that was served last; None: none yet
    cursor: str | None
    #: what the caller has of a lane already, so that a slow one does not fill its hands
    in_hand: Mapping[str, int] = {}


class ClaimAnswer(NamedTuple):
    recovered: list[QueueRow]
    rows: list[QueueRow]
    cursor: str | None


def claim(statements: Statements, conn: Connection, request: ClaimRequest) -> ClaimAnswer:
    now, recovered = statements.begin(conn, request.now, request.lease_us, request.limit)
    rows: list[QueueRow] = []
    round_trip = _Round(request.cursor)
    cursor = request.cursor
    wanted_lanes = -(-request.limit // request.per_lane)
    while (room := request.limit - len(recovered) - len(rows)) > 0:
        ahead = round_trip.next(wanted_lanes, lambda *stretch: statements.lanes(conn, now, *stretch))
        if not ahead:
            break
        taken = _take(statements, conn, _Taking(now, request.lease_us, request.per_lane, room, request.in_hand), ahead)
        if taken:
            rows += taken
            cursor = taken[-1][_LANE]
        # The first lanes gave less than they might: look at as many as could be needed, rather than at few often.
        wanted_lanes = room
    return ClaimAnswer(recovered, rows, cursor)


class _Taking(NamedTuple):
    now: int
    lease_us: int
    per_lane: int
    room: int
    in_hand: Mapping[str, int]


def _take(statements: Statements, conn: Connection, taking: _Taking, ahead: Sequence[LaneAhead]) -> list[QueueRow]:
    limited = [lane.lane for lane in ahead if lane.limited]
    limits = {lane.lane: lane for lane in statements.limits(conn, taking.now, limited)} if limited else {}
    rooms = []
    for lane in ahead:
        room = taking.per_lane - taking.in_hand.get(lane.lane, 0)
        if lane.limited and room > 0:
            room = allowance(limits[lane.lane], taking.now, room) if lane.lane in limits else 0
        if room > 0:
            rooms.append((lane.lane, room))
    if not rooms:
        return []
    rows = statements.take(conn, rooms, taking.now + taking.lease_us, taking.room)
    turns = {lane: turn for turn, (lane, _) in enumerate(rooms)}
    rows.sort(key=lambda row: (turns[row[_LANE]], *(row[place] for place in _DUE_ORDER)))
    _charge(statements, conn, taking.now, limits, rows)
    return rows


def _charge(
    statements: Statements, conn: Connection, now: int, limits: dict[str, LaneLimits], rows: Sequence[QueueRow]
) -> None:
    taken = Counter(row[_LANE] for row in rows)
    arrivals = [
        (lane, charged(limit, now, taken[lane]))
        for lane, limit in limits.items()
        if limit.interval_us is not None and taken[lane]
    ]
    if arrivals:
        statements.charge(conn, arrivals)


class _Round:
    """Once round the lanes: from behind the cursor to the end, and from the start to the cursor."""

    def __init__(self, cursor: str | None) -> None:
        whole: list[tuple[str | None, str | None]] = [(None, None)]
        self._stretches = deque(whole if cursor is None else [(cursor, None), (None, cursor)])

    def next(self, count: int, look: Callable[[str | None, str | None, int], list[LaneAhead]]) -> list[LaneAhead]:
        found: list[LaneAhead] = []
        while self._stretches and len(found) < count:
            after, last = self._stretches.popleft()
            wanted = count - len(found)
            more = look(after, last, wanted)
            found += more
            if len(more) == wanted:
                self._stretches.appendleft((more[-1].lane, last))
        return found
