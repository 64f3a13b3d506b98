"""The rate of an account holds over all nodes, counted where it matters: at the server."""

import asyncio
from bisect import bisect_left

import pytest

from mailwright.model.account_record import SendLimits
from tests.edges.outboxes import at
from tests.edges.test_nodes import accept, place_at
from tests.harness import counting_sink

RATE = 10


def most_within(seconds, times):
    """In any window of so many seconds, wherever it begins."""
    return max(bisect_left(times, begin + seconds) - place for place, begin in enumerate(times))


def test_the_window_slides():
    times = [0.0, 0.9, 1.0, 1.8, 1.85, 1.89]
    assert most_within(1, times) == 5
    assert most_within(10, times) == 6


# The second number: how many times as long as the rate allows it may take. A machine may be busy with other things.
@pytest.mark.real
@pytest.mark.asyncio(loop_factories=["uvloop"])
@pytest.mark.parametrize(
    ("messages", "patience"),
    [pytest.param(60, 3.0, id="some"), pytest.param(400, 1.3, id="many", marks=pytest.mark.proof)],
)
async def test_three_nodes_together_keep_to_the_rate_of_an_account_and_use_it(postgres, tmp_path, messages, patience):
    with counting_sink(tmp_path / "sink.log") as sink:
        async with place_at(tmp_path, postgres.fresh_database()) as place:
            async with place.outbox() as mail:
                limits = SendLimits(messages_per_second=RATE)
                await mail.accounts.create("office", at(sink, sessions=5, limits=limits))
                nodes = [await place.node() for _ in range(3)]
                await accept(mail, "office", messages)
                taken = await asyncio.to_thread(sink.wait_for, messages, patience * messages / RATE)
            for node in nodes:
                await node.stop()
        assert len(sink.messages()) == messages
    times = [one.time for one in taken]
    assert most_within(1, times) <= 2 * RATE
    assert most_within(10, times) <= 11 * RATE
