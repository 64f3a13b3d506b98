"""The time as rows have it: microseconds since 1970 in UTC."""

import time
from datetime import UTC, datetime

MICROSECONDS = 1_000_000


def now() -> int:
    return time.time_ns() // 1000


def moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / MICROSECONDS, UTC)


def microseconds(at: datetime) -> int:
    return round(at.timestamp() * MICROSECONDS)
