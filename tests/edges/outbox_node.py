"""A node of its own process. Arguments: the data directory, the address of the database, the seconds of a lease.

It says `ready`, works until SIGTERM, winds up like the service does, and says how many messages it has sent. With
`asleep` as a fourth argument it stops itself, as SIGSTOP does, in the middle of the first transaction that says what
came of a message.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from mailwright.connector.service import Service
from mailwright.model.changes import Settle
from mailwright.settings import Settings
from mailwright.store import writer
from mailwright.store.commit import apply as commit


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fall_asleep_once() -> None:
    apply = writer._apply

    def slow(connection, group):
        outcomes = apply(connection, group)
        if any(
            isinstance(change, Settle) for waiting in group if waiting.function is commit for change in waiting.item
        ):
            writer._apply = apply
            os.kill(os.getpid(), signal.SIGSTOP)
        return outcomes

    writer._apply = slow


async def main(data: str, database: str, lease: str, asleep: str = "") -> None:
    if asleep:
        fall_asleep_once()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    settings = Settings(data=Path(data), database=database, lease_seconds=float(lease))
    service = Service(settings, roles=("courier", "timer"))
    async with service:
        say("ready")
        await stopped.wait()
    say(service.parts.courier.sent)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
