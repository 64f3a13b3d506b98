"""Everything that may happen to a queue, in any order, against a model that is simple enough to be right."""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mailwright.model.account_record import lane_rate
from mailwright.store.schema import Work
from mailwright.work.claimed import Dead, Done, Held, Retry, Settlement
from mailwright.work.clock import SECOND
from tests.unit.work.kernel import START, bench_on

LANES = ("", "a", "é")
HOUR = 3600 * SECOND
NODE = st.integers(0, 2)
CLAIM = st.tuples(NODE, st.integers(1, 15), st.integers(1, 8), st.sampled_from([1, 10, 30]))
#: everything that may happen, and with what
ARGUMENTS = {
    "add": {
        "lane": st.sampled_from(LANES),
        "count": st.integers(1, 12),
        "priority": st.integers(0, 2),
        "later": st.sampled_from([0, 0, 1, 5 * SECOND, 60 * SECOND]),
    },
    "claim": {
        "seconds": st.sampled_from([0, 0, 0.0001, 0.1, 0.5, 1, 5, 31]),
        "claims": st.lists(CLAIM, min_size=1, max_size=5),
    },
    "give_back": {
        "node": NODE,
        "seconds": st.sampled_from([0, 0, 0, 5, 31]),
        "what": st.sampled_from(["release", "renew", Done("ok"), Retry(0, "soon"), Retry(7.5, "later"), Dead("no")]),
    },
    "change_lane": {
        "name": st.sampled_from(LANES),
        "paused": st.sampled_from([False, False, True]),
        "blocked": st.sampled_from([0, 0, 0, 1, 20]),
        "rate": st.sampled_from([None, 0.2, 3, 10, 100]),
        "concurrency": st.sampled_from([None, None, 1, 4]),
    },
    "nothing_falls_due_before_it_is_announced": {"node": NODE},
}


@dataclass
class Row:
    lane: str
    priority: int
    work: Work
    due: int
    token: int = 0
    until: int = 0
    attempts: int = 0

    @property
    def order(self):
        return self.priority, self.due


@dataclass(frozen=True)
class Lane:
    paused: bool = False
    blocked_until: int = 0
    rate: float | None = None
    concurrency: int | None = None


