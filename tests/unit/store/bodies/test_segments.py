"""Segments of a directory: what a crash, a broken disk and other processes may leave there, how space comes back."""

import asyncio
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mailwright.errors import BodyUnreadable, StoreError
from mailwright.store.bodies import segment
from mailwright.store.bodies.directory import DirectoryBodies
from mailwright.store.bodies.segment import Found, Ref, Walk, new_segment, pack, read_ref, unpack
from mailwright.store.bodies.sweep import Fate, fate_of
from mailwright.store.sealed import seal
from tests.unit.store.bodies.places import DirectoryPlace, keyring_of, several

KEYS = keyring_of("one")


@pytest.fixture
def place(tmp_path):
    return DirectoryPlace(tmp_path)


def walked(path) -> tuple[list[Found], bool]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        walk = Walk(descriptor)
        return list(walk), walk.damaged
    finally:
        os.close(descriptor)


async def filled(place, rows, *groups, **options) -> dict[str, bytes]:
    """One segment for each group of bodies, all of them old."""
    everything: dict[str, bytes] = {}
    for bodies in groups:
        store = place.open(KEYS, **options)
        await rows.put(store, bodies)
        await store.close()
        everything |= bodies
    place.age()
    return everything


# --- the format


@given(st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True), st.binary(max_size=400))
def test_a_record_holds_the_body_of_its_id(body_id, body):
    record = pack(body_id, seal(KEYS, body, place=f"body/{body_id}"))
    assert unpack(KEYS, body_id, "ref", record) == body


@given(st.from_regex(r"[0-9a-f]{20}", fullmatch=True), st.integers(0, 10**12), st.integers(0, 10**9))
def test_a_ref_is_read_as_it_was_written(segment, offset, length):
    assert read_ref(str(Ref(segment, offset, length))) == Ref(segment, offset, length)


@pytest.mark.parametrize(
    "wild",
    ["", "msg_1", "../etc/passwd", f"{'0' * 20}/1", f"../{'0' * 17}/1/2", f"{'0' * 20}/-1/2", f"{'0' * 20}/1/2\n"],
)
def test_what_is_no_ref_never_becomes_a_path(wild):
    with pytest.raises(BodyUnreadable):
        read_ref(wild)


def test_names_of_segments_are_refs_and_do_not_repeat():
    names = [new_segment() for _ in range(1000)]
    assert len(set(names)) == 1000
    assert all(read_ref(f"{name}/0/1").segment == name for name in names)


async def test_a_walk_sees_every_record_and_its_key(place, rows):
    bodies = await filled(place, rows, {"a" * 128: b"", "b": os.urandom(5000), "c": b"x"})
    (path,) = place.segments()
    found, damaged = walked(path)
    assert [record.body_id for record in found] == list(bodies)
    assert {record.key_id for record in found} == {"one"}
    assert not damaged
    assert found[0].offset == 0
    assert all(one.offset + one.length == other.offset for one, other in pairwise(found))


# --- crashes and damage


async def test_a_segment_torn_at_any_byte_loses_only_what_was_torn(place, rows):
    """A crash leaves any beginning of the file. What lies whole before it is read, swept and never lost."""
    bodies = await filled(place, rows, several("msg", 4, 40))
    (path,) = place.segments()
    whole = path.read_bytes()
    ends = [read_ref(ref).offset + read_ref(ref).length for ref in rows.refs.values()]
    store = place.open(KEYS)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        complete = sum(end <= length for end in ends)
        found, damaged = walked(path)
        assert [record.body_id for record in found] == list(bodies)[:complete]
        assert not damaged
        answers = await rows.read(store)
        assert [isinstance(answer, bytes) for answer in answers.values()] == [end <= length for end in ends]
        assert list(answers.values())[:complete] == list(bodies.values())[:complete]
    await store.close()


@pytest.mark.parametrize("rest", [bytes(5000), b"\xff" * 5000, b"MWb1" * 1250, b"MWb1" + bytes(4000)])
async def test_what_a_crash_left_at_the_end_may_be_anything(place, rows, rest):
    bodies = await filled(place, rows, several("msg", 3))
    (path,) = place.segments()
    path.write_bytes(path.read_bytes() + rest)
    found, damaged = walked(path)
    assert [record.body_id for record in found] == list(bodies)
    assert not damaged


