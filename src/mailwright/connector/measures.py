"""The numbers that operators watch. Those of the database hold for all nodes, the counters for this one."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from mailwright.connector.clock import MICROSECONDS, now
from mailwright.connector.offices.parts import Parts
from mailwright.store.queries.metrics import messages_by_state, open_tasks, queue_depths, scheduled_messages
from mailwright.store.schema import account, lane

Samples = Sequence[tuple[Mapping[str, str], float]]


class Measure(NamedTuple):
    name: str
    kind: str
    help: str
    samples: Samples


async def measures(parts: Parts) -> list[Measure]:
    stored = await parts.database.read(_stored)
    courier = parts.courier
    attempts = [({"outcome": outcome}, float(count)) for outcome, count in sorted(courier.outcomes.items())]
    # Signing, encryption and templates are tags from the start, so that a dashboard does not change when they come.
    tags = {"signed": "false", "encrypted": "false", "template": "false"}
    return [
        *stored,
        Measure("mailwright_attempts", "counter", "Attempts to send that this node made, by outcome.", attempts),
        Measure("mailwright_sends", "counter", "Messages that this node has sent.", [(tags, float(courier.sent))]),
        Measure("mailwright_under_way", "gauge", "Messages in the hands of this node.", [({}, courier.under_way)]),
    ]


def _stored(conn: Connection) -> list[Measure]:
    at = now()
    depths = queue_depths(conn)
    scheduled = scheduled_messages(conn)
    tasks = open_tasks(conn)
    states: Samples = [
        ({"workspace": workspace, "state": state}, float(count))
        for (workspace, state), count in sorted(messages_by_state(conn).items())
    ]
    return [
        Measure("mailwright_messages", "gauge", "Messages by workspace and state.", states),
        Measure(
            "mailwright_queue_waiting",
            "gauge",
            "Messages that are due, by account.",
            [({"account": lane_id}, float(depth.waiting)) for lane_id, depth in sorted(depths.items())],
        ),
        Measure(
            "mailwright_queue_oldest_seconds",
            "gauge",
            "How long the oldest message of an account has been due.",
            [({"account": lane_id}, _age(depth.oldest_due, at)) for lane_id, depth in sorted(depths.items())],
        ),
        Measure("mailwright_scheduled", "gauge", "Messages due later.", [({}, float(scheduled.messages))]),
        Measure(
            "mailwright_tasks",
            "gauge",
            "Other work that waits, such as webhooks, by kind.",
            [({"kind": kind}, float(open_.tasks)) for kind, open_ in sorted(tasks.items())],
        ),
        Measure("mailwright_accounts", "gauge", "Accounts by how they sign in and what they do.", _accounts(conn)),
        Measure("mailwright_accounts_parked", "gauge", "Accounts that cannot be used now.", _parked(conn)),
    ]


def _age(since: int, at: int) -> float:
    return max(0.0, (at - since) / MICROSECONDS) if since else 0.0


def _accounts(conn: Connection) -> Samples:
    counted: Counter[tuple[str, str]] = Counter()
    for (config,) in conn.execute(select(account.c.config)):
        outgoing = json.loads(config)["account"]["outgoing"]
        method = "basic" if outgoing.get("username") else "none"
        counted[outgoing["security"], method] += 1
    return [
        ({"type": kind, "auth_method": method, "setup": "outgoing", "mailbox_type": "primary"}, float(count))
        for (kind, method), count in sorted(counted.items())
    ]


def _parked(conn: Connection) -> Samples:
    rows = conn.execute(select(lane.c.id).where(lane.c.parked.is_not(None))).scalars().all()
    return [({}, float(len(rows)))]
