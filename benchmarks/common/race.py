"""Clients, questions, and the running of one against the other in turn."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from install import HERE, tool
from job import Job, Sample

RunClient = Callable[[Job], Sample]

SHARED_CLIENTS = HERE / "clients"

# How nodemailer is asked.
#: with more callers its queue grows and it gets no faster
CALLERS = {"callers": 20}
#: V8 goes on optimising for thousands of messages; measured earlier, nodemailer would look slower than it is
WARM = {**CALLERS, "warmup_messages": 20_000, "warmup_seconds": 15.0}


class ClientFailedError(Exception):
    pass


def python_client(script: Path, python: str = sys.executable) -> RunClient:
    return lambda job: _json_client([python, str(script), job.to_json()], job)


def node_client(script: Path) -> RunClient:
    return lambda job: _json_client([tool("node"), str(script), job.to_json()], job)


def smtp_source(job: Job) -> Sample:
    """Postfix's load generator. It counts nothing itself, so its whole process is measured."""
    command = [tool("smtp-source"), "-d", "-s", str(job.sessions), "-m", str(job.messages), "-M", "localhost"]
    command += ["-f", "sender@example.com", "-t", "rcpt@example.com", "-F", _file(job, "eml")]
    before = _children_cpu()
    start = time.perf_counter()
    run_program([*command, f"{job.host}:{job.port}"], job)
    return Sample(job.messages, time.perf_counter() - start, _children_cpu() - before)


def blast(job: Job) -> Sample:
    """Our C program with no message building at all: the limit of this machine."""
    arguments = [str(job.port), _file(job, "wire"), str(job.messages), str(job.sessions), "pipe"]
    return _json_client([str(Path(job.cache) / "blast"), *arguments], job)


#: they send one file over and over: limits, not peers
LIMITS = [smtp_source, blast]


def _file(job: Job, kind: str) -> str:
    return str(Path(job.cache) / "messages" / f"{'large' if job.large else 'small'}.{kind}")


def _children_cpu() -> float:
    # Servers are children too, but count only once they are waited for: after the race.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _json_client(command: list[str], job: Job) -> Sample:
    return Sample(**json.loads(run_program(command, job)))


def run_program(command: list[str], job: Job, *, extra_seconds: float = 60) -> str:
    """In the folder of the benchmark that is run, with what is shared on the path of Python."""
    path = os.pathsep.join([str(HERE), str(SHARED_CLIENTS), sys.path[0]])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    bound = job.warmup_seconds + job.seconds + extra_seconds
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=bound, env=environment, cwd=HERE
        )
    except subprocess.TimeoutExpired as late:
        raise ClientFailedError(f"did not end within {bound:.0f} s") from late
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ClientFailedError(lines[-1])
    return done.stdout


@dataclass(frozen=True)
class Client:
    name: str
    run: RunClient
    #: what is different from the question's job for this client
    changes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """`ours` against `peer`; the rate at least, or the CPU at most, this many times the peer's."""

    sentence: str
    ours: str
    peer: str
    require: float
    stretch: float
    cpu: bool = False


@dataclass(frozen=True)
class Question:
    name: str
    title: str
    clients: tuple[Client, ...]
    job: Job
    targets: tuple[Target, ...]
    #: None: no server, nothing is sent
    server: Callable[[Path], AbstractContextManager[int]] | None


@dataclass
class Result:
    """All rounds of one client."""

    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    @property
    def rate(self) -> float:
        return median(sample.rate for sample in self.samples)

    @property
    def cpu(self) -> float:
        return median(sample.cpu_microseconds for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        rates = [sample.rate / self.rate for sample in self.samples]
        return min(rates), max(rates)


def run_rounds(
    question: Question, cache: Path, rounds: int, quick: bool, note: Callable[[str], None]
) -> dict[str, Result]:
    results = {client.name: Result() for client in question.clients}
    for number in range(rounds):
        # Nobody always comes first, or always right after the hungriest peer.
        turn = number % len(question.clients)
        for client in question.clients[turn:] + question.clients[:turn]:
            result = results[client.name]
            if result.failure:
                continue
            note(f"{question.name}, round {number + 1} of {rounds}: {client.name}")
            try:
                result.samples.append(_one(question, client, cache, quick))
            except ClientFailedError as failed:
                result.failure = str(failed)
    return results


def _one(question: Question, client: Client, cache: Path, quick: bool) -> Sample:
    job = question.job.changed(**client.changes, cache=str(cache))
    if quick:
        job = shortened(job)
    if question.server is None:
        return client.run(job)
    with question.server(cache) as port:
        return client.run(job.changed(port=port))


def shortened(job: Job) -> Job:
    return job.changed(
        warmup_seconds=min(job.warmup_seconds, 0.4),
        seconds=0.5,
        messages=max(200, job.messages // 8) if job.messages < 1_000_000 else job.messages,
    )