def machine(bench, run):
    class Kernel(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            run(bench.reset())
            self.nodes = [bench.queue() for _ in range(3)]
            self.rows: dict[str, Row] = {}
            self.lanes: dict[str, Lane] = {}
            #: everything that anybody was ever given, with its fence
            self.fences: list[Held] = []
            #: for each lane, when how many were claimed, since its rate was set
            self.taken = defaultdict(list)

        def open_lane(self, name):
            lane = self.lanes.get(name, Lane())
            return not lane.paused and lane.blocked_until <= bench.now

        def ready(self, lane):
            """What may be claimed of a lane, in its order, with what falls due at this moment."""
            rows = [
                (row.order, name)
                for name, row in self.rows.items()
                if row.lane == lane
                and (row.work == Work.READY or (row.work == Work.SCHEDULED and row.due <= bench.now))
            ]
            return [name for _, name in sorted(rows)]

        def skewed(self, node):
            """What a node believes; only SQLite listens to it, and there the nodes share one clock."""
            return bench.now + (node - 1) * HOUR if bench.postgres else bench.now

        def add(self, lane, count, priority, later):
            work = Work.SCHEDULED if later else Work.READY
            due = bench.now + later
            for name in run(bench.add(lane, count, priority=priority, work=work, due=due)):
                self.rows[name] = Row(lane, priority, work, due)

        def claim(self, seconds, claims):
            run(bench.advance(seconds))
            for node, limit, per_lane, lease in claims:
                self.claim_once(node, limit, per_lane, lease)

        def claim_once(self, node, limit, per_lane, lease):
            claimed = run(
                self.nodes[node].claim(limit=limit, per_lane=per_lane, lease_seconds=lease, now=self.skewed(node))
            )
            assert len(claimed) <= limit
            assert len({one.id for one in claimed}) == len(claimed), "no row twice in a claim"
            fresh = [one for one in claimed if not one.recovered]
            self.check_lanes(fresh, per_lane, room=limit - (len(claimed) - len(fresh)))
            self.check_recovered(claimed, limit)
            for one in claimed:
                row = self.rows[one.id]
                assert (one.lane, one.token, one.attempts) == (row.lane, row.token + 1, row.attempts + 1)
                until = bench.now + lease * SECOND
                assert one.row["lease_until"] == until
                assert one.deadline == pytest.approx(bench.now / SECOND + lease)
                self.rows[one.id] = replace(row, work=Work.LEASED, token=one.token, attempts=one.attempts, until=until)
                self.fences.append(one.held)
            self.check_limits(fresh)

        def check_recovered(self, claimed, limit):
            over = {n for n, row in self.rows.items() if row.work == Work.LEASED and row.until <= bench.now}
            recovered = {one.id for one in claimed if one.recovered}
            assert recovered <= over, "two never hold one row"
            assert len(recovered) == min(limit, len(over)), "what nobody holds comes first, whatever its lane"

        def check_lanes(self, fresh, per_lane, room):
            given_out = defaultdict(list)
            for one in fresh:
                given_out[one.lane].append(one.id)
            for lane, names in given_out.items():
                assert self.open_lane(lane)
                assert len(names) <= per_lane
                assert names == self.ready(lane)[: len(names)], "high priority first, then by age"
            if len(fresh) == room:
                return
            for name in LANES:
                lane = self.lanes.get(name, Lane())
                if self.open_lane(name) and lane.rate is None and lane.concurrency is None:
                    waiting = len(self.ready(name))
                    assert len(given_out[name]) == min(per_lane, waiting), "nothing waits while there is room"

        def check_limits(self, fresh):
            leased = Counter(row.lane for row in self.rows.values() if row.work == Work.LEASED)
            for name, count in Counter(one.lane for one in fresh).items():
                lane = self.lanes.get(name, Lane())
                assert lane.concurrency is None or leased[name] <= lane.concurrency
                if lane.rate is not None:
                    self.taken[name].append((bench.now, count))
                    self.check_rate(name, lane.rate)

        def check_rate(self, name, rate):
            interval, burst = lane_rate(rate)
            history = self.taken[name]
            total, (end, _) = 0, history[-1]
            for moment, count in reversed(history):
                total += count
                assert (total - 1) * interval <= (end - moment) + burst

        def give_back(self, data, node, seconds, what):
            """Fences of now and of long ago."""
            if not self.fences:
                return
            run(bench.advance(seconds))
            recent = st.sampled_from(self.fences[-15:])
            held = data.draw(st.lists(recent | st.sampled_from(self.fences), min_size=1, max_size=6, unique=True))
            ours = [self.holds(fence) for fence in held]
            queue, now = self.nodes[node], self.skewed(node)
            if what == "release":
                kept = run(queue.release(held))
            elif what == "renew":
                deadlines = run(queue.renew(held, lease_seconds=20, now=now))
                kept = [deadline is not None for deadline in deadlines]
            else:
                kept = run(queue.settle([Settlement(fence, what) for fence in held], now=now))
            assert kept == ours, "only who holds a row changes it"
            for fence in [fence for fence, is_ours in zip(held, ours, strict=True) if is_ours]:
                self.rows[fence.id] = self.given_back(self.rows[fence.id], what)

        def given_back(self, row, what):
            match what:
                case "release":
                    return replace(row, work=Work.READY, attempts=row.attempts - 1)
                case "renew":
                    return replace(row, until=bench.now + 20 * SECOND)
                case Retry(wait_seconds, _):
                    return replace(row, work=Work.SCHEDULED, due=bench.now + round(wait_seconds * SECOND))
                case Done():
                    return replace(row, work=Work.DONE)
                case _:
                    return replace(row, work=Work.DONE)

        def holds(self, fence):
            row = self.rows[fence.id]
            return row.work == Work.LEASED and row.token == fence.token

        def change_lane(self, name, paused, blocked, rate, concurrency):
            until = bench.now + blocked * SECOND if blocked else 0
            interval, burst = (None, 0) if rate is None else lane_rate(rate)
            run(
                bench.set_lane(
                    name,
                    paused=paused,
                    blocked_until=until,
                    interval_us=interval,
                    burst_us=burst,
                    concurrency=concurrency,
                )
            )
            self.lanes[name] = Lane(paused, until, rate, concurrency)
            self.taken[name].clear()

        def nothing_falls_due_before_it_is_announced(self, node):
            queue = self.nodes[node]
            now = self.skewed(node)
            due = run(queue.next_due(now=now))
            moments = [row.due for row in self.rows.values() if row.work == Work.SCHEDULED]
            moments += [row.until for row in self.rows.values() if row.work == Work.LEASED]
            leased = Counter(row.lane for row in self.rows.values() if row.work == Work.LEASED)
            for name in LANES:
                lane = self.lanes.get(name, Lane())
                full = lane.concurrency is not None and leased[name] >= lane.concurrency
                if lane.paused or full or not any(self.rows[n].work == Work.READY for n in self.ready(name)):
                    continue
                # When a rate opens its lane is for another test; it is never before the block ends.
                moments.append(lane.blocked_until if lane.rate is None else max(lane.blocked_until, bench.now))
            if not moments:
                assert due is None
                return
            first = max(0, min(moments) - bench.now) / SECOND
            rated = any(lane.rate is not None for lane in self.lanes.values())
            if rated:
                assert due is not None
                assert due >= first
            else:
                assert due == first

        # One rule that draws what happens: left to choose between rules, Hypothesis hardly ever takes some of them.
        @rule(data=st.data(), what=st.sampled_from(sorted(ARGUMENTS)))
        def something_happens(self, data, what):
            arguments = {name: data.draw(values, name) for name, values in ARGUMENTS[what].items()}
            if what == "give_back":
                self.give_back(data, **arguments)
            else:
                getattr(self, what)(**arguments)

        @invariant()
        def every_row_is_as_the_model_says(self):
            if not self.rows:
                return
            stored = run(bench.all_rows())
            assert stored.keys() == self.rows.keys()
            for name, row in self.rows.items():
                kept = stored[name]
                # A row that fell due is made ready by the next claim.
                same = kept.work == row.work or (
                    row.work == Work.SCHEDULED and kept.work == Work.READY and row.due <= bench.now
                )
                assert same, (name, kept, row)
                if kept.work == Work.READY:
                    self.rows[name] = replace(row, work=Work.READY)
                assert (kept.lease_token, kept.attempts) == (row.token, row.attempts)

        def teardown(self):
            """Nothing is lost: once every lane is open, all that is in the queue comes out of it."""
            for name in LANES:
                run(bench.set_lane(name))
            run(bench.advance(1000))
            waiting = {n for n, row in self.rows.items() if row.work in (Work.SCHEDULED, Work.READY, Work.LEASED)}
            found = []
            while claimed := run(self.nodes[0].claim(limit=50, per_lane=50, lease_seconds=100, now=bench.now)):
                found += [one.id for one in claimed]
            assert sorted(found) == sorted(waiting)

    return Kernel


def test_no_order_of_events_breaks_a_promise_of_the_kernel(database_url):
    with bench_on(database_url) as (bench, run):
        assert bench.now == START
        profile = settings()
        run_state_machine_as_test(
            machine(bench, run),
            settings=settings(max_examples=profile.max_examples, stateful_step_count=30),
        )
