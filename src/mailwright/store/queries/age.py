"""From a time to a place in a table that grows at its end, without an index on the time.

Ids and numbers are given in the order of time, near enough: clocks of nodes differ. So the place is looked for by
halving, some forty looks at an index, and an hour of slack is left on either side; the exact time is still compared in
each row.
"""

from collections.abc import Callable

from sqlalchemy import Connection, bindparam, func, select

from mailwright.store.schema import message

SLACK_US = 3_600_000_000

# Two questions: SQLite answers one of them from the end of an index, and both at once from every entry.
_MESSAGE_ENDS = select(
    select(func.min(message.c.id)).scalar_subquery().label("first"),
    select(func.max(message.c.id)).scalar_subquery().label("last"),
)
_MESSAGE_TIME = select(message.c.created_at).where(message.c.id >= bindparam("id")).order_by(message.c.id).limit(1)

#: of a UUID, the first 12 hex digits are the milliseconds
_TIME_DIGITS = 12


def message_id_at(conn: Connection, moment_us: int) -> str:
    """Messages from this time on have this id or a later one."""
    first, last = conn.execute(_MESSAGE_ENDS).one()
    if first is None:
        return ""
    prefix, _, _ = first.rpartition("_")

    def id_of(milliseconds: int) -> str:
        return f"{prefix}_{milliseconds:0{_TIME_DIGITS}x}"

    def time_from(milliseconds: int) -> int | None:
        return conn.execute(_MESSAGE_TIME, {"id": id_of(milliseconds)}).scalar()

    return id_of(_first_at(moment_us, _time_digits(first), _time_digits(last) + 1, time_from))


def _time_digits(id_: str) -> int:
    return int(id_.rpartition("_")[2][:_TIME_DIGITS], 16)


def _first_at(moment_us: int, low: int, high: int, time_from: Callable[[int], int | None]) -> int:
    """The first place between the two from which on rows are as late as the moment."""
    while low < high:
        middle = (low + high) // 2
        found = time_from(middle)
        if found is None or found >= moment_us:
            high = middle
        else:
            low = middle + 1
    return low
