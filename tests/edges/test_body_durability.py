"""Accepted means on the disk: what the program asks of the kernel before it says so, and what happens when the disk
refuses. A killed process does not test that, since the kernel keeps what it wrote; the record of its system calls does.
"""

import asyncio
import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from mailwright.errors import BodyNotStored, BodyUnreadable
from mailwright.store.bodies.directory import DirectoryBodies
from mailwright.store.bodies.segment import SUFFIX, read_ref
from mailwright.store.keyring import open_keyring
from tests.harness.skips import missing

#: Puts groups of bodies and says which are accepted, by a system call that nothing else here uses.
PROGRAM = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from mailwright.errors import BodyNotStored
from mailwright.store.bodies.directory import DirectoryBodies
from mailwright.store.keyring import open_keyring

def say(text):
    os.writev(1, [text.encode() + b"\\n"])

async def main(data, groups):
    store = DirectoryBodies(data / "bodies", open_keyring(data, now=datetime.now(UTC)), segment_bytes=4_000)
    for group in range(groups):
        bodies = [(f"msg_{group}_{number}", f"{group} {number} ".encode() * 100) for number in range(5)]
        try:
            refs = await asyncio.gather(*(store.put_many([body]) for body in bodies))
        except BodyNotStored as error:
            say(f"refused {error}")
        else:
            for (body_id, body), (ref,) in zip(bodies, refs):
                say(f"accepted {body_id} {ref}")
    await store.close()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


def body_of(body_id: str) -> bytes:
    _, group, number = body_id.split("_")
    return f"{group} {number} ".encode() * 100


def accepted(lines: list[str]) -> list[tuple[str, str]]:
    words = [line.split() for line in lines]
    return [(body_id, ref) for kind, body_id, ref, *_ in words if kind == "accepted"]


def read_back(data: Path, refs: list[tuple[str, str]]) -> list[bytes | BodyUnreadable]:
    async def reading() -> list[bytes | BodyUnreadable]:
        store = DirectoryBodies(data / "bodies", open_keyring(data, now=datetime.now(UTC)))
        try:
            return await store.get_many(refs)
        finally:
            await store.close()

    return asyncio.run(reading())


# --- the record of system calls


class Call(NamedTuple):
    name: str
    arguments: str
    #: of the file that it is about
    path: str
    result: str
    #: the lines of the record where it began and ended
    began: int
    ended: int


_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
# With -y the path stands behind the descriptor; a name that is opened or renamed stands in quotes.
_PATH = re.compile(r"^\d+<([^>]*)>")
_NAMES = re.compile(r'"([^"]*)"')


def calls_in(record: str) -> list[Call]:
    found = []
    begun: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(record.splitlines()):
        process, text = _LINE.match(line).groups()
        began = number
        if text.endswith(_UNFINISHED):
            begun[process] = (text.removesuffix(_UNFINISHED), number)
            continue
        if resumed := _RESUMED.match(text):
            start, began = begun.pop(process)
            text = start + resumed[1]
        if match := _CALL.match(text):
            name, arguments, result = match.groups()
            path = _PATH.match(arguments)
            names = _NAMES.findall(arguments)
            about = path[1] if path else names[-1] if names else ""
            found.append(Call(name, arguments, about, result, began, number))
    return found


