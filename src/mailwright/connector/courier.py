"""The loop that sends what waits: claims, hands to the pools, writes down what came of it.

What crosses the socket is guarded from both sides. Before the final dot of a message leaves, the row says that it is
about to (`MarkDot`), so that a crash knows what is uncertain; and the row is settled in the same transaction that marks
the next message of the session, so that a session never has more than one marked message unless its policy is to send
again: such a one is marked as soon as its envelope leaves, so that its dot does not wait. Before that nothing has
happened that anybody outside could have seen.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from mailwright.connector.clock import moment, now
from mailwright.connector.courier_load import Load, Loaded
from mailwright.connector.courier_writer import CourierWriter
from mailwright.connector.directory import Directory
from mailwright.connector.parking import Parking
from mailwright.connector.pools import Pools
from mailwright.errors import Closed, MailwrightError, Uncertain, Withheld
from mailwright.model.account import Outgoing
from mailwright.model.changes import Settle
from mailwright.model.delivery import SendResult
from mailwright.model.event import Event, EventType
from mailwright.model.outbox import Failure, MessageState, RecipientState, RecipientStatus, UncertainPolicy
from mailwright.model.outbox_json import failure_to_json, recipient_to_json
from mailwright.reply import Phase
from mailwright.sending.settle import Attempted, Outcome, event_data, outcome_of
from mailwright.sending.verdict import About, Verdict, judge
from mailwright.store.commit import commit
from mailwright.store.database import Database
from mailwright.store.ids import new_id
from mailwright.work.claimed import Claimed, Held
from mailwright.work.clock import steady_clock
from mailwright.work.queue import Queue
from mailwright.work.wake import Wake

_json = msgspec.json.Encoder()
_log = logging.getLogger(__name__)


class CourierOptions(NamedTuple):
    #: messages that this node holds at once
    window: int = 600
    #: and of one account, so that a slow server does not fill the window
    per_account: int = 150
    lease_seconds: float = 60.0
    #: polling is the truth, hints only make it faster
    poll_seconds: float = 1.0
    #: messages under way get this long when the node stops
    drain_seconds: float = 20.0

    @property
    def portion(self) -> int:
        """So many places of one account are free before more of it is claimed."""
        return max(1, self.per_account // 2)


class _UnderWay:
    """A message that this node holds: the lease on its row, and the gate before its final dot."""

    __slots__ = ("_allow", "_asked", "_courier", "_refuse", "_waits", "claimed_at", "deadline", "loaded", "marked")

    def __init__(self, courier: "Courier", loaded: Loaded, deadline: float, claimed_at: int) -> None:
        self._courier = courier
        self.loaded = loaded
        self.claimed_at = claimed_at
        #: on `steady_clock`; past it somebody else may have the message
        self.deadline = deadline
        self.marked = False
        #: its mark is on the way
        self._asked = False
        #: its session stands at the dot
        self._waits = False
        self._allow: Callable[[], None] = _nothing
        self._refuse: Callable[[str], None] = _nothing

    @property
    def held(self) -> Held:
        return Held(self.loaded.id, self.loaded.token)

    def due(self, allow: Callable[[], None], refuse: Callable[[str], None]) -> None:
        """DotGate: the session stands at the final dot."""
        self._allow, self._refuse, self._waits = allow, refuse, True
        if self.marked:
            self.decide(marked=True)
        else:
            self.ask_for_mark()

    def ask_for_mark(self) -> None:
        if not self.marked and not self._asked:
            self._asked = True
            # In the next pass of the loop: what the same session settled just now is then written with it or before.
            asyncio.get_running_loop().call_soon(self._courier.mark, self)

    def decide(self, *, marked: bool) -> None:
        """The mark is on disk; or it could not be made, or the lease is somebody else's."""
        self.marked, self._asked = marked, False
        if not self._waits:
            return
        self._waits = False
        # The fence guards the row, it cannot stop a socket: so the clock is asked once more.
        if marked and steady_clock() < self.deadline:
            self._allow()
        else:
            self._refuse("the lease on the message is over")


def _nothing(*_: object) -> None:
    """Before its session has come to the dot."""


