"""Nodes are killed at every point of the way of a message, and nothing is lost: the proof of the outbox."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash.ground import Ground, Nursery
from tests.crash.ledger import Tally, judge
from tests.crash.points import NAMED, RANDOM, Point
from tests.harness import Postgres, counting_sink

_POINTS = (*NAMED, RANDOM)
_KINDS = ("sqlite", "postgresql")
#: killed one after the other in one store, before everything is settled and judged
_KILLS_IN_A_ROW = 12
_ROWS_OF_KILLS = 2
#: a node may be done before it has visited a point as often as was chosen
_TRIES = 50


def kill_in_a_row(nursery: Nursery, directory: Path, database: str, points: list[Point], seed: int) -> Tally:
    """At each point once, in a new store; where a node was done before it came there, another one is killed."""
    log = directory.with_suffix(".sink")
    with counting_sink(log) as sink:
        ground = Ground(nursery, directory, database, sink, seed)
        ground.prepare()
        for point in points:
            assert any(ground.kill_one(point) for _ in range(_TRIES)), f"no node came to {point.name}"
        ground.finish()
        tally = judge(ground)
    log.unlink()
    assert tally.kills == len(points)
    return tally


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def test_whatever_a_node_does_when_it_is_killed_no_accepted_message_is_lost(kind, request, tmp_path):
    database = "" if kind == "sqlite" else request.getfixturevalue("postgres").fresh_database()
    # The bodies and the statements of PostgreSQL are other ones; what is done at the server is the same.
    points = [point for point in _POINTS if not database or ":" in point.name]
    with Nursery() as nursery:
        tally = kill_in_a_row(nursery, tmp_path / "ground", database, points, seed=1)
    assert tally.problems() == []
    assert tally.accepted > len(points) * 12


@pytest.mark.real
@pytest.mark.proof(seconds=3600)
def test_a_thousand_killed_nodes_lose_nothing(postgres: Postgres, tmp_path):
    found = {point.name: {kind: Tally() for kind in _KINDS} for point in _POINTS}

    def prove(kind: str) -> None:
        with Nursery() as nursery:
            for row in range(_ROWS_OF_KILLS):
                for number, point in enumerate(_POINTS):
                    seed = row * len(_POINTS) + number
                    database = postgres.fresh_database() if kind == "postgresql" else ""
                    points = [point] * _KILLS_IN_A_ROW
                    tally = kill_in_a_row(nursery, tmp_path / f"{kind}-{seed}", database, points, seed)
                    found[point.name][kind].add(tally)

    with ThreadPoolExecutor(len(_KINDS)) as both:
        for done in [both.submit(prove, kind) for kind in _KINDS]:
            done.result()
    total = together([tally for row in found.values() for tally in row.values()])
    sys.stdout.write(f"\n{table(found)}\n")
    assert total.problems() == []
    assert total.kills >= 1000


def together(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.add(tally)
    return whole


def table(found: dict[str, dict[str, Tally]]) -> str:
    whole = {kind: together([row[kind] for row in found.values()]) for kind in _KINDS}
    lines = [("killed at", *_KINDS, "lost", "twice (resend)", "twice (hold)", "flagged", "wrongly flagged")]
    for name, row in {**found, "all": whole}.items():
        both = together(list(row.values()))
        numbers = (both.lost, both.twice_resend, both.twice_hold, both.flagged, both.wrongly_flagged)
        lines.append((name, *(str(row[kind].kills) for kind in _KINDS), *map(str, numbers)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = ["  ".join(word.rjust(width) for word, width in zip(line, widths, strict=True)) for line in lines]
    all_ = together(list(whole.values()))
    most = f"{all_.most_hold} of policy hold and {all_.most_resend} of policy resend"
    return "\n".join([*texts, f"{all_.accepted} messages were accepted; one kill left at most {most} marked"])