def recorded(data: Path, groups: int, *options: str) -> tuple[list[Call], list[str]]:
    """The program's system calls and what it said."""
    strace = shutil.which("strace")
    if strace is None:
        missing("not installed: strace (./run test installs it on Debian and Ubuntu)")
    record = data.parent / "record"
    what = "trace=write,writev,pwrite64,pwritev,fdatasync,fsync,openat,rename,renameat,renameat2,ftruncate,unlink,mkdir"
    program = [sys.executable, "-c", PROGRAM, data, str(groups)]
    done = subprocess.run(
        [strace, "-f", "-y", "-s", "80", "-o", record, "-e", what, *options, *program],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode and "PTRACE" in done.stderr:
        missing("strace may not trace here (a container needs the capability SYS_PTRACE)")
    assert done.returncode == 0, done.stderr
    return calls_in(record.read_text()), done.stdout.splitlines()


def writes_of(calls: list[Call], suffix: str) -> list[Call]:
    return [call for call in calls if "write" in call.name and call.path.endswith(suffix)]


def sayings(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.name == "writev" and '"accepted' in call.arguments]


def problems(calls: list[Call]) -> Iterator[str]:
    """What was said to be accepted before the kernel said that it is on the disk."""

    def synced(kind: str, path: str, after: int, before: int) -> bool:
        return any(
            call.name == kind and call.path == path and call.result == "0"
            for call in calls
            if call.began > after and call.ended < before
        )

    for saying in sayings(calls):
        segment = re.search(r"accepted \S+ ([0-9a-f]{20})/", saying.arguments)[1] + SUFFIX
        writes = [call for call in writes_of(calls, segment) if call.began < saying.began]
        if not writes or not synced("fdatasync", writes[-1].path, writes[-1].ended, saying.began):
            yield f"{saying.arguments} before its bytes were synced"
        (made,) = [
            call for call in calls if call.name == "openat" and "O_CREAT" in call.arguments if segment in call.path
        ]
        if not synced("fsync", str(Path(made.path).parent), made.ended, saying.began):
            yield f"{saying.arguments} before the name of its segment was synced"


def test_nothing_is_called_accepted_before_its_bytes_and_its_segments_name_are_synced(tmp_path):
    calls, said = recorded(tmp_path / "data", 6)
    assert len(accepted(said)) == len(sayings(calls)) == 30
    segments = {write.path for write in writes_of(calls, SUFFIX)}
    assert len(segments) >= 2
    assert list(problems(calls)) == []

    def without(name: str) -> list[Call]:
        return [call for call in calls if call.name != name]

    # The judge itself can find fault.
    assert any("bytes" in problem for problem in problems(without("fdatasync")))
    assert any("name" in problem for problem in problems(without("fsync")))


def test_the_key_is_on_the_disk_before_anything_is_encrypted_with_it(tmp_path):
    data = tmp_path / "data"
    calls, _ = recorded(data, 1)
    written = [call for call in calls if "write" in call.name and "keys.json" in call.path]
    (renamed,) = [call for call in calls if "rename" in call.name and call.path == str(data / "keys.json")]
    # What comes next, and syncs the same directory for its own reasons.
    (bodies_made,) = [call for call in calls if call.name == "mkdir" and call.path == str(data / "bodies")]
    synced = [call for call in calls if call.name == "fsync" and call.result == "0"]
    assert written
    assert any(call.path == written[0].path and written[-1].ended < call.began for call in synced)
    assert any(call.path == written[0].path and call.ended < renamed.began for call in synced)
    assert any(
        call.path == str(data) and renamed.ended < call.began and call.ended < bodies_made.began for call in synced
    )


def test_new_directories_are_synced_into_their_parents(tmp_path):
    data = tmp_path / "data"
    calls, _ = recorded(data, 1)
    first = sayings(calls)[0].began
    synced = {call.path for call in calls if call.name == "fsync" and call.result == "0" and call.ended < first}
    assert {str(tmp_path), str(data), str(data / "bodies")} <= synced


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("fdatasync:error=EIO:when=2", "Input/output error"),
        ("fdatasync:error=ENOSPC:when=1", "No space left on device (free some space on that disk)"),
        ("write:error=ENOSPC:when=2", "No space left on device (free some space on that disk)"),
        ("write:error=EIO:when=1", "Input/output error"),
    ],
)
def test_a_segment_is_never_written_to_again_after_the_kernel_reported_an_error(tmp_path, fault, says):
    data = tmp_path / "data"
    # The fault is for the bodies: the key is there before.
    open_keyring(data, now=datetime.now(UTC))
    calls, said = recorded(data, 5, "-e", f"inject={fault}")
    (failed,) = [call for call in calls if "(INJECTED)" in call.result and call.path.endswith(SUFFIX)]
    assert [line for line in said if line.startswith("refused")]
    assert all(line.endswith(says) for line in said if line.startswith("refused"))
    assert not [write for write in writes_of(calls, SUFFIX) if write.path == failed.path and write.began > failed.ended]
    assert [write for write in writes_of(calls, SUFFIX) if write.path != failed.path and write.began > failed.ended]
    assert list(problems(calls)) == []
    kept = accepted(said)
    assert len(kept) >= 15
    assert read_back(data, kept) == [body_of(body_id) for body_id, _ in kept]


