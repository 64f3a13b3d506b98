"""Whatever waits is stored together, and each caller hears of its own."""

import asyncio
import threading

import pytest

from mailwright.errors import BodyNotStored
from mailwright.store.bodies.group import GROUP_BYTES, GroupWriter


class Slow:
    """Stores nothing, as slowly as it is told to, and remembers what came together."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.began = threading.Event()
        self.groups: list[list[str]] = []

    def write(self, bodies):
        self.groups.append([body_id for body_id, _ in bodies])
        self.began.set()
        self.may_go_on.wait()
        return [f"ref of {body_id}" for body_id, _ in bodies]


async def test_what_came_while_one_group_was_written_is_the_next_group():
    slow = Slow()
    writer = GroupWriter(slow.write)
    first = asyncio.create_task(writer.put([("a", b"")]))
    await asyncio.to_thread(slow.began.wait)
    others = [asyncio.create_task(writer.put([(body_id, b""), (body_id * 2, b"")])) for body_id in "bcd"]
    await asyncio.sleep(0)
    slow.may_go_on.set()
    assert await first == ["ref of a"]
    assert await asyncio.gather(*others) == [[f"ref of {name}", f"ref of {name * 2}"] for name in "bcd"]
    assert slow.groups == [["a"], ["b", "bb", "c", "cc", "d", "dd"]]
    await writer.close()


async def test_a_caller_that_gave_up_in_a_group_keeps_no_answer_from_the_next():
    slow = Slow()
    writer = GroupWriter(slow.write)
    first = asyncio.create_task(writer.put([("a", b"")]))
    await asyncio.to_thread(slow.began.wait)
    leaving, staying = (asyncio.create_task(writer.put([(body_id, b"")])) for body_id in "bc")
    await asyncio.sleep(0)
    leaving.cancel()
    slow.may_go_on.set()
    assert await asyncio.gather(first, staying) == [["ref of a"], ["ref of c"]]
    assert slow.groups == [["a"], ["b", "c"]]
    await writer.close()


async def test_a_group_does_not_grow_without_end():
    slow = Slow()
    writer = GroupWriter(slow.write)
    large = bytes(GROUP_BYTES // 2)
    tasks = [asyncio.create_task(writer.put([("first", b"")]))]
    await asyncio.to_thread(slow.began.wait)
    tasks += [asyncio.create_task(writer.put([(f"large{number}", large)])) for number in range(5)]
    await asyncio.sleep(0)
    slow.may_go_on.set()
    await asyncio.gather(*tasks)
    assert [len(group) for group in slow.groups] == [1, 2, 2, 1]
    await writer.close()


async def test_an_unforeseen_error_reaches_every_caller_and_the_next_group_is_stored():
    failing = [ZeroDivisionError("what only a bug raises")]

    def write(bodies):
        if failing:
            raise failing.pop()
        return ["ref"] * len(bodies)

    writer = GroupWriter(write)
    with pytest.raises(BodyNotStored, match="ZeroDivisionError") as caught:
        await writer.put([("a", b"")])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "only a bug" not in str(caught.value)
    assert await writer.put([("a", b"")]) == ["ref"]
    await writer.close()


async def test_idleness_is_told_once_and_what_comes_then_is_stored():
    idle = threading.Semaphore(0)
    writer = GroupWriter(lambda bodies: ["ref"] * len(bodies), when_idle=idle.release, idle_seconds=0.001)
    for _ in range(3):
        assert await writer.put([("a", b"")]) == ["ref"]
        await asyncio.to_thread(idle.acquire)
    await writer.close()
    assert not idle.acquire(blocking=False)


async def test_a_store_that_was_never_written_to_starts_no_thread():
    before = threading.active_count()
    writer = GroupWriter(lambda bodies: ["ref"] * len(bodies))
    assert threading.active_count() == before
    await writer.close()
