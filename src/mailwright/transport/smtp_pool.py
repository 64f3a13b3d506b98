"""The warm sessions of one account. Messages wait in one queue, first come first served; sessions take from it.

A session is opened when messages wait and the limit allows, used until the server or a limit ends it, and closed when
it was idle for long. A message whose envelope met a session that the server had just closed is surely unsent and
goes to another one, unseen by the caller; a message that fails on a fresh session is a failure to report.
"""

import asyncio
import copy
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mailwright.errors import Closed, ConnectionLost, ServiceRefused
from mailwright.model.account import Outgoing
from mailwright.model.delivery import Composed, SendResult
from mailwright.protocol.smtp.transaction import DotGate, Transaction
from mailwright.protocol.smtp.transactions import Settled
from mailwright.transport.dial import Dialler
from mailwright.transport.smtp_session import SmtpSession
from mailwright.transport.tls import TlsContexts

#: after a server has refused a further connection while others work, this long no further one is tried
GROWTH_PAUSE = 5.0
#: how long closing waits for messages that are under way
GRACE_SECONDS = 5.0

Outcome = asyncio.Future[SendResult]
#: a session has taken the message: its envelope is about to leave
Begun = Callable[[], None]


class _Waiting(Transaction):
    """A message in the queue, with the caller who waits for it."""

    __slots__ = ("begun", "opens_session", "outcome", "tries")

    def __init__(
        self, composed: Composed, queued_at: float, outcome: Outcome, gate: DotGate | None, begun: Begun | None
    ) -> None:
        super().__init__(composed, queued_at, gate)
        self.outcome = outcome
        self.begun = begun
        self.tries = 0
        #: it is the first that its session was given
        self.opens_session = False


