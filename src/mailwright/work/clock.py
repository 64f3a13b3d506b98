"""The three clocks of the kernel.

Rows hold wall-clock times. On SQLite they come from this machine, as a parameter; on PostgreSQL the statements read the
clock of the database, so that it does not matter what the nodes believe. How long a lease is ours to use is measured
here by a clock that nobody sets.
"""

import time

SECOND = 1_000_000

#: microseconds since 1970, by the clock of the database
DATABASE_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

# CLOCK_MONOTONIC stands still while a machine sleeps, and a lease does not.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def wall_clock() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def steady_clock() -> float:
    """Seconds since some moment; it goes on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(_STEADY)
