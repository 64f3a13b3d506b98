"""Where a node is killed. Each point replaces a function of ours, in the process of the node, by one that counts and
kills: nothing of it is in the product.
"""

import itertools
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from mailwright.connector.courier import Courier
from mailwright.model.changes import AddMessage, MarkDot, Settle
from mailwright.protocol.smtp.handshake import Command
from mailwright.reply import Phase
from mailwright.store import writer
from mailwright.store.bodies import appender
from mailwright.store.bodies.directory import DirectoryBodies
from mailwright.store.bodies.postgres import PostgresBodies
from mailwright.transport.smtp_session import SmtpSession
from mailwright.work.queue import Queue


class Trigger:
    """Says when it is time to die: at the chosen one of all visits to the point."""

    def __init__(self, hit: int) -> None:
        self._visits, self._hit = itertools.count(1), hit

    def __call__(self) -> bool:
        return next(self._visits) == self._hit

    def kill(self) -> None:
        if self():
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Point:
    name: str
    plant: Callable[[Trigger], None]
    #: visits of the point are chosen up to this one
    visits: int


# ---- accept ----


def _before_body(trigger):
    for bodies in (DirectoryBodies, PostgresBodies):

        def put_many(self, given, whole=bodies.put_many):
            trigger.kill()
            return whole(self, given)

        bodies.put_many = put_many


def _half_of_body(trigger):
    """In a directory half a record is written; a database has the whole of it and has not committed."""
    write_all, execute = appender._write_all, PostgresBodies._insert

    def torn(descriptor, data):
        if trigger():
            write_all(descriptor, data[: len(data) // 2])
            die()
        write_all(descriptor, data)

    def insert(self, given):
        trigger.kill()
        return execute(self, given)

    appender._write_all, PostgresBodies._insert = torn, insert


def _after_body(trigger):
    for bodies in (DirectoryBodies, PostgresBodies):

        async def put_many(self, given, whole=bodies.put_many):
            refs = await whole(self, given)
            trigger.kill()
            return refs

        bodies.put_many = put_many


# ---- transactions ----


def _writes(group, kind):
    return any(
        type(change) is kind for waiting in group if isinstance(waiting.item, list | tuple) for change in waiting.item
    )


def _accepts(group, _outcomes):
    return _writes(group, AddMessage)


def _marks(group, _outcomes):
    return _writes(group, MarkDot)


def _settles(group, _outcomes):
    return _writes(group, Settle)


def _claims(group, outcomes):
    """Those that got something."""
    return any(
        getattr(waiting.function, "__func__", None) is Queue._claim and (answer.rows or answer.recovered)
        for waiting, answer in zip(group, outcomes, strict=True)
    )


def _before_commit(concerns):
    def plant(trigger):
        apply = writer._apply

        @wraps(apply)
        def written(connection, group):
            outcomes = apply(connection, group)
            if concerns(group, outcomes):
                trigger.kill()
            return outcomes

        writer._apply = written

    return plant


def _after_commit(concerns):
    def plant(trigger):
        transaction = writer._Line._transaction

        @wraps(transaction)
        def committed(self, group):
            outcomes = transaction(self, group)
            if concerns(group, outcomes):
                trigger.kill()
            return outcomes

        writer._Line._transaction = committed

    return plant


# ---- SMTP ----


def _connected(trigger):
    made = SmtpSession.connection_made

    def connection_made(self, transport):
        made(self, transport)
        trigger.kill()

    SmtpSession.connection_made = connection_made


def _ehlo(trigger):
    say = SmtpSession._say

    async def said(self, step):
        if isinstance(step, Command) and step.phase is Phase.EHLO and trigger():
            self._transport.write(step.line)
            die()
        return await say(self, step)

    SmtpSession._say = said


def _written_to(find):
    """Dies when the socket has taken everything up to there, and nothing behind it."""

    def plant(trigger):
        write = SmtpSession._write

        def cut(self, output):
            data = b"".join(output)
            end = find(data)
            if end and trigger():
                self._transport.write(data[:end])
                die()
            write(self, output)

        SmtpSession._write = cut

    return plant


def _line(command):
    pattern = re.compile(rb"^" + command + rb".*\r\n", re.MULTILINE)

    def end(data):
        found = pattern.search(data)
        return found.end() if found else 0

    return end


def _dot(data):
    """Where the final dot stands; below 0: it does not."""
    return (b"\r\n" + data).find(b"\r\n.\r\n")


def _half_of_content(data):
    return max(0, _dot(data) // 2)


def _before_dot(data):
    return max(0, _dot(data))


def _half_of_dot(data):
    # The dot and its CR: with the LF still missing it is no end.
    return _dot(data) + 2 if _dot(data) >= 0 else 0


def _after_dot(data):
    return _dot(data) + 3 if _dot(data) >= 0 else 0


def _reply_unread(trigger):
    updated = SmtpSession.buffer_updated

    def buffer_updated(self, nbytes):
        if self._transactions is not None and self._transactions.phase is Phase.FINAL_DOT:
            trigger.kill()
        updated(self, nbytes)

    SmtpSession.buffer_updated = buffer_updated


def _reply_read(trigger):
    done = Courier._done

    def heard(self, message, outcome):
        trigger.kill()
        done(self, message, outcome)

    Courier._done = heard


# ---- any time ----


def _nowhere(_trigger):
    """It is killed from outside, whenever that is."""


RANDOM = Point("any time", _nowhere, 1)

NAMED = (
    Point("accept: before the body", _before_body, 24),
    Point("accept: half of the body", _half_of_body, 3),
    Point("accept: body durable", _after_body, 24),
    Point("accept: before commit", _before_commit(_accepts), 3),
    Point("accept: committed, no answer", _after_commit(_accepts), 3),
    Point("claim: before commit", _before_commit(_claims), 3),
    Point("claim: committed", _after_commit(_claims), 3),
    Point("connected", _connected, 6),
    Point("EHLO", _ehlo, 6),
    Point("MAIL", _written_to(_line(rb"MAIL FROM:")), 20),
    Point("RCPT", _written_to(_line(rb"RCPT TO:")), 20),
    Point("DATA", _written_to(_line(rb"DATA")), 20),
    Point("mark: before commit", _before_commit(_marks), 4),
    Point("mark: committed", _after_commit(_marks), 4),
    Point("half of the content", _written_to(_half_of_content), 16),
    Point("content, no dot", _written_to(_before_dot), 16),
    Point("half of the dot", _written_to(_half_of_dot), 16),
    Point("dot handed", _written_to(_after_dot), 16),
    Point("250 not read", _reply_unread, 16),
    Point("250 read", _reply_read, 16),
    Point("settle: before commit", _before_commit(_settles), 4),
    Point("settle: committed", _after_commit(_settles), 4),
)
BY_NAME = {point.name: point for point in (*NAMED, RANDOM)}
