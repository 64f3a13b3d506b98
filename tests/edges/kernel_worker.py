"""A process that works on the queue of a test. Arguments: the address of the database and what to do.

drain: claims and settles until nothing is left, and prints what it settled.
hold:  claims one row, says so, waits for a line on its input, then tries to settle, and prints what came of it.
"""

import asyncio
import sys

from mailwright.store.database import Database
from mailwright.store.schema import task
from mailwright.work.claimed import Done, Settlement
from mailwright.work.clock import wall_clock
from mailwright.work.queue import Queue


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def drain(queue: Queue) -> None:
    while claimed := await queue.claim(limit=20, per_lane=3, lease_seconds=600, now=wall_clock()):
        kept = await queue.settle([Settlement(one.held, Done()) for one in claimed], now=wall_clock())
        say(*(one.id for one, ours in zip(claimed, kept, strict=True) if ours))


async def hold(queue: Queue, lease_seconds: float) -> None:
    (one,) = await queue.claim(limit=1, per_lane=1, lease_seconds=lease_seconds, now=wall_clock())
    say("claimed", one.id, str(one.token))
    await asyncio.to_thread(sys.stdin.readline)
    (kept,) = await queue.settle([Settlement(one.held, Done("by the one that slept"))], now=wall_clock())
    say("settled" if kept else "fenced off")


async def main(url: str, what: str, *more: str) -> None:
    async with await Database.open(url) as database:
        queue = Queue(database, task, kind="k")
        await (drain(queue) if what == "drain" else hold(queue, float(more[0])))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
