"""Nodes to be killed: a process that has imported everything and forks one node for each order.

An order is one line of JSON on standard input. The answers are two lines: the process id of the node when it is there,
and when it is gone its status, below 0 the signal that ended it. Run it as `python -m tests.crash.node`.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psycopg  # noqa: F401 - so that the nodes need not load it
import uvloop
from sqlalchemy import func, select

from mailwright import Account, Message, Outgoing, PoolLimits
from mailwright.connector.calls import AccountSettings
from mailwright.connector.courier import _UnderWay
from mailwright.connector.service import Service
from mailwright.model.access import Access
from mailwright.model.ids import DEFAULT_WORKSPACE
from mailwright.model.outbox import RetryPlan, SendOptions, UncertainPolicy
from mailwright.settings import Settings
from mailwright.store.schema import Work, delivery
from mailwright.transport.smtp_pool import SmtpPool
from tests.crash.points import BY_NAME, Trigger

SESSIONS = 4
#: the shortest there is; as many as a message may need that is killed again and again
PLAN = RetryPlan((1,) * 200)
_NODE_SECONDS = 100
_LOOK_SECONDS = 0.01


class Journal:
    """What must be known of a node that is gone: each line is in the file before the node goes on."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def say(self, *words: object) -> None:
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


def observe(journal: Journal) -> None:
    """Sessions that take a message, and those that come to its dot: of all others the node has done nothing."""
    pull, due = SmtpPool.pull, _UnderWay.due

    def pulled(self, session):
        message = pull(self, session)
        if message is not None:
            journal.say("begun", *message.gate.held)
        return message

    def came_due(self, allow, refuse):
        journal.say("dot", *self.held)
        due(self, allow, refuse)

    SmtpPool.pull, _UnderWay.due = pulled, came_due


async def work(order: dict[str, Any], journal: Journal) -> None:
    settings = Settings(data=Path(order["data"]), database=order["database"], lease_seconds=60)
    async with asyncio.timeout(_NODE_SECONDS), Service(settings, roles=("courier", "timer")) as service:
        office = service.office(Access("crash", DEFAULT_WORKSPACE, everywhere=True))
        for policy in UncertainPolicy if order["server"] else ():
            outgoing = Outgoing("127.0.0.1", order["server"], security="none", pool=PoolLimits(sessions=SESSIONS))
            account = Account(f"{policy}@example.org", outgoing)
            await office.accounts.create(policy, AccountSettings(account, retry=PLAN, uncertain=policy))
        async with asyncio.TaskGroup() as accepting:
            for letter in order["letters"]:
                accepting.create_task(accept(office, journal, **letter))
        while await service.parts.database.read(count_waiting):  # noqa: ASYNC110 - nobody tells of the last one
            await asyncio.sleep(_LOOK_SECONDS)


async def accept(office, journal: Journal, *, address: str, account: str, key: str, lines: int) -> None:
    message = Message(to=address, subject=address, text=f"{address} is here\n" * lines)
    id_ = await office.messages.accept(account, message, SendOptions(idempotency_key=key))
    journal.say("accepted", address, id_)


def count_waiting(conn) -> int:
    return conn.execute(select(func.count()).where(delivery.c.work <= Work.LEASED)).scalar_one()


def node(order: dict[str, Any]) -> None:
    journal = Journal(order["journal"])
    observe(journal)
    point = BY_NAME[order["point"]]
    point.plant(Trigger(order["hit"]))
    run(work(order, journal), uvloop_=order["uvloop"])


def run(main: Coroutine[Any, Any, None], *, uvloop_: bool) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop_ else asyncio.new_event_loop) as runner:
        runner.run(main)


def serve() -> None:
    # What is here now belongs to all nodes: no copy of it because of a count or a mark.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if (pid := os.fork()) == 0:
            status = 1
            try:
                node(order)
                status = 0
            except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as the parent would
                traceback.print_exc()
            finally:
                with contextlib.suppress(OSError):
                    sys.stderr.flush()
                os._exit(status)
        tell(pid)
        tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
