"""A mail server that counts, in a process of its own: it outlives every client that a test kills."""

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness import sink_program

_STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One message that the sink took: from here on a real server would deliver it."""

    #: seconds since the epoch
    time: float
    #: connections are numbered from 1 in the order of their arrival
    session: int
    #: who signed in; empty without --auth
    user: str
    sender: str
    recipients: tuple[str, ...]
    #: of the header, with its angle brackets; empty when there is none
    message_id: str
    #: as it came over the wire, doubled dots included, without the final dot
    size: int
    #: False when the sink closed the connection instead of replying
    answered: bool


@dataclass(frozen=True, slots=True)
class Sink:
    host: str
    port: int
    pid: int
    #: one JSON object on each line; it stays when the sink is gone, and the next one may go on with it
    log: Path

    def messages(self) -> list[Taken]:
        """What was taken until now, in order."""
        whole_lines = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        entries = (json.loads(line) for line in whole_lines)
        return [Taken(**{**entry, "recipients": tuple(entry["recipients"])}) for entry in entries]

    def copies(self) -> Counter[tuple[str, str]]:
        """How often each Message-ID was taken for each recipient: 1 is right, 2 was sent twice."""
        return Counter((taken.message_id, to) for taken in self.messages() for to in taken.recipients)

    def wait_for(self, count: int, timeout: float = 30.0) -> list[Taken]:
        """The messages, as soon as there are so many. It blocks: in a coroutine use asyncio.to_thread."""
        deadline = time.monotonic() + timeout
        while len(found := self.messages()) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"the sink took {len(found)} of {count} messages within {timeout:g} s")
            time.sleep(0.01)
        return found


@contextlib.contextmanager
def counting_sink(
    log: Path, *, port: int = 0, die_after_dot: int = 0, slow: float = 0.0, auth: str = ""
) -> Iterator[Sink]:
    """Runs the sink until the block is left, or the test run is gone. Lines are added to `log`.

    `die_after_dot` takes the Nth message of this sink without a reply, `slow` waits so many seconds before each reply
    to a final dot, `auth` is the `user:password` to sign in with. What a recipient's name does: see `sink_program`.
    """
    log.touch()
    options = [f"--log={log}", f"--port={port}", f"--die-after-dot={die_after_dot}", f"--slow={slow}", f"--auth={auth}"]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", sink_program.__file__, *options],
        # The leash: closed by the kernel however the test run ends.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C is for pytest, and a test may kill the process group of its own processes.
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            announced = process.stdout.readline()
            if not announced:
                raise RuntimeError(f"the sink did not start on port {port}: standard error says why")
            yield Sink(sink_program.HOST, int(announced), process.pid, log)
        finally:
            process.stdin.close()
            try:
                ended = process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    # Below 0 it was a signal: a test may kill its server.
    if ended > 0:
        raise RuntimeError(f"the sink ended with status {ended}: standard error says why")
