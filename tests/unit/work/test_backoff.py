import pytest
from hypothesis import given, strategies as st

from mailwright.work.backoff import Backoff


def test_each_wait_is_twice_the_one_before_up_to_the_longest():
    backoff = Backoff(first=1, longest=10, jitter=0)
    assert [backoff.wait(failures, 0.7) for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_chance_shortens_a_wait_by_at_most_the_jitter():
    backoff = Backoff(first=8, longest=100, jitter=0.25)
    assert backoff.wait(1, 0.0) == 8
    assert backoff.wait(1, 0.5) == 7


@given(st.integers(-5, 10**9), st.floats(0, 1, exclude_max=True))
def test_any_number_of_failures_gives_a_wait_within_bounds(failures, chance):
    assert 0.5 <= Backoff(first=1, longest=3600).wait(failures, chance) <= 3600


@pytest.mark.parametrize("wrong", [{"first": 0, "longest": 1}, {"first": 2, "longest": 1}])
def test_a_backoff_that_cannot_grow_is_refused(wrong):
    with pytest.raises(ValueError, match="first"):
        Backoff(**wrong)


def test_a_jitter_above_one_is_refused():
    with pytest.raises(ValueError, match="jitter"):
        Backoff(first=1, longest=2, jitter=1.5)
