from hypothesis import given, strategies as st

from mailwright.model.account_record import lane_rate
from mailwright.work.budget import LaneLimits, allowance, charged
from mailwright.work.clock import SECOND

NOW = 1_800_000_000 * SECOND


def limits(per_second=None, *, arrival=0, concurrency=None, leased=0):
    interval, burst = (None, 0) if per_second is None else lane_rate(per_second)
    return LaneLimits("a", interval, burst, arrival, concurrency, leased)


def test_a_rested_lane_gives_half_a_seconds_worth_at_once():
    assert allowance(limits(10), NOW, 100) == 5
    assert allowance(limits(1000), NOW, 10_000) == 500


def test_a_slow_lane_gives_one():
    assert allowance(limits(0.1), NOW, 100) == 1
    assert allowance(limits(1.9), NOW, 100) == 1


def test_no_more_than_wanted_is_given():
    assert allowance(limits(10), NOW, 3) == 3
    assert allowance(limits(), NOW, 7) == 7


def test_an_exhausted_lane_gives_the_next_one_after_its_interval():
    spent = limits(10)
    spent = spent._replace(arrival_us=charged(spent, NOW, 5))
    assert allowance(spent, NOW, 9) == 0
    assert allowance(spent, NOW + SECOND // 10 - 1, 9) == 0
    assert allowance(spent, NOW + SECOND // 10, 9) == 1
    assert allowance(spent, NOW + SECOND, 9) == 5


def test_what_is_on_its_way_counts_against_the_concurrency():
    assert allowance(limits(concurrency=5, leased=3), NOW, 9) == 2
    assert allowance(limits(concurrency=5, leased=5), NOW, 9) == 0


def test_a_concurrency_that_was_lowered_below_what_is_on_its_way_gives_none():
    assert allowance(limits(concurrency=2, leased=5), NOW, 9) == 0
    assert allowance(limits(100, concurrency=2, leased=5), NOW, 9) == 0


def test_the_narrower_of_rate_and_concurrency_counts():
    assert allowance(limits(10, concurrency=2), NOW, 9) == 2
    assert allowance(limits(10, concurrency=50), NOW, 9) == 5


def test_a_clock_that_was_set_back_an_hour_does_not_stop_a_lane_for_an_hour():
    later = limits(10, arrival=NOW + 3600 * SECOND)
    assert allowance(later, NOW, 9) == 0
    waited = later._replace(arrival_us=charged(later, NOW, 0))
    assert allowance(waited, NOW + SECOND // 2, 9) > 0


def test_a_lane_without_a_rate_has_nothing_to_charge():
    assert charged(limits(), NOW, 5) == 0


@given(
    st.floats(0.05, 2000),
    st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 2000)), min_size=1, max_size=60),
)
def test_no_stretch_of_time_sees_more_than_its_rate_and_one_burst(per_second, steps):
    lane, now, taken = limits(per_second), NOW, []
    for wait, wanted in steps:
        now += wait
        count = allowance(lane, now, wanted)
        lane = lane._replace(arrival_us=charged(lane, now, count))
        taken.append((now, count))
    most_at_once = max(1, round(per_second / 2) + 1)
    for start in range(len(taken)):
        total = 0
        for moment, count in taken[start:]:
            total += count
            assert total <= most_at_once + (moment - taken[start][0]) * per_second / SECOND + 1e-6


@given(st.floats(0.05, 2000), st.integers(2, 40))
def test_who_asks_often_gets_the_whole_rate(per_second, seconds):
    lane, total = limits(per_second), 0
    interval, burst = lane_rate(per_second)
    end = NOW + seconds * SECOND
    now = NOW
    while now <= end:
        count = allowance(lane, now, 10_000)
        lane = lane._replace(arrival_us=charged(lane, now, count))
        total += count
        now += max(interval, burst // 2)
    assert total >= (seconds * SECOND - max(interval, burst // 2)) // interval
