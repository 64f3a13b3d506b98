from collections import Counter

import pytest
from sqlalchemy import text

from mailwright.model.account_record import lane_rate
from mailwright.store.database import Database
from mailwright.store.schema import Work, delivery, task
from mailwright.work.claimed import Dead, Done, Held, Retry, Settlement
from mailwright.work.clock import SECOND
from mailwright.work.queue import Queue, _Settling, statements_for
from mailwright.work.statements import PROMOTED_AT_ONCE
from tests.unit.work.kernel import Bench


async def claim(queue, bench, *, limit=10, per_lane=10, lease_seconds=30):
    return await queue.claim(limit=limit, per_lane=per_lane, lease_seconds=lease_seconds, now=bench.now)


def ids(claimed):
    return [one.id for one in claimed]


async def test_a_claim_tells_everything_about_the_row(bench):
    (name,) = await bench.add("a", payload='{"x": 1}', ref="evt_1")
    (one,) = await claim(bench.queue(), bench)
    assert (one.id, one.lane, one.attempts, one.token, one.recovered) == (name, "a", 1, 1, False)
    assert one.deadline == bench.now / SECOND + 30
    assert one.row == await bench.look(name)
    assert one.row["payload"] == '{"x": 1}'
    assert one.row["work"] == Work.LEASED


async def test_deliveries_are_claimed_like_tasks(bench):
    columns = {
        "state": "queued",
        "dot_at": 7,
        "expires_at": 0,
        "uncertain": "hold",
        "recipients": "[]",
        "workspace": "w",
        "settled_at": 0,
    }
    kernel = {"priority": 1, "work": Work.READY, "due": 1, "lease_token": 4, "lease_until": 0, "attempts": 2}
    await bench.execute(delivery.insert(), [{"id": "m1", "lane": "a", **columns, **kernel}])
    queue = Queue(bench.database, delivery, **bench.clock)
    (one,) = await claim(queue, bench)
    assert (one.token, one.attempts, one.row["dot_at"]) == (5, 3, 7)
    assert await queue.release([one.held]) == [True]
    assert ids(await claim(queue, bench)) == ["m1"]
    await bench.advance(31)
    (again,) = await claim(queue, bench)
    assert again.recovered
    assert await queue.renew([one.held, again.held], lease_seconds=5, now=bench.now) == [
        None,
        bench.now / SECOND + 5,
    ]


async def test_what_is_on_high_priority_leaves_first_and_then_by_age(bench):
    (low,) = await bench.add("a", priority=2, due=1)
    (late,) = await bench.add("a", priority=1, due=20)
    (early,) = await bench.add("a", priority=1, due=10)
    (high,) = await bench.add("a", priority=0, due=30)
    assert ids(await claim(bench.queue(), bench)) == [high, early, late, low]


async def test_a_claim_that_ends_within_a_lane_takes_what_is_most_urgent_there(bench):
    await bench.add("a", 1, priority=2)
    (urgent,) = await bench.add("a", priority=0)
    assert ids(await claim(bench.queue(), bench, limit=1, per_lane=5)) == [urgent]


async def test_the_lanes_take_turns_and_nobody_is_left_out(bench):
    for lane in "abcdef":
        await bench.add(lane, 10)
    queue = bench.queue()
    turns = [Counter(one.lane for one in await claim(queue, bench, limit=4, per_lane=2)) for _ in range(6)]
    expected = [{"a": 2, "b": 2}, {"c": 2, "d": 2}, {"e": 2, "f": 2}] * 2
    assert turns == expected


async def test_a_lane_that_was_cut_short_does_not_begin_the_next_round(bench):
    await bench.add("a", 10)
    await bench.add("b", 10)
    queue = bench.queue()
    assert [one.lane for one in await claim(queue, bench, limit=3, per_lane=2)] == ["a", "a", "b"]
    assert [one.lane for one in await claim(queue, bench, limit=3, per_lane=2)] == ["a", "a", "b"]


async def test_what_the_caller_has_in_hand_of_a_lane_leaves_less_room_for_it(bench):
    for lane in "abc":
        await bench.add(lane, 10)
    await bench.set_lane("c", concurrency=9)
    hands = {"a": 3, "b": 5, "c": 2, "unknown": 1}
    claimed = await bench.queue().claim(limit=50, per_lane=4, lease_seconds=30, now=bench.now, in_hand=hands)
    assert Counter(one.lane for one in claimed) == {"a": 1, "c": 2}


async def test_many_lanes_with_one_row_each_fill_a_claim(bench):
    for lane in range(30):
        await bench.add(f"l{lane:02d}")
    assert len(await claim(bench.queue(), bench, limit=25, per_lane=5)) == 25