class SmtpPool:
    def __init__(self, outgoing: Outgoing, dialler: Dialler, contexts: TlsContexts, ehlo_name: str) -> None:
        self._outgoing = outgoing
        self._limits = outgoing.pool
        self._dialler = dialler
        self._contexts = contexts
        self._ehlo_name = ehlo_name
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        #: open sessions and the moment each became idle; None while it works
        self._sessions: dict[SmtpSession, float | None] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._idle: list[SmtpSession] = []
        self._idle_timer: asyncio.TimerHandle | None = None
        self._growth_allowed_at = 0.0
        self._closed = False
        #: set when the last busy session of a closing pool has become idle or ended
        self._quiet = asyncio.Event()

    @property
    def _busy(self) -> bool:
        return any(since is None for since in self._sessions.values())

    @property
    def unused(self) -> bool:
        """Nothing is open and nothing waits: the pool may be forgotten."""
        return not (self._queue or self._sessions or self._opening or self._leaving)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """How many messages no session has taken yet."""
        return len(self._queue)

    @property
    def capacity(self) -> int:
        """How many messages can be between their dot and its answer at the same time: one for each session."""
        return self._limits.sessions

    def submit(self, composed: Composed, gate: DotGate | None = None, begun: Begun | None = None) -> Outcome:
        """Puts a message into the queue. The future ends as SendResult or with the error; cancelling it takes the
        message out while it waits, and changes nothing once it is under way.

        With a gate the final dot leaves only when the gate allows it. A message whose session ended before that is
        moved like any other, and its gate is asked again. `begun` is called each time that a session takes it."""
        outcome: Outcome = self._loop.create_future()
        if self._closed:
            outcome.set_exception(Closed(server=self._outgoing.host))
            return outcome
        self._queue.append(_Waiting(composed, self._loop.time(), outcome, gate, begun))
        if self._idle or len(self._sessions) < self._limits.sessions:
            self._work()
        return outcome

    def _work(self) -> None:
        """Somebody takes what waits: a session that rests, else a new one."""
        self._hand_out()
        self._grow()

    def _hand_out(self) -> None:
        while self._queue and self._idle:
            session = self._idle.pop()
            self._sessions[session] = None
            session.wake()

    # Growing.

    def _grow(self) -> None:
        room = self._limits.sessions - len(self._sessions) - len(self._opening)
        wanted = len(self._queue) - len(self._opening)
        if self._closed or wanted <= 0 or room <= 0:
            return
        if self._sessions and self._loop.time() < self._growth_allowed_at:
            return
        task = self._loop.create_task(self._open())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        session = SmtpSession(self._outgoing, self)
        try:
            await session.open(self._dialler, self._contexts, self._ehlo_name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the messages that wait must hear of it
            self._opening_failed(error)
            return
        if self._closed:
            await session.quit()
            return
        self._sessions[session] = None
        self._opening.discard(asyncio.current_task())
        session.wake()
        self._grow()

    def _opening_failed(self, error: Exception) -> None:
        self._growth_allowed_at = self._loop.time() + GROWTH_PAUSE
        self._opening.discard(asyncio.current_task())
        if self._sessions or self._opening:
            self._hand_out()  # the others go on with the queue; opening yet another at once would not end
            return
        waiting, self._queue = self._queue, deque()
        for message in waiting:
            _fail(message.outcome, error)

    # What a session asks and tells (SessionOwner).

    def pull(self, session: SmtpSession) -> Transaction | None:
        if session.taken >= self._limits.messages_per_session:
            return None
        while self._queue:
            message = self._queue.popleft()
            if not message.outcome.done():  # done: the caller has gone
                message.tries += 1
                message.opens_session = session.taken == 0 and not session.rested
                session.taken += 1
                if message.begun is not None:
                    message.begun()
                return message
        return None

    def settled(self, settled: Settled) -> None:
        message, outcome = settled
        assert isinstance(message, _Waiting)
        if message.outcome.done():
            return
        if isinstance(outcome, SendResult):
            message.outcome.set_result(outcome)
        elif self._may_move(message, outcome):
            message.restart()
            self._queue.appendleft(message)
        else:
            message.outcome.set_exception(outcome)

    def _may_move(self, message: _Waiting, error: Exception) -> bool:
        """A session that served others and then ended under this message says nothing about the message. Each such
        end costs a session, so the number of moves is bounded by theirs."""
        ended = isinstance(error, ConnectionLost | ServiceRefused)
        moves_left = message.tries <= self._limits.sessions and not self._closed
        return ended and not message.opens_session and not message.dot_handed and moves_left

    def idle(self, session: SmtpSession) -> None:
        if session.taken >= self._limits.messages_per_session:
            self._retire(session)
        elif session in self._sessions and self._sessions[session] is None:
            self._sessions[session] = self._loop.time()
            session.rested = True
            self._idle.append(session)
            if self._idle_timer is None and not self._closed:
                self._idle_timer = self._loop.call_later(self._limits.idle_seconds, self._close_idle)
        if self._closed and not self._busy:
            self._quiet.set()

    def ended(self, session: SmtpSession) -> None:
        self._sessions.pop(session, None)
        if session in self._idle:
            self._idle.remove(session)
        if self._closed and not self._busy:
            self._quiet.set()
        self._work()

    # Shrinking.

    def _retire(self, session: SmtpSession) -> None:
        task = self._loop.create_task(session.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _close_idle(self) -> None:
        self._idle_timer = None
        now = self._loop.time()
        for session in list(self._idle):
            since = self._sessions.get(session)
            if since is not None and now - since >= self._limits.idle_seconds - 0.001:
                self._retire(session)
                self._idle.remove(session)
                self._sessions.pop(session, None)
        if self._idle:
            oldest = min(since for session in self._idle if (since := self._sessions[session]) is not None)
            self._idle_timer = self._loop.call_at(oldest + self._limits.idle_seconds, self._close_idle)

    async def close(self) -> None:
        """Messages that wait fail with Closed; messages under way get a moment to be answered. Whoever is cancelled in
        the middle of this leaves nothing open either."""
        self._closed = True
        try:
            await self._wind_up()
        finally:
            self.abort()

    async def _wind_up(self) -> None:
        self._fail_waiting()
        for task in self._opening:
            task.cancel()
        if self._busy:
            self._quiet.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._quiet.wait()
        sessions = list(self._sessions)
        for session in sessions:
            if self._sessions.get(session) is None:
                session.stop()
        await asyncio.gather(*(session.quit() for session in sessions))
        await asyncio.gather(*self._opening, *self._leaving, return_exceptions=True)
        await asyncio.gather(*(session.wait_closed() for session in sessions))

    def abort(self) -> None:
        """Ends everything at once: what is under way is settled as it stands."""
        self._closed = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        self._fail_waiting()
        for session in list(self._sessions):
            session.stop()
        for task in (*self._opening, *self._leaving):
            task.cancel()

    def _fail_waiting(self) -> None:
        waiting, self._queue = self._queue, deque()
        for message in waiting:
            _fail(message.outcome, Closed(server=self._outgoing.host))


def _fail(outcome: Outcome, error: Exception) -> None:
    """One failed connection fails many messages. Each gets an error of its own: a traceback is written into it."""
    if outcome.done():
        return
    copied = copy.copy(error)
    copied.__cause__ = error.__cause__
    outcome.set_exception(copied)