# --- a disk that refuses, in this process


def _path(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class Disk:
    """The next call of one kind about a file of the bodies fails."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = str(directory)
        self._faults: list[tuple[str, int, int]] = []
        #: path of the segment, once for each write
        self.writes: list[str] = []
        self._real = {name: getattr(os, name) for name in ("open", "write", "fdatasync", "fsync")}
        for name in self._real:
            monkeypatch.setattr(os, name, getattr(self, name))

    def fail(self, name: str, number: int, *, keep: int = 0) -> None:
        """`keep`: so many bytes are still written before it fails."""
        self._faults.append((name, number, keep))

    def open(self, path, flags, mode=0o777, **options):
        if flags & os.O_CREAT:
            self._strike("open", str(path))
        return self._real["open"](path, flags, mode, **options)

    def write(self, descriptor, data):
        path = _path(descriptor)
        if path.startswith(self._directory):
            self.writes.append(path)
        if self._faults and self._faults[0][0] == "write" and self._faults[0][2]:
            _, number, keep = self._faults.pop(0)
            self.fail("write", number)
            return self._real["write"](descriptor, data[:keep])
        self._strike("write", path)
        return self._real["write"](descriptor, data)

    def fdatasync(self, descriptor):
        self._strike("fdatasync", _path(descriptor))
        self._real["fdatasync"](descriptor)

    def fsync(self, descriptor):
        self._strike("fsync", _path(descriptor))
        self._real["fsync"](descriptor)

    def _strike(self, name: str, path: str) -> None:
        if self._faults and self._faults[0][0] == name and path.startswith(self._directory):
            _, number, _ = self._faults.pop(0)
            raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("name", "number", "keep", "before"),
    [
        *(
            (*fault, before)
            for before in (0, 3)
            for fault in (
                ("write", errno.ENOSPC, 0),
                ("write", errno.EDQUOT, 300),
                ("write", errno.EIO, 1),
                ("fdatasync", errno.EIO, 0),
                ("fdatasync", errno.ENOSPC, 0),
            )
        ),
        # A segment is opened, and its name synced, only for the first group in it.
        ("fsync", errno.EIO, 0, 0),
        ("open", errno.ENOSPC, 0, 0),
        ("open", errno.EMFILE, 0, 0),
    ],
)
async def test_a_disk_that_refuses_once_fails_that_put_and_nothing_else(
    tmp_path, monkeypatch, name, number, keep, before
):
    keyring = open_keyring(tmp_path, now=datetime.now(UTC))
    store = DirectoryBodies(tmp_path / "bodies", keyring)
    kept = {}
    for group in range(before):
        bodies = {f"msg_{group}_{item}": os.urandom(100) for item in range(3)}
        refs = await store.put_many(list(bodies.items()))
        kept |= dict(zip(bodies, zip(refs, bodies.values(), strict=True), strict=True))
    sizes = {path: path.stat().st_size for path in (tmp_path / "bodies").iterdir()}

    disk = Disk(tmp_path / "bodies", monkeypatch)
    disk.fail(name, number, keep=keep)
    with pytest.raises(BodyNotStored) as caught:
        await store.put_many([("msg_9_1", os.urandom(500)), ("msg_9_2", os.urandom(500))])
    assert os.strerror(number) in str(caught.value)
    assert bool(caught.value.hint) == (number in {errno.ENOSPC, errno.EDQUOT})
    # The space of what nobody may point at is given back, and of the others nothing is touched.
    assert {path: path.stat().st_size for path in (tmp_path / "bodies").iterdir()} == sizes

    failed = set(disk.writes)
    disk.writes.clear()
    bodies = {f"msg_{item}_after": os.urandom(100) for item in range(3)}
    refs = await store.put_many(list(bodies.items()))
    kept |= dict(zip(bodies, zip(refs, bodies.values(), strict=True), strict=True))
    assert disk.writes
    assert not failed & set(disk.writes)
    assert len({read_ref(ref).segment for ref, _ in kept.values()}) == 1 + bool(before)

    for reading in (store, DirectoryBodies(tmp_path / "bodies", keyring)):
        answers = await reading.get_many([(body_id, ref) for body_id, (ref, _) in kept.items()])
        assert answers == [body for _, body in kept.values()]
        await reading.close()


async def test_short_writes_are_continued_and_not_taken_for_all(tmp_path, monkeypatch):
    keyring = open_keyring(tmp_path, now=datetime.now(UTC))
    store = DirectoryBodies(tmp_path / "bodies", keyring)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    (ref,) = await store.put_many([("msg_1", b"a body of some length" * 10)])
    monkeypatch.undo()
    assert await store.get("msg_1", ref) == b"a body of some length" * 10
    await store.close()


async def test_a_segment_that_a_sweep_took_before_it_was_locked_is_not_written_to(tmp_path, monkeypatch):
    taken = []
    lock = fcntl.flock

    def late(descriptor, operation):
        if not taken:
            taken.append(_path(descriptor))
            Path(taken[0]).unlink()
        lock(descriptor, operation)

    keyring = open_keyring(tmp_path, now=datetime.now(UTC))
    store = DirectoryBodies(tmp_path / "bodies", keyring)
    monkeypatch.setattr(fcntl, "flock", late)
    (ref,) = await store.put_many([("msg_1", b"x")])
    assert read_ref(ref).segment not in taken[0]
    assert await store.get("msg_1", ref) == b"x"
    await store.close()


async def test_a_full_disk_does_not_keep_the_sweep_from_making_room(tmp_path, monkeypatch):
    keyring = open_keyring(tmp_path, now=datetime.now(UTC))
    directory = tmp_path / "bodies"
    refs: dict[str, str] = {}
    for name in ("mostly_dead", "all_dead"):
        store = DirectoryBodies(directory, keyring)
        put = await store.put_many([(f"{name}_{number}", os.urandom(100)) for number in range(10)])
        refs[f"{name}_0"] = put[0]
        await store.close()
    del refs["all_dead_0"]
    for path in directory.iterdir():
        os.utime(path, (0, 0))

    async def is_live(pairs):
        return {ref for body_id, ref in pairs if refs.get(body_id) == ref}

    async def moved(_moves):
        raise AssertionError("nothing can be moved on a full disk")

    store = DirectoryBodies(directory, keyring)
    disk = Disk(directory, monkeypatch)
    disk.fail("open", errno.ENOSPC)
    report = await store.sweep(is_live, moved)
    assert (report.removed, report.moved, report.postponed) == (10, 0, 1)
    assert isinstance(await store.get("mostly_dead_0", refs["mostly_dead_0"]), bytes)
    await store.close()


# --- a process that is killed


@pytest.mark.parametrize("patience", [1, 20, 57, 333])
def test_what_a_killed_process_said_to_be_accepted_is_there(tmp_path, patience):
    data = tmp_path / "data"
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, data, "100000"], stdout=subprocess.PIPE, text=True)
    try:
        lines = [program.stdout.readline() for _ in range(patience)]
    finally:
        program.kill()
        # What it managed to say until then counts as well; the last line may be torn.
        rest = program.stdout.read()
        program.stdout.close()
        program.wait()
    lines += rest[: rest.rfind("\n") + 1].splitlines()
    kept = accepted([line.strip() for line in lines])
    assert len(kept) >= patience
    assert read_back(data, kept) == [body_of(body_id) for body_id, _ in kept]