async def test_after_a_crash_nobody_continues_the_torn_segment(place, rows):
    bodies = await filled(place, rows, several("before", 3))
    (path,) = place.segments()
    path.write_bytes(path.read_bytes() + b"MWb1torn")
    torn = path.read_bytes()
    store = place.open(KEYS)
    bodies |= several("after", 3)
    await rows.put(store, {body_id: body for body_id, body in bodies.items() if body_id.startswith("after")})
    assert path.read_bytes() == torn
    assert len(place.segments()) == 2
    assert await rows.read(store) == bodies
    await store.close()


async def test_a_torn_end_without_any_row_is_swept_with_the_living_kept(place, rows):
    bodies = await filled(place, rows, several("msg", 3))
    (path,) = place.segments()
    path.write_bytes(path.read_bytes() + bytes(100_000))
    place.age()
    place.age()
    store = place.open(KEYS)
    await store.sweep(rows.is_live, rows.moved)
    place.age()
    report = await store.sweep(rows.is_live, rows.moved)
    assert report.freed_bytes > 100_000
    assert not path.exists()
    assert await rows.read(store) == bodies
    await store.close()


async def test_a_segment_broken_in_the_middle_is_reported_and_nothing_of_it_goes(place, rows):
    bodies = await filled(place, rows, several("msg", 9, 100))
    (path,) = place.segments()
    content = bytearray(path.read_bytes())
    broken = read_ref(rows.refs["msg_4"]).offset
    content[broken] ^= 1
    path.write_bytes(content)
    place.age()
    found, damaged = walked(path)
    assert damaged
    assert [record.body_id for record in found] == [body_id for body_id in bodies if body_id != "msg_4"]
    rows.refs = {"msg_8": rows.refs["msg_8"]}
    store = place.open(KEYS)
    for thorough in (False, True):
        report = await store.sweep(rows.is_live, rows.moved, thorough=thorough)
        assert report.damaged == (path.name,)
        assert path.read_bytes() == bytes(content)
    assert await rows.read(store) == {"msg_8": bodies["msg_8"]}
    await store.close()


async def test_a_walk_notices_any_broken_bit_of_a_head_and_finds_the_next_record(place, rows):
    await filled(place, rows, several("msg", 4, 100))
    (path,) = place.segments()
    content = path.read_bytes()
    start = read_ref(rows.refs["msg_1"]).offset
    for position in range(start, start + len(b"MWb1....--crc.msg_1")):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            path.write_bytes(changed)
            found, damaged = walked(path)
            assert [record.body_id for record in found] == ["msg_0", "msg_2", "msg_3"]
            assert damaged


async def test_the_next_record_is_found_however_far_it_is(place, rows, monkeypatch):
    """The search goes piece by piece, and the word may lie across two."""
    monkeypatch.setattr(segment, "_SEARCH", 64)
    for size in range(70):
        rows.refs.clear()
        await filled(place, rows, {"broken": bytes(size), "next": b"x"})
        path = place.segments()[-1]
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        path.write_bytes(content)
        found, damaged = walked(path)
        assert [record.body_id for record in found] == ["next"]
        assert damaged


async def test_any_broken_byte_is_noticed_by_the_reader(place, rows):
    await filled(place, rows, {"msg_1": b"0123456789"})
    (path,) = place.segments()
    content = path.read_bytes()
    store = place.open(KEYS)
    # The length and its checksum serve the walk alone: the reader has the length from the ref.
    read_by_the_reader = [*range(4), *range(14, len(content))]
    for position in read_by_the_reader:
        changed = bytearray(content)
        changed[position] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(BodyUnreadable):
            await store.get("msg_1", rows.refs["msg_1"])
    await store.close()


async def test_a_damaged_body_stays_while_the_others_are_moved_away_from_it(place, rows):
    bodies = await filled(place, rows, several("msg", 9, 100))
    rows.refs = {body_id: rows.refs[body_id] for body_id in ("msg_1", "msg_2")}
    (path,) = place.segments()
    content = bytearray(path.read_bytes())
    broken = read_ref(rows.refs["msg_1"])
    content[broken.offset + broken.length - 1] ^= 1
    path.write_bytes(content)
    place.age()
    store = place.open(KEYS)
    report = await store.sweep(rows.is_live, rows.moved)
    assert report.damaged == (path.name,)
    assert [body_id for body_id, _, _ in rows.moves] == ["msg_2"]
    place.age()
    assert (await store.sweep(rows.is_live, rows.moved)).damaged == (path.name,)
    assert path.exists()
    answers = await rows.read(store)
    assert answers["msg_2"] == bodies["msg_2"]
    assert isinstance(answers["msg_1"], BodyUnreadable)
    await store.close()


