"""Random lists of changes, written in random groups: results and rows are those of a plain model in memory that writes
one list after the other. A group may end up as one statement for all or as many, and nobody can tell which."""

import copy
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import text

from mailwright.errors import AlreadyExists, IdempotencyConflict, MailwrightError, NotFound, VersionConflict, WrongState
from mailwright.model.changes import (
    AddEvent,
    AddMessage,
    CancelMessages,
    DecideUncertain,
    MarkDot,
    PutWorkspace,
    RenewedLease,
    RetryMessages,
    SetFact,
    Settle,
)
from mailwright.model.event import EventType
from mailwright.model.outbox import MessageState, RecipientState
from mailwright.model.workspace import Workspace
from mailwright.store import commit, engine, migrate
from tests.unit.store.made import MOMENT, NOW, add, claim, event, recipients_text, settle

SCHEDULED, READY, LEASED, DONE, HELD = range(5)
#: the outcomes of an attempt: state, held, recipients afterwards
OUTCOMES = {
    "sent": (MessageState.SENT, False, RecipientState.ACCEPTED),
    "failed": (MessageState.FAILED, False, RecipientState.REFUSED),
    "deferred": (MessageState.QUEUED, False, RecipientState.DEFERRED),
    "uncertain": (MessageState.UNCERTAIN, True, RecipientState.UNCERTAIN),
}


@dataclass
class Delivery:
    work: int
    state: str = "queued"
    token: int = 0
    attempts: int = 0
    dot: int = 0
    until: int = 0
    lane: str = "acc_1"
    person: str = "waiting"


@dataclass
class Model:
    deliveries: dict = field(default_factory=dict)
    keys: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    workspaces: dict = field(default_factory=dict)
    events: list = field(default_factory=list)

    def claim(self, ids):
        for id_ in ids:
            row = self.deliveries.get(id_)
            if row is not None and row.work == READY:
                row.work, row.token, row.attempts, row.until = LEASED, row.token + 1, row.attempts + 1, 77

    def write(self, changes):
        before = copy.deepcopy(self.__dict__)
        try:
            return self._write(changes)
        except MailwrightError as error:
            self.__dict__.update(before)
            return type(error)

    def _write(self, changes):
        new = {}
        known = {}
        for place, change in enumerate(changes):
            if isinstance(change, AddMessage) and change.idempotent:
                used = change.idempotent
                owner = self.keys.get(used.key) or new.get(used.key)
                if owner is None:
                    new[used.key] = (used.fingerprint, change.id)
                elif owner[0] != used.fingerprint:
                    raise IdempotencyConflict
                else:
                    known[place] = owner[1]
        messages = [place for place, change in enumerate(changes) if isinstance(change, AddMessage)]
        if known and set(messages) == set(known):
            return [known.get(place) for place in range(len(changes))]
        self.keys |= new
        results = [known.get(place) for place in range(len(changes))]
        order = (AddMessage, RenewedLease, MarkDot, Settle, AddEvent)
        first = [place for kind in order for place, change in enumerate(changes) if isinstance(change, kind)]
        for place in [*first, *(place for place in range(len(changes)) if place not in first)]:
            if place not in known:
                results[place] = WRITERS[type(changes[place])](self, changes[place])
        return results

    def write_add_message(self, change):
        work = HELD if change.held else READY if change.due <= change.created_at else SCHEDULED
        self.deliveries[change.id] = Delivery(work)
        self.events.append(("message.queued", change.id))
        return change.id

    def _held(self, change):
        row = self.deliveries.get(change.id)
        return row if row is not None and row.work == LEASED and row.token == change.token else None

    def write_renewed_lease(self, change):
        row = self._held(change)
        if row:
            row.until = change.until
        return row is not None

    def write_mark_dot(self, change):
        row = self._held(change)
        if row:
            row.dot = change.at
        return row is not None

    def write_settle(self, change):
        row = self._held(change)
        if row is None:
            return False
        row.state, row.dot, row.until = change.state.value, 0, 0
        row.work = HELD if change.held else SCHEDULED if change.state is MessageState.QUEUED else DONE
        row.attempts -= change.free
        row.lane = change.lane or row.lane
        row.person = json.loads(change.recipients)[0]["state"]
        self.events += [(one.type.value, one.message) for one in change.events]
        return True

    def write_add_event(self, change):
        self.events.append((change.event.type.value, change.event.message))

    def write_set_fact(self, change):
        self.facts[change.name] = change.value

    def write_put_workspace(self, change):
        version = self.workspaces.get(change.workspace.id)
        if change.expected == 0:
            if version is not None:
                raise AlreadyExists
        elif version is None:
            raise NotFound
        elif version != change.expected:
            raise VersionConflict
        self.workspaces[change.workspace.id] = change.expected + 1
        return change.expected + 1

    def write_cancel_messages(self, change):
        done = []
        for id_ in dict.fromkeys(change.ids):
            row = self.deliveries.get(id_)
            if row is not None and row.state == "queued" and row.work in (SCHEDULED, READY, HELD):
                row.state, row.work = "cancelled", DONE
                self.events.append(("message.cancelled", id_))
                done.append(id_)
        return done

    def write_retry_messages(self, change):
        done = []
        for id_ in dict.fromkeys(change.ids):
            row = self.deliveries.get(id_)
            if row is None or row.work == LEASED or row.state == "sent" or row.person == "accepted":
                continue
            released = row.state == "uncertain"
            self.events.append(("message.released" if released else "message.retried", id_))
            row.state, row.work, row.attempts, row.dot, row.person = "queued", READY, 0, 0, "waiting"
            done.append(id_)
        return done

    def write_decide_uncertain(self, change):
        row = self.deliveries.get(change.id)
        if row is None:
            raise NotFound
        if row.state != "uncertain" or row.work == LEASED:
            raise WrongState
        state, row.person = ("sent", "accepted") if change.sent else ("failed", "refused")
        row.state, row.work, row.dot = state, DONE, 0
        self.events += [("message.released", change.id), (f"message.{state}", change.id)]
        return MessageState(state)

    def seen(self):
        rows = {id_: tuple(row.__dict__.values()) for id_, row in self.deliveries.items()}
        keys = {key: owner[1] for key, owner in self.keys.items()}
        return rows, keys, self.facts, self.workspaces, sorted(self.events)


