"""What a client process is asked to do, and what it answers: both one line of JSON."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

Send = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Job:
    #: where message files and node packages are
    cache: str
    host: str = "127.0.0.1"
    port: int = 0
    large: bool = False
    #: finished bytes are given to the client; otherwise it makes the MIME of every message
    ready: bool = False
    sessions: int = 10
    #: concurrent callers of clients that have a pool of their own
    callers: int = 64
    uvloop: bool = True
    #: the warm-up ends at whichever comes first, and so does the measurement
    warmup_messages: int = 20_000
    warmup_seconds: float = 1.0
    messages: int = 1_000_000
    seconds: float = 3.0
    #: PEM file of the authority to trust; empty: no TLS and no sign-in
    authority: str = ""
    username: str = "user"
    password: str = "correct horse"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def changed(self, **changes: object) -> Self:
        return replace(self, **changes)

    @classmethod
    def from_command_line(cls) -> Self:
        """What a client of another benchmark may be told beside is not for this one."""
        known = {part.name for part in fields(cls)}
        return cls(**{name: value for name, value in json.loads(sys.argv[1]).items() if name in known})


@dataclass(frozen=True)
class Sample:
    #: messages that the server has taken
    n: int
    wall: float
    #: user and system seconds of the client process
    cpu: float

    @property
    def rate(self) -> float:
        return self.n / self.wall

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu / self.n * 1e6


def answer(sample: Sample) -> None:
    print(json.dumps(asdict(sample)))


async def measure(job: Job, sends: Sequence[Send]) -> Sample:
    """One caller for each of `sends`; all take their message numbers from one counter."""
    warm = await _phase(sends, first=0, messages=job.warmup_messages, seconds=job.warmup_seconds)
    cpu, wall = time.process_time(), time.perf_counter()
    sent = await _phase(sends, first=warm, messages=job.messages, seconds=job.seconds)
    return Sample(sent, time.perf_counter() - wall, time.process_time() - cpu)


async def _phase(sends: Sequence[Send], *, first: int, messages: int, seconds: float) -> int:
    numbers = iter(range(first, first + messages))
    end = time.perf_counter() + seconds

    async def call(send: Send) -> int:
        sent = 0
        for number in numbers:
            await send(number)
            sent += 1
            if time.perf_counter() > end:
                break
        return sent

    return sum(await asyncio.gather(*map(call, sends)))


def measure_blocking(job: Job, work: Callable[[int], object]) -> Sample:
    warm = _blocking_phase(work, first=0, messages=job.warmup_messages, seconds=job.warmup_seconds)
    cpu, wall = time.process_time(), time.perf_counter()
    done = _blocking_phase(work, first=warm, messages=job.messages, seconds=job.seconds)
    return Sample(done, time.perf_counter() - wall, time.process_time() - cpu)


def _blocking_phase(work: Callable[[int], object], *, first: int, messages: int, seconds: float) -> int:
    end = time.perf_counter() + seconds
    for done in itertools.count(1):
        if done > messages:
            return done - 1
        work(first + done - 1)
        if time.perf_counter() > end:
            return done
    raise AssertionError


def run(job: Job, main: Callable[[Job], Awaitable[Sample]]) -> None:
    with asyncio.Runner(loop_factory=_loop_factory(job)) as runner:
        answer(runner.run(main(job)))


def _loop_factory(job: Job) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not job.uvloop:
        return None
    import uvloop  # noqa: PLC0415  # the row with the plain loop must not load it

    return uvloop.new_event_loop
