"""What every body store promises, whatever is behind it."""

import asyncio
import os
import threading

import pytest

from mailwright.errors import BodyNotStored, BodyUnreadable, InvalidInput
from mailwright.files import body_store
from mailwright.files.body_store import SweepReport
from mailwright.store.bodies import group
from tests.unit.store.bodies.places import keyring_of, several


@pytest.mark.parametrize("size", [0, 1, 2048, 3_000_000])
async def test_a_body_comes_back_as_it_was(store, size):
    body = os.urandom(size)
    (ref,) = await store.put_many([("msg_1", body)])
    assert await store.get("msg_1", ref) == body


async def test_refs_come_in_the_order_of_the_bodies(store, rows):
    bodies = several("msg", 300)
    await rows.put(store, bodies)
    assert await rows.read(store) == bodies


async def test_to_put_nothing_is_to_get_no_refs(store):
    assert await store.put_many([]) == []
    assert await store.get_many([]) == []


async def test_bodies_are_there_after_a_restart_and_for_other_processes(opened, keyring, rows):
    bodies = several("msg", 20)
    first = opened(keyring)
    await rows.put(first, bodies)
    assert await rows.read(opened(keyring)) == bodies
    await first.close()
    assert await rows.read(opened(keyring)) == bodies


async def test_callers_at_once_each_get_their_own(store, rows):
    bodies = several("msg", 200)
    await asyncio.gather(*(rows.put(store, {body_id: body}) for body_id, body in bodies.items()))
    assert await rows.read(store) == bodies


async def test_a_caller_that_gave_up_does_not_hold_up_the_others(store, rows):
    bodies = several("msg", 20)
    leaving = asyncio.create_task(store.put_many([("leaving", b"x")]))
    staying = asyncio.create_task(rows.put(store, bodies))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert await rows.read(store) == bodies
    assert leaving.cancelled()


def test_two_event_loops_in_two_threads_share_a_store(place, keyring):
    store = place.open(keyring)
    found = {}

    def work(name: str) -> None:
        async def there_and_back() -> None:
            for number in range(20):
                body = f"{name} {number}".encode()
                (ref,) = await store.put_many([(f"{name}_{number}", body)])
                found[body] = await store.get(f"{name}_{number}", ref)

        asyncio.run(there_and_back())

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(store.close())
    assert len(found) == 40
    assert all(put == got for put, got in found.items())


async def test_nothing_of_a_body_can_be_read_where_it_is_kept(place, store):
    await store.put_many([("msg_1", b"the content that nobody may see")])
    assert b"content" not in place.raw()


async def test_a_body_that_was_never_stored_is_unreadable_and_the_others_are_not(store, rows):
    await rows.put(store, {"there": b"x"})
    answers = await store.get_many([("never", "never"), *rows.refs.items(), ("never", "../../etc/passwd")])
    assert isinstance(answers[0], BodyUnreadable)
    assert answers[1] == b"x"
    assert isinstance(answers[2], BodyUnreadable)
    with pytest.raises(BodyUnreadable) as caught:
        await store.get("never", "never")
    assert caught.value.code == "body_unreadable"


async def test_the_ref_of_another_body_does_not_open_it(store, rows):
    await rows.put(store, {"mine": b"mine", "yours": b"yours"})
    with pytest.raises(BodyUnreadable):
        await store.get("mine", rows.refs["yours"])


async def test_without_its_key_a_body_is_unreadable_and_the_key_is_named(opened, rows):
    await rows.put(opened(keyring_of("gone")), {"msg_1": b"x"})
    with pytest.raises(BodyUnreadable, match="'gone'"):
        await opened(keyring_of("one")).get("msg_1", rows.refs["msg_1"])


@pytest.mark.parametrize("body_id", ["", "a/b", "a b", "ä", "a\n", "x" * 129, "a\0"])
async def test_an_id_that_could_not_be_kept_is_refused(store, body_id):
    with pytest.raises(InvalidInput):
        await store.put_many([("fine", b"x"), (body_id, b"x")])


async def test_a_body_without_measure_is_refused(store, monkeypatch):
    monkeypatch.setattr(group, "MAX_BODY_BYTES", 1000)
    await store.put_many([("msg_1", bytes(1000))])
    with pytest.raises(InvalidInput, match="1001 bytes"):
        await store.put_many([("msg_1", bytes(1001))])
    assert body_store.MAX_BODY_BYTES > 150_000_000