async def test_a_huge_backlog_of_one_lane_delays_no_other_by_more_than_a_round(bench):
    await bench.add("big", 3000)
    await bench.add("small", 1)
    await bench.add("tiny", 1)
    queue = bench.queue()
    assert {one.lane for one in await claim(queue, bench, limit=12, per_lane=4)} == {"big", "small", "tiny"}


async def test_a_lane_that_is_paused_or_blocked_gives_nothing_and_holds_up_nobody(bench):
    for lane in "abc":
        await bench.add(lane)
    await bench.set_lane("a", paused=True)
    await bench.set_lane("b", blocked_until=bench.now + SECOND)
    assert [one.lane for one in await claim(bench.queue(), bench)] == ["c"]
    await bench.advance(1)
    assert [one.lane for one in await claim(bench.queue(), bench)] == ["b"]
    await bench.set_lane("a")
    assert [one.lane for one in await claim(bench.queue(), bench)] == ["a"]


async def test_a_scheduled_row_is_claimed_when_it_is_due_and_not_before(bench):
    (name,) = await bench.add("a", work=Work.SCHEDULED, due=bench.now + 60 * SECOND)
    queue = bench.queue()
    await bench.advance(59.9)
    assert await claim(queue, bench) == []
    await bench.advance(0.1)
    assert ids(await claim(queue, bench)) == [name]


async def test_when_very_many_fall_due_at_once_a_claim_makes_a_portion_ready(bench):
    await bench.add("a", PROMOTED_AT_ONCE + 10, work=Work.SCHEDULED, due=bench.now)
    await claim(bench.queue(), bench, limit=1)
    works = Counter(one.work for one in (await bench.all_rows()).values())
    assert works == {Work.SCHEDULED: 10, Work.READY: PROMOTED_AT_ONCE - 1, Work.LEASED: 1}


async def test_the_rate_of_a_lane_holds_over_several_nodes(bench):
    await bench.add("a", 1000)
    interval, burst = lane_rate(10)
    await bench.set_lane("a", interval_us=interval, burst_us=burst)
    nodes = [bench.queue() for _ in range(3)]
    taken = []
    for tick in range(200):
        for node in nodes:
            taken += [tick / 20] * len(await claim(node, bench, limit=50, per_lane=50))
        await bench.advance(0.05)
    windows = [(sum(s <= moment < s + 1 for moment in taken)) for s in [tick / 20 for tick in range(180)]]
    assert max(windows) <= 15
    assert 100 <= len(taken) <= 105


async def test_the_concurrency_of_a_lane_holds_over_several_nodes(bench):
    await bench.add("a", 20)
    await bench.set_lane("a", concurrency=3)
    first, second = bench.queue(), bench.queue()
    one = await claim(first, bench, limit=2)
    other = await claim(second, bench)
    assert (len(one), len(other)) == (2, 1)
    assert await claim(first, bench) == []
    await second.settle([Settlement(other[0].held, Done())], now=bench.now)
    assert len(await claim(first, bench)) == 1


async def test_a_lease_that_ended_is_claimed_again_whatever_its_lane(bench):
    (name,) = await bench.add("a")
    queue = bench.queue()
    (lost,) = await claim(queue, bench, lease_seconds=10)
    await bench.set_lane("a", paused=True, blocked_until=bench.now + 100 * SECOND)
    await bench.advance(9.9)
    assert await claim(queue, bench) == []
    await bench.advance(0.1)
    (again,) = await claim(queue, bench)
    assert (again.id, again.recovered, again.attempts, again.token) == (name, True, 2, lost.token + 1)


async def test_who_wakes_after_his_lease_changes_nothing(bench):
    (name,) = await bench.add("a")
    queue = bench.queue()
    (late,) = await claim(queue, bench)
    await bench.advance(31)
    (current,) = await claim(bench.queue(), bench)
    before = await bench.look(name)
    for outcome in (Done("late"), Retry(0, "late"), Dead("late")):
        assert await queue.settle([Settlement(late.held, outcome)], now=bench.now) == [False]
    assert await queue.release([late.held]) == [False]
    assert await queue.renew([late.held], lease_seconds=1000, now=bench.now) == [None]
    assert await bench.look(name) == before
    assert await queue.settle([Settlement(current.held, Done("in time"))], now=bench.now) == [True]


async def test_a_lease_that_ended_still_belongs_to_its_holder_until_somebody_else_claims(bench):
    await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)
    await bench.advance(31)
    assert await queue.renew([one.held], lease_seconds=30, now=bench.now) == [bench.now / SECOND + 30]
    assert await claim(queue, bench) == []
    assert await queue.settle([Settlement(one.held, Done())], now=bench.now) == [True]