async def test_a_segment_that_is_gone_is_told_as_such(place, rows):
    await filled(place, rows, {"msg_1": b"x"})
    place.segments()[0].unlink()
    store = place.open(KEYS)
    with pytest.raises(BodyUnreadable, match="gone"):
        await store.get("msg_1", rows.refs["msg_1"])
    await store.close()


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be kept"):
        DirectoryBodies(tmp_path / "file" / "bodies", KEYS)


# --- segments in use


async def test_a_full_segment_is_followed_by_the_next(place, rows):
    store = place.open(KEYS, segment_bytes=10_000)
    bodies = several("msg", 50, 1000)
    for body_id, body in bodies.items():
        await rows.put(store, {body_id: body})
    assert len(place.segments()) > 3
    assert all(path.stat().st_size < 12_000 for path in place.segments())
    assert await rows.read(store) == bodies
    await store.close()


async def test_a_segment_is_not_written_to_for_ever_however_little_comes(place, rows):
    store = place.open(KEYS, segment_seconds=0)
    bodies = several("msg", 3)
    for body_id, body in bodies.items():
        await rows.put(store, {body_id: body})
    assert len(place.segments()) == 3
    assert await rows.read(store) == bodies
    await store.close()


async def test_nobody_but_us_may_read_the_files(place, rows):
    await filled(place, rows, {"msg_1": b"x"})
    assert place.directory.stat().st_mode & 0o777 == 0o700
    assert place.segments()[0].stat().st_mode & 0o777 == 0o600


async def test_more_segments_than_are_kept_open_are_read_by_many_at_once(place, rows):
    store = place.open(KEYS, segment_bytes=1)
    bodies = several("msg", 150)
    for body_id, body in bodies.items():
        await rows.put(store, {body_id: body})
    assert len(place.segments()) == 150
    for _ in range(3):
        answers = await asyncio.gather(*(store.get(body_id, rows.refs[body_id]) for body_id in bodies))
        assert answers == list(bodies.values())
    assert 0 < len(open_below(place.directory)) <= 64
    await store.close()
    assert open_below(place.directory) == []