WRITERS = {
    AddMessage: Model.write_add_message,
    RenewedLease: Model.write_renewed_lease,
    MarkDot: Model.write_mark_dot,
    Settle: Model.write_settle,
    AddEvent: Model.write_add_event,
    SetFact: Model.write_set_fact,
    PutWorkspace: Model.write_put_workspace,
    CancelMessages: Model.write_cancel_messages,
    RetryMessages: Model.write_retry_messages,
    DecideUncertain: Model.write_decide_uncertain,
}


def seen(connection):
    """The same of the database."""

    def all_of(statement):
        return connection.execute(text(statement)).all()

    def pairs(statement):
        return dict(tuple(row) for row in all_of(statement))

    rows = {
        id_: (*rest, json.loads(recipients)[0]["state"])
        for id_, *rest, recipients in all_of(
            "SELECT id, work, state, lease_token, attempts, dot_at, lease_until, lane, recipients FROM delivery"
        )
    }
    return (
        rows,
        pairs("SELECT key, ref FROM idempotency"),
        pairs("SELECT name, value FROM fact"),
        pairs("SELECT id, version FROM workspace"),
        sorted((type_, message) for type_, message in all_of("SELECT type, message FROM event")),
    )


NAMES = [f"msg_{number}" for number in range(5)]
names = st.sampled_from(NAMES)
tokens = st.sampled_from([1, 1, 1, 2])


def settled(id_, token, outcome, free, lane):
    state, held, person = OUTCOMES[outcome]
    due = NOW * 2 if state is MessageState.QUEUED else 0
    events = (event(EventType.MESSAGE_DEFERRED, id_),)
    recipients = recipients_text(person)
    return settle(id_, token, state, held=held, recipients=recipients, due=due, free=free, lane=lane, events=events)


fenced = st.one_of(
    st.builds(MarkDot, names, tokens, st.just(NOW)),
    st.builds(RenewedLease, names, tokens, st.just(99)),
    st.builds(settled, names, tokens, st.sampled_from(list(OUTCOMES)), st.booleans(), st.sampled_from(["", "acc_2"])),
)
some_names = st.lists(names, max_size=4)
others = st.one_of(
    st.builds(AddEvent, st.builds(event, st.just(EventType.ACCOUNT_PARKED))),
    st.builds(SetFact, st.sampled_from("ab"), st.sampled_from("xy")),
    st.builds(
        PutWorkspace, st.builds(Workspace, st.sampled_from("ab"), st.just(""), st.just(MOMENT)), st.integers(0, 2)
    ),
    st.builds(CancelMessages, st.just("default"), some_names, st.just(NOW)),
    st.builds(RetryMessages, st.just("default"), some_names, st.just(NOW)),
    st.builds(DecideUncertain, st.just("default"), names, st.booleans(), st.just(NOW)),
)


@st.composite
def messages(draw):
    """What is accepted: its name comes later, since no two may have one."""
    key = draw(st.sampled_from(["", "", "k1", "k2"]))
    due = draw(st.sampled_from([NOW, NOW * 2]))
    return key, draw(st.sampled_from([b"f" * 32, b"g" * 32])), due, draw(st.booleans())


def fence_once(changes):
    ids = [change.id for change in changes if isinstance(change, MarkDot | RenewedLease | Settle)]
    return len(ids) == len(set(ids))


busy = st.lists(st.one_of(messages(), fenced, fenced), min_size=1, max_size=4).filter(fence_once)
mixed = st.lists(st.one_of(messages(), fenced, others, others), min_size=1, max_size=4).filter(fence_once)
groups = st.lists(st.one_of(busy, busy, mixed), min_size=1, max_size=6)
steps = st.lists(st.one_of(groups, some_names.map(tuple)), min_size=1, max_size=6)


def named(history):
    """Gives messages their names, in order; those that come too late for one are new and never met again."""
    number = 0
    for step in history:
        if isinstance(step, tuple):
            yield step
            continue
        lists = []
        for changes in step:
            lists.append([])
            for change in changes:
                if type(change) is not tuple:
                    lists[-1].append(change)
                    continue
                key, fingerprint, due, held = change
                lists[-1].append(add(f"msg_{number}", key=key, fingerprint=fingerprint, due=due, held=held))
                number += 1
        yield lists


@pytest.fixture
def connection(database_url):
    url = engine.parse_url(database_url)
    migrate.bring_up_to_date(url)
    writing = engine.writing_engine(url)
    with writing.connect() as opened:
        yield opened
    writing.dispose()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(history=steps)
def test_groups_of_lists_are_written_as_if_one_after_the_other(connection, history):
    model = Model()
    with connection.begin() as transaction:
        for step in named(history):
            if isinstance(step, tuple):
                for id_ in step:
                    if (row := model.deliveries.get(id_)) is not None and row.work == READY:
                        claim(connection, id_)
                        model.claim([id_])
                continue
            outcomes = commit.apply(connection, step)
            expected = [model.write(changes) for changes in step]
            assert [outcome if isinstance(outcome, list) else type(outcome) for outcome in outcomes] == expected
            assert seen(connection) == model.seen()
        transaction.rollback()