async def test_a_settled_row_can_neither_be_settled_again_nor_put_back(bench):
    await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)
    assert await queue.settle([Settlement(one.held, Done("first"))], now=bench.now) == [True]
    assert await queue.settle([Settlement(one.held, Dead("second"))], now=bench.now) == [False]
    assert await queue.release([one.held]) == [False]
    kept = await bench.look(one.id)
    assert (kept["work"], kept["outcome"], kept["settled_at"]) == (Work.DONE, "first", bench.now)


async def test_of_two_who_settle_one_row_in_one_transaction_the_first_did_it(bench):
    await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)

    def both(conn, _items):
        settlings = [
            _Settling([Settlement(one.held, Done("first"))], bench.now),
            _Settling([Settlement(one.held, Dead("no"))], bench.now),
        ]
        return [queue._settle(conn, settlings)]

    first, second = await bench.database.write(both, None)
    assert (first, second) == ({one.held}, set())
    assert (await bench.look(one.id))["outcome"] == "first"


async def test_a_retry_waits_and_says_why(bench):
    await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)
    await queue.settle([Settlement(one.held, Retry(90, "451 busy"))], now=bench.now)
    kept = await bench.look(one.id)
    assert (kept["work"], kept["due"], kept["outcome"]) == (Work.SCHEDULED, bench.now + 90 * SECOND, "451 busy")
    assert kept["settled_at"] == 0
    await bench.advance(89)
    assert await claim(queue, bench) == []
    await bench.advance(1)
    (again,) = await claim(queue, bench)
    assert (again.attempts, again.row["outcome"]) == (2, "451 busy")


async def test_a_dead_task_stays_with_its_reason_and_out_of_the_queue(bench):
    await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)
    await queue.settle([Settlement(one.held, Dead("410 gone"))], now=bench.now)
    await bench.advance(10**6)
    assert await claim(queue, bench) == []
    kept = await bench.look(one.id)
    assert (kept["work"], kept["outcome"]) == (Work.DONE, "410 gone")
    assert kept["settled_at"] < bench.now


async def test_an_outcome_that_no_database_could_store_is_spelled_out(bench):
    await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)
    said = "550 caf\udce9 \x00 " + "x" * 5000
    assert await queue.settle([Settlement(one.held, Dead(said))], now=bench.now) == [True]
    kept = (await bench.look(one.id))["outcome"]
    assert kept.startswith("550 caf\\xdce9 \\x00 xxx")
    assert len(kept) == 2000


async def test_what_was_not_begun_costs_no_attempt(bench):
    (name,) = await bench.add("a")
    queue = bench.queue()
    (one,) = await claim(queue, bench)
    assert await queue.release([one.held]) == [True]
    assert (await bench.look(name))["attempts"] == 0
    (again,) = await claim(queue, bench)
    assert (again.attempts, again.token) == (1, one.token + 1)


async def test_nothing_to_do_is_done_at_once(bench):
    queue = bench.queue()
    assert await claim(queue, bench) == []
    assert await queue.settle([], now=bench.now) == []
    assert await queue.release([]) == []
    assert await queue.renew([], lease_seconds=1, now=bench.now) == []
    assert await queue.release([Held("unknown", 1)]) == [False]


async def test_each_kind_is_a_queue_of_its_own(bench):
    await bench.add("a", 2, kind="mail")
    (hook,) = await bench.add("a", 1, kind="hook", priority=9)
    hooks = bench.queue("hook")
    assert ids(await claim(hooks, bench)) == [hook]
    assert await claim(hooks, bench) == []
    await claim(bench.queue("mail"), bench, lease_seconds=5)
    await bench.advance(6)
    assert await claim(hooks, bench) == []
    # What somebody else's kind has left behind is no reason to look again and again.
    assert await hooks.next_due(now=bench.now) == 24


async def test_a_value_that_looks_like_sql_is_a_value(bench):
    evil = "a'); DROP TABLE task; -- %(kind)s :kind ?"
    (name,) = await bench.add(evil, kind=evil)
    queue = bench.queue(evil)
    (one,) = await claim(queue, bench)
    await queue.settle([Settlement(one.held, Done(evil))], now=bench.now)
    assert (await bench.look(name))["outcome"] == evil


async def test_next_due_is_nothing_for_an_empty_queue_and_for_lanes_that_need_somebody(bench):
    queue = bench.queue()
    assert await queue.next_due(now=bench.now) is None
    await bench.add("a")
    await bench.set_lane("a", paused=True)
    assert await queue.next_due(now=bench.now) is None


