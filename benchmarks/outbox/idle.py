"""A question that is no race: what a service costs that has a million messages for later and nothing to do."""

import json
import sys
from pathlib import Path

from outbox_job import OutboxJob
from race import ClientFailedError, run_program

NAME = "idle"
_SCHEDULED = 1_000_000
_SECONDS = 20.0
_MOST_SHARE = 0.01
_MOST_GROWTH_KB = 1_024


def ask(cache: Path, *, quick: bool) -> tuple[bool, bool]:
    """Whether it worked, and whether the targets were met."""
    seconds, scheduled = (3.0, 10_000) if quick else (_SECONDS, _SCHEDULED)
    print(f"\n{NAME}: A service with {scheduled:,} messages for later, {seconds:g} s of nothing to do; SQLite")
    job = OutboxJob(cache=str(cache), accounts=200, seconds=seconds, warmup_seconds=3.0)
    try:
        full, empty = _run(job.changed(waiting=scheduled)), _run(job)
    except ClientFailedError as failed:
        print(f"  failed: {failed}")
        return False, False
    met = [
        _say(full["share"] <= _MOST_SHARE, f"CPU: {full['share']:.2%} of a core (at most {_MOST_SHARE:.0%})", quick),
        _say(full["grew"] <= _MOST_GROWTH_KB, f"grew by {full['grew']:,} KB (at most {_MOST_GROWTH_KB:,})", quick),
    ]
    print(
        f"        resident {full['resident'] / 1024:.0f} MB; without the messages {empty['resident'] / 1024:.0f} MB"
        f" and {empty['share']:.2%} of a core"
    )
    return True, quick or all(met)


def _run(job: OutboxJob) -> dict[str, float]:
    script = Path(__file__).parent / "clients" / "idle_client.py"
    # Most of the time goes into making the messages.
    return json.loads(run_program([sys.executable, str(script), job.to_json()], job, extra_seconds=900))


def _say(met: bool, what: str, quick: bool) -> bool:
    print(f"  {'    ' if quick else 'PASS' if met else 'FAIL'}  {what}")
    return met