async def test_what_waits_is_stored_before_the_store_closes(opened, keyring, rows):
    bodies = several("msg", 50, 10_000)
    closing = opened(keyring)
    waiting = asyncio.gather(*(rows.put(closing, {body_id: body}) for body_id, body in bodies.items()))
    await asyncio.sleep(0)
    await closing.close()
    await waiting
    with pytest.raises(BodyNotStored, match="closed"):
        await closing.put_many([("late", b"x")])
    assert await rows.read(opened(keyring)) == bodies


async def test_a_body_put_again_under_its_id_is_what_its_new_ref_shows(store, rows):
    await rows.put(store, {"msg_1": b"before"})
    await rows.put(store, {"msg_1": b"after"})
    assert await rows.read(store) == {"msg_1": b"after"}
    refs = await store.put_many([("msg_2", b"before"), ("msg_2", b"after")])
    assert await store.get("msg_2", refs[1]) == b"after"


# --- the sweep


async def test_an_old_body_without_a_row_goes_and_all_others_stay(place, opened, keyring, rows):
    first = opened(keyring)
    kept, dead = several("kept", 5), several("dead", 15)
    await rows.put(first, kept)
    await first.put_many(list(dead.items()))
    await first.close()
    place.age()
    store = opened(keyring)
    young = several("young", 3)
    await store.put_many(list(young.items()))

    await store.sweep(rows.is_live, rows.moved)
    assert all(place.holds(body_id) for body_id in kept | young)
    place.age()
    await store.sweep(rows.is_live, rows.moved)

    assert await rows.read(store) == kept
    assert not any(place.holds(body_id) for body_id in dead)


async def test_a_body_whose_row_may_still_commit_is_not_swept(place, opened, keyring, rows):
    store = opened(keyring)
    bodies = several("msg", 10)
    refs = await store.put_many(list(bodies.items()))
    report = await store.sweep(rows.is_live, rows.moved, thorough=True)
    assert report.removed == 0
    assert report.postponed > 0
    assert rows.asked == []
    rows.refs = dict(zip(bodies, refs, strict=True))
    assert await rows.read(store) == bodies


async def test_a_sweep_with_nothing_to_do_changes_nothing(place, opened, keyring, rows):
    bodies = several("msg", 10)
    first = opened(keyring)
    await rows.put(first, bodies)
    await first.close()
    place.age()
    before = place.raw()
    assert await opened(keyring).sweep(rows.is_live, rows.moved) == SweepReport()
    assert await opened(keyring).sweep(rows.is_live, rows.moved, thorough=True) == SweepReport()
    assert place.raw() == before
    assert rows.moves == []


async def test_a_ref_that_was_read_before_the_sweep_still_works(place, opened, keyring, rows):
    first = opened(keyring)
    await rows.put(first, several("kept", 2))
    await first.put_many(list(several("dead", 20).items()))
    await first.close()
    place.age()
    store = opened(keyring)
    before = dict(rows.refs)
    await store.sweep(rows.is_live, rows.moved)
    answers = await store.get_many(list(before.items()))
    assert all(isinstance(answer, bytes) for answer in answers)


async def test_an_old_key_can_go_when_a_thorough_sweep_has_nothing_left_to_do(place, opened, rows):
    both = keyring_of("one", "two")
    first = opened(keyring_of("one"))
    bodies = several("msg", 20)
    await rows.put(first, bodies)
    await first.close()
    store = opened(both)
    for _ in range(5):
        place.age()
        report = await store.sweep(rows.is_live, rows.moved, thorough=True)
        if not report.postponed:
            break
    assert report.postponed == 0
    assert report.damaged == ()
    assert await rows.read(opened(keyring_of("two"))) == bodies


async def test_a_body_that_does_not_open_is_reported_and_kept(place, opened, rows):
    first = opened(keyring_of("one"))
    await rows.put(first, {"lost": b"x"})
    await first.close()
    place.age()
    report = await opened(keyring_of("two")).sweep(rows.is_live, rows.moved, thorough=True)
    assert len(report.damaged) == 1
    place.age()
    await opened(keyring_of("two")).sweep(rows.is_live, rows.moved)
    assert await rows.read(opened(keyring_of("one"))) == {"lost": b"x"}


async def test_an_erased_body_is_gone_after_thorough_sweeps_though_others_live_beside_it(place, opened, keyring, rows):
    first = opened(keyring)
    bodies = several("msg", 20)
    await rows.put(first, bodies)
    await first.close()
    erased = place.raw()
    del rows.refs["msg_7"], bodies["msg_7"]
    store = opened(keyring)
    for _ in range(2):
        place.age()
        await store.sweep(rows.is_live, rows.moved, thorough=True)
    assert not place.holds("msg_7")
    assert place.holds("msg_8")
    assert await rows.read(store) == bodies
    assert len(place.raw()) < len(erased)