async def test_next_due_is_the_first_moment_at_which_there_may_be_work(bench):
    queue = bench.queue()
    await bench.add("a", work=Work.SCHEDULED, due=bench.now + 50 * SECOND)
    assert await queue.next_due(now=bench.now) == 50
    await bench.add("b")
    await bench.set_lane("b", blocked_until=bench.now + 40 * SECOND)
    assert await queue.next_due(now=bench.now) == 40
    await bench.add("c")
    assert await queue.next_due(now=bench.now) == 0
    await claim(queue, bench, lease_seconds=20)
    assert await queue.next_due(now=bench.now) == 20
    await bench.advance(30)
    assert await queue.next_due(now=bench.now) == 0


async def test_a_lane_with_a_rate_is_looked_at_again_when_half_its_burst_may_leave(bench):
    await bench.add("a", 1000)
    interval, burst = lane_rate(100)
    await bench.set_lane("a", interval_us=interval, burst_us=burst)
    queue = bench.queue()
    assert len(await claim(queue, bench, limit=500, per_lane=500)) == 50
    wait = await queue.next_due(now=bench.now)
    assert 0.2 < wait < 0.3
    await bench.advance(wait)
    assert 20 <= len(await claim(queue, bench, limit=500, per_lane=500)) <= 30


@pytest.mark.real
async def test_the_clock_of_a_node_means_nothing_to_postgresql(postgres):
    async with await Database.open(postgres.fresh_database()) as database:
        bench = await Bench.on(database)
        hour = 3600 * SECOND
        queue = Queue(database, task, kind="k")
        names = await bench.add("a", 2, due=1)
        (later,) = await bench.add("a", work=Work.SCHEDULED, due=4_000_000_000 * SECOND)
        for skew in (-hour, hour):
            await queue.claim(limit=1, per_lane=1, lease_seconds=600, now=bench.now + skew)
        left = text("SELECT lease_until / 1000000 - extract(epoch FROM now()) FROM task WHERE lease_token = 1")
        leases = await database.read(lambda conn: [float(one) for one in conn.execute(left).scalars()])
        assert len(leases) == len(names)
        assert all(500 < seconds < 700 for seconds in leases)
        assert await queue.claim(limit=5, per_lane=5, lease_seconds=600, now=bench.now + 10**6 * hour) == []
        assert (await bench.look(later))["work"] == Work.SCHEDULED


async def test_two_hundred_lanes_of_a_deep_backlog_are_served_alike(bench):
    rows = [(f"lane{number:03d}", 50) for number in range(200)]
    for lane, count in rows:
        await bench.add(lane, count)
    queue = bench.queue()
    served = Counter()
    for _ in range(20):
        served.update(one.lane for one in await claim(queue, bench, limit=100, per_lane=5))
    assert served == {lane: 10 for lane, _ in rows}


async def test_a_claim_looks_only_into_indexes_however_deep_the_queue_is(bench):
    for number in range(20):
        await bench.add(f"lane{number:02d}", 100)
    await bench.add("later", 2000, work=Work.SCHEDULED, due=bench.now + 10**12)
    await bench.add("gone", 500, work=Work.DONE)
    plans = await bench.database.write(_plans, bench)
    for statement, plan in plans.items():
        assert "task" in plan, statement
        assert "Seq Scan on task" not in plan, plan
        assert "SCAN task" not in plan.replace("SCAN task USING", ""), plan
        assert "SCAN q\n" not in plan, plan
        assert "Sort" not in plan, plan
        # On SQLite the rows of one claim are put in order, and no others.
        assert "TEMP B-TREE" not in plan or "wanted" in plan, plan


def _plans(conn, benches):
    """What the database would do for each statement of a claim, as its own words."""
    (bench,) = benches
    dialect = bench.database.dialect
    statements = statements_for(dialect, task, "k", "(SELECT us FROM test_clock)")
    explain = "EXPLAIN QUERY PLAN " if dialect == "sqlite" else "EXPLAIN "
    wanted = {"now": bench.now, "until": 9, "portion": 500, "room": 9, "limit": 9, "count": 9, "kind": "k"}
    wanted |= {"after": "lane05", "last": "lane10"}
    wanted["lanes"] = '["lane01", "lane02"]' if dialect == "sqlite" else ["lane01", "lane02"]
    wanted["rooms"] = [5, 5]
    if dialect == "sqlite":
        texts = [statements._promote, statements._claim_again]
    else:
        texts = [statements._begin]
        statements._steer(conn)
    texts += [statements._take, statements._next_due, *statements._lanes.values()]
    found = {}
    for spelled in texts:
        lines = conn.exec_driver_sql(explain + spelled, wanted).fetchall()
        found[spelled] = "".join(f"{line[-1]}\n" for line in lines)
    return [found]