class Courier:
    def __init__(
        self,
        *,
        database: Database,
        queue: Queue,
        wake: Wake,
        load: Load,
        directory: Directory,
        pools: Pools,
        options: CourierOptions | None = None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._listener = wake.listener()
        self._load = load
        self._directory = directory
        self._pools = pools
        self._options = options or CourierOptions()
        self._writer = CourierWriter(database, now)
        self._parking = Parking()
        self._under_way: dict[str, _UnderWay] = {}
        self._in_hand: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._room = asyncio.Event()
        self._stopping = False
        #: rows may be ours that are not under way yet
        self._claiming = False
        #: attempts by what came of them, and messages that were sent: for the metrics
        self.outcomes: Counter[str] = Counter()
        self.sent = 0

    # Claiming.

    async def run(self) -> None:
        renewing = asyncio.create_task(self._renew())
        pause = 0.1
        try:
            while not self._stopping:
                try:
                    await self._claim()
                    pause = 0.1
                except MailwrightError as error:
                    _log.warning("nothing can be claimed, trying again: %s", error.code)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5.0)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _claim(self) -> None:
        room = self._options.window - len(self._under_way)
        # A claim for a few costs as much as one for many.
        if room < self._options.window // 4:
            self._room.clear()
            await _within(self._options.poll_seconds, self._room.wait())
            return
        self._claiming = True
        try:
            claimed = await self._queue.claim(
                limit=room,
                per_lane=self._options.per_account,
                lease_seconds=self._options.lease_seconds,
                now=now(),
                in_hand=self._places_taken(),
            )
            if claimed:
                await self._take(claimed)
        finally:
            self._claiming = False
        if not claimed:
            await self._rest()

    def _places_taken(self) -> dict[str, int]:
        """An account with few free places counts as full: a claim for a few costs as much as one for many."""
        full, portion = self._options.per_account, self._options.portion
        return {lane: count if full - count >= portion else full for lane, count in self._in_hand.items()}

    async def _rest(self) -> None:
        due = await self._queue.next_due(now=now())
        wait = self._options.poll_seconds if due is None else min(due, self._options.poll_seconds)
        # Due and yet not to be claimed: an account is paused, or at its limit. 0.05 s is the grain of a budget.
        await self._listener.wait(max(wait, 0.05))

    async def _take(self, claimed: Sequence[Claimed]) -> None:
        deadlines, at = {row.id: row.deadline for row in claimed}, now()
        for loaded in await self._load.load(claimed):
            message = _UnderWay(self, loaded, deadlines[loaded.id], at)
            self._under_way[loaded.id] = message
            self._in_hand[loaded.lane] += 1
            verdict = _without_sending(loaded)
            if verdict is not None:
                self._settle(message, verdict)
            elif loaded.expired(now()):
                self._write(message, _expired(loaded))
            elif loaded.record is None or loaded.recovered or self._stopping:
                # What a node that is gone left here was claimed past pauses and budgets: it is to be claimed again.
                self._give_back(message)
            else:
                self._submit(message, loaded.record.account.outgoing)

    def _submit(self, message: _UnderWay, outgoing: Outgoing) -> None:
        # Sent again in any case when nobody knows: it may be marked early, so that its dot need not wait.
        begun = message.ask_for_mark if message.loaded.policy is UncertainPolicy.RESEND else None
        outcome = self._pools.pool(outgoing).submit(message.loaded.composed, message, begun)
        outcome.add_done_callback(lambda done: self._done(message, done))

    def mark(self, message: _UnderWay) -> None:
        self._writer.mark(message.loaded.id, message.loaded.token, message)

    # What came of it.

    def _done(self, message: _UnderWay, done: asyncio.Future[SendResult]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if isinstance(error, Withheld | Closed | asyncio.CancelledError):
            self._give_back(message)
        else:
            self._settle(message, judge(message.loaded.recipients, done.result() if error is None else error))

    def _settle(self, message: _UnderWay, verdict: Verdict) -> None:
        loaded, at = message.loaded, now()
        attempted = Attempted(loaded.attempts, loaded.expires_at, loaded.policy, loaded.plan)
        jitter = random.random()  # noqa: S311 - it only spreads load
        if loaded.record is not None:
            if verdict.about is About.ACCOUNT and verdict.failure is not None:
                claimed_at = message.claimed_at
                self._park(self._parking.failed(loaded.record, verdict.failure, at, jitter, claimed_at=claimed_at))
            elif verdict.about is About.MESSAGE:
                self._park(self._parking.works(loaded.record, at=at))
        outcome = outcome_of(verdict, attempted, now=at, jitter=jitter)
        self.outcomes[outcome.state.value if not outcome.free else "account"] += 1
        if outcome.state in (MessageState.SENT, MessageState.PARTLY_SENT):
            self.sent += 1
        self._write(message, outcome)

    def _give_back(self, message: _UnderWay) -> None:
        """It was not tried: as if it had not been claimed."""
        recipients = message.loaded.recipients
        self._write(message, Outcome(MessageState.QUEUED, now(), recipients, None, None, None, free=True))

    def _write(self, message: _UnderWay, outcome: Outcome) -> None:
        self._writer.settle(_change(message.loaded, outcome, now()), lambda: self._let_go(message))

    def _let_go(self, message: _UnderWay) -> None:
        loaded = message.loaded
        if self._under_way.get(loaded.id) is message:
            del self._under_way[loaded.id]
        self._in_hand[loaded.lane] -= 1
        free = self._options.per_account - self._in_hand[loaded.lane]
        limited = loaded.record is not None and loaded.record.limits.concurrency is not None
        if free == self._options.portion or limited:
            self._listener.wake()
        if not self._in_hand[loaded.lane]:
            del self._in_hand[loaded.lane]
        self._room.set()
        for waiter in self._waiters.pop(loaded.id, ()):
            if not waiter.done():
                waiter.set_result(None)

    def _park(self, changes: Sequence[Any]) -> None:
        if changes:
            task = asyncio.get_running_loop().create_task(self._commit_parking(changes))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _commit_parking(self, changes: Sequence[Any]) -> None:
        try:
            await commit(self._database, changes)
        except MailwrightError as error:
            _log.warning("an account could not be parked: %s", error.code)
        self._directory.forget()

    # Leases.

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease_seconds / 4)
            messages = list(self._under_way.values())
            if not messages:
                continue
            try:
                async with self._writer.turn:
                    deadlines = await self._queue.renew(
                        [message.held for message in messages], lease_seconds=self._options.lease_seconds, now=now()
                    )
            except MailwrightError as error:
                _log.warning("leases could not be renewed: %s", error.code)
                continue
            for message, deadline in zip(messages, deadlines, strict=True):
                # None: somebody else has it, so nothing more of it leaves here.
                message.deadline = deadline if deadline is not None else 0.0

    # Waiting and ending.

    async def settled(self, id: str, timeout: float) -> None:
        """Returns when an attempt of the message was written down here, or after `timeout`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(id, []).append(waiter)
        try:
            await _within(timeout, waiter)
        finally:
            waiting = self._waiters.get(id, [])
            if waiter in waiting:
                waiting.remove(waiter)
                if not waiting:
                    del self._waiters[id]

    def stop(self) -> None:
        """No further claim."""
        self._stopping = True
        self._listener.wake()
        self._room.set()

    async def drained(self) -> None:
        """What is under way gets its answer, as far as the time allows; the rest is given back."""
        await _within(self._options.drain_seconds, self._emptied())
        await self._pools.close()
        await _within(self._options.drain_seconds, self._emptied())
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _emptied(self) -> None:
        while self._claiming or self._under_way or not self._writer.idle:
            self._room.clear()
            await _within(0.05, self._room.wait())

    @property
    def under_way(self) -> int:
        return len(self._under_way)


async def _within(seconds: float, what: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await what


def _without_sending(loaded: Loaded) -> Verdict | None:
    """What is decided before a server is asked."""
    if loaded.recovered and loaded.dot_at:
        lost = Uncertain("the node ended after the final dot may have left", phase=Phase.FINAL_DOT)
        return judge(loaded.recipients, lost)
    if loaded.problem is not None:
        return Verdict(About.MESSAGE, _given_up(loaded.recipients), loaded.problem, None)
    if not any(who.state.open for who in loaded.recipients):
        failure = Failure("suppressed", "every recipient is suppressed", Phase.QUEUE)
        return Verdict(About.MESSAGE, loaded.recipients, failure, None)
    return None


def _given_up(recipients: Sequence[RecipientStatus]) -> tuple[RecipientStatus, ...]:
    return tuple(who._replace(state=RecipientState.REFUSED) if who.state.open else who for who in recipients)


def _expired(loaded: Loaded) -> Outcome:
    return Outcome(MessageState.EXPIRED, 0, loaded.recipients, None, None, EventType.MESSAGE_EXPIRED)


def _change(loaded: Loaded, outcome: Outcome, at: int) -> Settle:
    failure, response = outcome.failure, outcome.response
    # An attempt that did not take place says nothing new.
    failure_before, response_before = (loaded.failure, loaded.response) if outcome.free else (None, None)
    return Settle(
        id=loaded.id,
        token=loaded.token,
        state=outcome.state,
        due=outcome.due,
        recipients=_json.encode([recipient_to_json(who) for who in outcome.recipients]).decode(),
        failure=_json.encode(failure_to_json(failure)).decode() if failure is not None else failure_before,
        response=_json.encode(response.to_json()).decode() if response is not None else response_before,
        settled_at=at if outcome.state.final else 0,
        events=(_event(loaded, outcome, at),) if outcome.event is not None else (),
        free=outcome.free,
        held=outcome.held,
    )


def _event(loaded: Loaded, outcome: Outcome, at: int) -> Event:
    assert outcome.event is not None
    return Event(
        id=new_id("evt"),
        workspace=loaded.workspace,
        type=outcome.event,
        at=moment(at),
        account=loaded.lane,
        message=loaded.id,
        data=event_data(outcome, attempt=loaded.attempts),
    )
