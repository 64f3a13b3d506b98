"""One transaction for everything that a use case wants written: a list of changes (`model.changes`), all or nothing.

Lists of many callers share a transaction. What the busy paths write goes to the database by statements over all lists
at once; the rest list by list, each in a savepoint. A list that cannot be written fails its own caller only.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from mailwright.errors import MailwrightError
from mailwright.model.changes import PutAccount, PutWebhook
from mailwright.store.account_rows import account_row
from mailwright.store.commit_events import write_events
from mailwright.store.commit_handlers import HANDLERS
from mailwright.store.commit_outbox import OUTBOX_CHANGES, Written, fenced_ids, write_outbox
from mailwright.store.commit_unit import SealedAccount, SealedWebhook, Unit
from mailwright.store.database import Database
from mailwright.store.secret_box import SecretBox
from mailwright.store.webhook_rows import webhook_row

Changes = Sequence[Any]
Results = list[Any]


async def commit(database: Database, changes: Changes, *, box: SecretBox | None = None) -> Results:
    """One result for each change. Accounts and webhooks have secrets: they need the box to seal them.

    AddMessage → the id that is valid now: an older one where the idempotency key was used before with the same content;
    then nothing else of the list is written, and its other results are None. With other messages in the list, each
    stands for itself.
    MarkDot, Settle, RenewedLease → whether the fence held; when not, nothing of it was written.
    CancelMessages, RetryMessages, DropAccount → ids of the messages. ReplayTasks, MoveLane → how many.
    PutWorkspace, PutAccount, PutWebhook → the new version. DecideUncertain → the new state.
    AddAudit → its number. PutSuppression → whether it is new. ParkLane → whether there is such a lane.
    """
    sealed = [_sealed(change, box) for change in changes]
    return await database.write(apply, sealed)


def _sealed(change: Any, box: SecretBox | None) -> Any:
    if not isinstance(change, PutAccount | PutWebhook):
        return change
    if box is None:
        raise TypeError(f"{type(change).__name__} needs the box that seals secrets")
    if isinstance(change, PutAccount):
        return SealedAccount(change.record, change.expected, account_row(change.record, box))
    return SealedWebhook(change.endpoint, change.expected, webhook_row(change.endpoint, box))


def apply(connection: Connection, lists: Sequence[Changes]) -> list[Results | Exception]:
    """The batch function behind `commit`. In effect the lists are written one after the other, in their order."""
    now = time.time_ns() // 1000
    outcomes: list[Results | Exception] = []
    for is_busy_path, run in groupby(lists, key=_of_outbox_only):
        if is_busy_path:
            for batch in _without_repetition(run):
                outcomes += map(_results, write_outbox(connection, batch, now))
        else:
            outcomes += [_write_one(connection, changes, now) for changes in run]
    return outcomes


def _results(written: Written | Exception) -> Results | Exception:
    return written if isinstance(written, Exception) else written.results


def _of_outbox_only(changes: Changes) -> bool:
    return all(type(change) in OUTBOX_CHANGES for change in changes)


def _without_repetition(run: Iterable[Changes]) -> Iterator[list[Changes]]:
    """A statement finds each row once: two changes of one row go into two statements."""
    batch: list[Changes] = []
    touched: set[str] = set()
    for changes in run:
        ids = fenced_ids(changes)
        if not touched.isdisjoint(ids):
            yield batch
            batch, touched = [], set()
        touched.update(ids)
        batch.append(changes)
    if batch:
        yield batch


def _write_one(connection: Connection, changes: Changes, now: int) -> Results | Exception:
    try:
        with connection.begin_nested():
            return _write_in_order(connection, changes, now)
    except MailwrightError as error:
        return error


def _write_in_order(connection: Connection, changes: Changes, now: int) -> Results:
    """What belongs to the outbox comes first: a message that is known already takes the rest of its list with it."""
    results: Results = [None] * len(changes)
    outbox = [place for place, change in enumerate(changes) if type(change) in OUTBOX_CHANGES]
    (written,) = write_outbox(connection, [[changes[place] for place in outbox]], now)
    if isinstance(written, Exception):
        raise written
    for place, result in zip(outbox, written.results, strict=True):
        results[place] = result
    if written.known:
        return results
    unit = Unit(connection, now, [])
    for place, change in enumerate(changes):
        if place not in outbox:
            results[place] = HANDLERS[type(change)](unit, change)
    write_events(connection, unit.events, now)
    return results
