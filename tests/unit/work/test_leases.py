"""Long-lived holders and the nodes they live on."""

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from mailwright.work.clock import SECOND
from mailwright.work.leases import Leases
from mailwright.work.nodes import Node, fair_share
from tests.unit.work.kernel import bench_on


def holder(bench, name):
    return Leases(bench.database, name, **bench.clock)


async def test_one_holds_a_resource_and_everybody_else_does_not(bench):
    first, second = holder(bench, "n1"), holder(bench, "n2")
    lease = await first.acquire("mailbox", ttl_seconds=10, now=bench.now)
    assert (lease.token, lease.deadline) == (1, bench.now / SECOND + 10)
    assert await second.acquire("mailbox", ttl_seconds=10, now=bench.now) is None
    assert await first.acquire("mailbox", ttl_seconds=10, now=bench.now) is None
    assert await first.holders(now=bench.now) == {"mailbox": "n1"}


async def test_a_lease_that_is_renewed_stays_and_one_that_is_not_is_taken_over(bench):
    first, second = holder(bench, "n1"), holder(bench, "n2")
    kept = await first.acquire("kept", ttl_seconds=10, now=bench.now)
    lost = await first.acquire("lost", ttl_seconds=10, now=bench.now)
    await bench.advance(9)
    assert await first.renew([kept], ttl_seconds=10, now=bench.now) == [kept._replace(deadline=bench.now / SECOND + 10)]
    await bench.advance(1)
    assert await second.acquire("kept", ttl_seconds=10, now=bench.now) is None
    taken = await second.acquire("lost", ttl_seconds=10, now=bench.now)
    assert taken.token == lost.token + 1
    assert await first.renew([lost, kept], ttl_seconds=10, now=bench.now) == [
        None,
        kept._replace(deadline=bench.now / SECOND + 10),
    ]
    assert not await first.release(lost)
    assert await first.holders(now=bench.now) == {"kept": "n1", "lost": "n2"}


async def test_a_lease_that_was_given_back_is_free_at_once_and_cannot_be_revived(bench):
    first, second = holder(bench, "n1"), holder(bench, "n2")
    lease = await first.acquire("r", ttl_seconds=10, now=bench.now)
    assert await first.release(lease)
    assert not await first.release(lease)
    assert await first.renew([lease], ttl_seconds=10, now=bench.now) == [None]
    assert await first.holders(now=bench.now) == {}
    assert (await second.acquire("r", ttl_seconds=10, now=bench.now)).token == 2


async def test_who_takes_his_own_lease_again_has_fenced_off_his_older_self(bench):
    leases = holder(bench, "n1")
    old = await leases.acquire("r", ttl_seconds=10, now=bench.now)
    await bench.advance(11)
    new = await leases.acquire("r", ttl_seconds=10, now=bench.now)
    assert new.token == old.token + 1
    assert await leases.renew([old], ttl_seconds=10, now=bench.now) == [None]
    assert not await leases.release(old)


async def test_renewing_nothing_is_no_statement(bench):
    assert await holder(bench, "n1").renew([], ttl_seconds=1, now=bench.now) == []


def machine(bench, run):
    class Holders(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            run(bench.reset())
            self.holders = [holder(bench, f"n{number}") for number in range(3)]
            #: resource → (node, token, until) of the one who should hold it
            self.held = {}
            self.tokens = {}
            self.given = []

        @rule(node=st.integers(0, 2), resource=st.sampled_from("abc"), ttl=st.sampled_from([1, 10]))
        def acquire(self, node, resource, ttl):
            _, _, until = self.held.get(resource, (0, 0, 0))
            lease = run(self.holders[node].acquire(resource, ttl_seconds=ttl, now=bench.now))
            assert (lease is not None) == (until <= bench.now), "one holds it, or nobody does"
            if lease is not None:
                assert lease.token == self.tokens.get(resource, 0) + 1
                self.tokens[resource] = lease.token
                self.held[resource] = node, lease.token, bench.now + ttl * SECOND
                self.given.append((node, lease))

        @precondition(lambda self: self.given)
        @rule(data=st.data(), ttl=st.sampled_from([1, 10]))
        def renew(self, data, ttl):
            node, lease = data.draw(st.sampled_from(self.given))
            (renewed,) = run(self.holders[node].renew([lease], ttl_seconds=ttl, now=bench.now))
            ours = self.held.get(lease.resource, ())[:2] == (node, lease.token)
            assert (renewed is not None) == ours
            if ours:
                self.held[lease.resource] = node, lease.token, bench.now + ttl * SECOND

        @precondition(lambda self: self.given)
        @rule(data=st.data())
        def release(self, data):
            node, lease = data.draw(st.sampled_from(self.given))
            ours = self.held.get(lease.resource, ())[:2] == (node, lease.token)
            assert run(self.holders[node].release(lease)) == ours
            if ours:
                del self.held[lease.resource]

        @rule(seconds=st.sampled_from([0.5, 1, 5, 11]))
        def time_passes(self, seconds):
            run(bench.advance(seconds))

        @rule()
        def everybody_sees_who_holds_what(self):
            seen = run(self.holders[0].holders(now=bench.now))
            assert seen == {r: f"n{node}" for r, (node, _, until) in self.held.items() if until > bench.now}

    return Holders


def test_no_order_of_events_gives_a_resource_to_two(database_url):
    with bench_on(database_url) as (bench, run):
        examples = max(20, settings().max_examples // 3)
        run_state_machine_as_test(machine(bench, run), settings=settings(max_examples=examples, stateful_step_count=30))


async def test_a_node_lives_as_long_as_it_beats(bench):
    clock = bench.clock["database_clock"]
    first = Node(bench.database, "n1", "one", database_clock=clock)
    second = Node(bench.database, "n2", "two", database_clock=clock)
    assert await first.beat(ttl_seconds=10, now=bench.now) == ["n1"]
    assert await second.beat(ttl_seconds=10, now=bench.now) == ["n1", "n2"]
    await bench.advance(9)
    assert await second.beat(ttl_seconds=10, now=bench.now) == ["n1", "n2"]
    await bench.advance(1)
    assert await second.beat(ttl_seconds=10, now=bench.now) == ["n2"]
    assert await first.beat(ttl_seconds=10, now=bench.now) == ["n1", "n2"]
    await first.leave()
    assert await second.beat(ttl_seconds=10, now=bench.now) == ["n2"]


async def test_a_node_that_was_silent_for_very_long_is_forgotten(bench):
    clock = bench.clock["database_clock"]
    await Node(bench.database, "n1", "one", database_clock=clock).beat(ttl_seconds=10, now=bench.now)
    await bench.advance(1001)
    survivor = Node(bench.database, "n2", "two", database_clock=clock)
    assert await survivor.beat(ttl_seconds=10_000, now=bench.now) == ["n1", "n2"]
    assert await survivor.beat(ttl_seconds=10, now=bench.now) == ["n2"]
    assert await survivor.beat(ttl_seconds=10_000, now=bench.now) == ["n2"]


@given(st.integers(0, 1000), st.sets(st.text(max_size=3), min_size=1, max_size=20))
def test_the_shares_of_all_nodes_are_everything_and_alike(total, nodes):
    shares = [fair_share(total, sorted(nodes), me) for me in nodes]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


def test_who_is_taken_for_dead_holds_nothing():
    assert fair_share(10, ["a", "b"], "me") == 0
    assert fair_share(10, [], "me") == 0