def open_below(directory) -> list[str]:
    """What this process has open there; removed files too."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        # The directory of descriptors that is listed here is one of them, and closed again.
        with suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return [path for path in found if path.startswith(f"{directory}/")]


# --- the sweep


@pytest.mark.parametrize(
    ("size", "live", "options", "fate"),
    [
        (1000, 0, {}, Fate.REMOVE),
        (0, 0, {}, Fate.REMOVE),
        (1000, 499, {}, Fate.EMPTY),
        (1000, 500, {}, Fate.KEEP),
        (1000, 999, {}, Fate.KEEP),
        (1000, 999, {"thorough": True}, Fate.EMPTY),
        (1000, 1000, {"thorough": True}, Fate.KEEP),
        (1000, 1000, {"thorough": True, "older_keys": True}, Fate.EMPTY),
        (1000, 1000, {"older_keys": True}, Fate.KEEP),
        (1000, 1000, {"merge_below": 1001}, Fate.EMPTY),
        (1000, 1000, {"merge_below": 1000}, Fate.KEEP),
    ],
)
def test_what_becomes_of_a_segment(size, live, options, fate):
    usual = {"merge_below": 0, "thorough": False, "older_keys": False}
    assert fate_of(size=size, live=live, **{**usual, **options}) is fate


async def test_a_segment_that_is_mostly_dead_is_moved_and_then_removed(place, rows):
    await filled(place, rows, several("msg", 100))
    (old,) = place.segments()
    kept = {body_id: rows.refs[body_id] for body_id in ("msg_3", "msg_50", "msg_99")}
    rows.refs = dict(kept)
    store = place.open(KEYS)
    report = await store.sweep(rows.is_live, rows.moved)
    assert (report.moved, report.removed, report.postponed) == (3, 0, 1)
    assert {(body_id, before) for body_id, before, _ in rows.moves} == set(kept.items())
    assert all(rows.refs[body_id] != ref for body_id, ref in kept.items())
    # What was read from a row a moment ago is still there, until another grace period is over.
    assert all(isinstance(answer, bytes) for answer in await store.get_many(list(kept.items())))
    assert (await store.sweep(rows.is_live, rows.moved)).removed == 0
    place.age()
    report = await store.sweep(rows.is_live, rows.moved)
    assert report.removed == 100
    assert not old.exists()
    assert all(isinstance(answer, bytes) for answer in (await rows.read(store)).values())
    await store.close()


async def test_a_row_that_changed_while_its_body_was_moved_is_not_lost(place, rows):
    """Somebody put the body again between the question and the move: the row keeps the newer ref."""
    await filled(place, rows, several("msg", 10))
    rows.refs = {"msg_1": rows.refs["msg_1"]}
    store = place.open(KEYS)

    async def moved(moves):
        await rows.put(store, {"msg_1": b"newer"})
        await rows.moved(moves)

    await store.sweep(rows.is_live, moved)
    assert await rows.read(store) == {"msg_1": b"newer"}
    await store.close()
    place.age()
    store = place.open(KEYS)
    for _ in range(3):
        await store.sweep(rows.is_live, rows.moved)
        place.age()
    assert await rows.read(store) == {"msg_1": b"newer"}
    await store.close()


async def test_a_move_that_the_database_refused_leaves_the_old_place(place, rows):
    await filled(place, rows, several("msg", 10))
    rows.refs = {"msg_1": rows.refs["msg_1"]}
    store = place.open(KEYS)

    async def refused(_moves):
        raise StoreError("the database is away")

    with pytest.raises(StoreError, match="away"):
        await store.sweep(rows.is_live, refused)
    place.age()
    await store.sweep(rows.is_live, rows.moved)
    assert len(rows.moves) == 1
    assert isinstance((await rows.read(store))["msg_1"], bytes)
    await store.close()


async def test_segments_of_many_short_processes_become_one(place, rows):
    bodies = await filled(place, rows, *(several(f"run{number}", 2) for number in range(12)))
    assert len(place.segments()) == 12
    store = place.open(KEYS)
    await store.sweep(rows.is_live, rows.moved)
    place.age()
    await store.sweep(rows.is_live, rows.moved)
    assert len(place.segments()) == 1
    assert await rows.read(store) == bodies
    await store.close()


async def test_a_segment_that_a_process_still_writes_to_is_passed_over(place, rows):
    writing, sweeping = place.open(KEYS), place.open(KEYS)
    await writing.put_many(list(several("msg", 5).items()))
    place.age()
    report = await sweeping.sweep(rows.is_live, rows.moved, thorough=True)
    assert report.postponed == 1
    assert len(place.segments()) == 1
    await writing.close()
    report = await sweeping.sweep(rows.is_live, rows.moved)
    assert report.removed == 5
    assert place.segments() == []
    await sweeping.close()


async def test_two_sweeps_at_once_move_nothing_twice(place, rows):
    bodies = await filled(place, rows, *(several(f"segment{number}", 20) for number in range(4)))
    rows.refs = {body_id: ref for body_id, ref in rows.refs.items() if body_id.endswith("_1")}
    stores = [place.open(KEYS) for _ in range(2)]
    await asyncio.gather(*(store.sweep(rows.is_live, rows.moved) for store in stores))
    assert sorted(body_id for body_id, _, _ in rows.moves) == sorted(rows.refs)
    assert await rows.read(stores[0]) == {body_id: bodies[body_id] for body_id in rows.refs}
    for store in stores:
        await store.close()


async def test_a_reader_gives_back_the_space_of_segments_that_were_swept_by_others(place, rows):
    await filled(place, rows, several("dead", 5), several("kept", 5))
    reading, sweeping = place.open(KEYS), place.open(KEYS)
    await rows.read(reading)
    rows.refs = {body_id: ref for body_id, ref in rows.refs.items() if body_id.startswith("kept")}
    dead = place.segments()[0]
    assert (await sweeping.sweep(rows.is_live, rows.moved)).removed == 5
    assert not dead.exists()
    await rows.put(sweeping, {"new": b"x"})
    assert any(dead.name in path for path in open_below(place.directory))
    await rows.read(reading)
    assert not any(dead.name in path for path in open_below(place.directory))
    await reading.close()
    await sweeping.close()
