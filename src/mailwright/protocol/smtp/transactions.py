"""Mail after mail over one open session, as few round trips as the server allows. A conversation without a socket.

What stands on the wire, with PIPELINING (RFC 2920):

    C: MAIL RCPT… DATA                                S: 250 250… 354
    C: <message 1> . MAIL RCPT… DATA                  S: 250 250 250… 354     one round trip for each message
    C: <message 2> .

Each command that is written adds an `Expected` to a queue; each reply takes the first one off. That queue is the
whole state: whatever happens, it says what was asked and not answered.

*Uncertain* has one meaning: from the moment the final dot (or the end of the last BDAT chunk) is handed to the socket
until its reply is read. A long message is therefore written first and its dot only when the socket has taken all of
it (`drained`), so that a connection lost in the middle leaves the message surely unsent.

A message may have a gate (`DotGate`): its end is held back until `allow()`, a short message as a whole, so that it
still leaves in one write. Nothing else is under way then, so there is no answer to wait for.

The caller does four things: writes what `take_output()` gives, passes on `receive()`, `drained()`, `lost()` and
`timed_out()`, collects `take_settled()`, and after that asks the gate that is `due`.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mailwright.errors import (
    ConnectionLost,
    ProtocolViolation,
    SendError,
    ServerTimeout,
    ServiceRefused,
    Uncertain,
    Withheld,
)
from mailwright.model.delivery import SendResult
from mailwright.protocol.smtp import commands, content
from mailwright.protocol.smtp.capabilities import Capabilities
from mailwright.protocol.smtp.replies import ReplyReader
from mailwright.protocol.smtp.transaction import DotGate, Transaction, cannot_carry
from mailwright.reply import Phase, Reply, make_reply

#: up to this size a message and its dot leave in one write; a socket buffer takes that much at once
ONE_WRITE = 65_536


#: phase, message (None for RSET, and for the dot that only ends an empty message), command. A plain tuple: four of
#: these are made for each message
Expected = tuple[Phase, Transaction | None, str]

# Looking a member up in its enumeration takes longer than comparing it, and this is done ten times for each message.
_QUEUE, _MAIL, _RCPT, _DATA = Phase.QUEUE, Phase.MAIL, Phase.RCPT, Phase.DATA
_BODY, _FINAL_DOT, _RSET = Phase.BODY, Phase.FINAL_DOT, Phase.RSET


class Settled(NamedTuple):
    transaction: Transaction
    outcome: SendResult | Exception


class _Unfinished(NamedTuple):
    """A message whose content the server does not have whole, so that it is surely unsent."""

    transaction: Transaction
    #: what is held back
    rest: bytes
    #: all but the end was written; otherwise nothing was
    begun: bool
    #: the gate decides when the rest may follow; otherwise it follows when the socket has taken what was written
    at_gate: bool


class Transactions:
    """Drives messages through a session that is open. `pull` gives the next message, or None."""

    __slots__ = (
        "_capabilities",
        "_chunking",
        "_current",
        "_decides_at_data",
        "_expected",
        "_needs_reset",
        "_output",
        "_pipelining",
        "_pull",
        "_reader",
        "_script",
        "_server",
        "_settled",
        "_unfinished",
        "answered",
        "closing",
        "due",
    )

    def __init__(
        self, capabilities: Capabilities, *, server: str, chunking: bool, pull: Callable[[], Transaction | None]
    ) -> None:
        self._capabilities = capabilities
        self._pipelining = capabilities.pipelining
        self._chunking = chunking and capabilities.chunking
        #: the whole envelope is on its way before the first answer, DATA with it
        self._decides_at_data = self._pipelining and not self._chunking
        self._server = server
        self._pull = pull
        self._reader = ReplyReader()
        self._expected: deque[Expected] = deque()
        #: commands of the current envelope that still have to be written (without PIPELINING)
        self._script: deque[Expected] = deque()
        self._output: list[bytes] = []
        self._settled: list[Settled] = []
        #: the message whose envelope is being given
        self._current: Transaction | None = None
        #: nothing is expected while there is one
        self._unfinished: _Unfinished | None = None
        #: whose gate has to be asked now; the caller takes it away and asks
        self.due: tuple[Transaction, DotGate] | None = None
        self._needs_reset = False
        #: the session takes no further message
        self.closing = False
        #: replies that answered something; a server that drips bytes does not move it
        self.answered = 0

    # What the caller asks.

    @property
    def idle(self) -> bool:
        return not self._expected and self._current is None and self._unfinished is None

    @property
    def draining(self) -> bool:
        """A long message is being written; `drained()` has to be called when the socket has taken it."""
        return self._unfinished is not None and not self._unfinished.at_gate

    @property
    def at_gate(self) -> bool:
        """A message waits for its gate: it is not the server who is silent."""
        return self._unfinished is not None and self._unfinished.at_gate

    @property
    def phase(self) -> Phase:
        """What the session is waiting for; QUEUE when for nothing."""
        if self._unfinished is not None:
            return _BODY
        return self._expected[0][0] if self._expected else _QUEUE

    def take_output(self) -> list[bytes]:
        output, self._output = self._output, []
        return output

    def take_settled(self) -> list[Settled]:
        settled, self._settled = self._settled, []
        return settled

    # What happens to it.

    def wake(self, now: float) -> None:
        """There may be work: begin when nothing is under way."""
        if self.idle:
            self._begin_next(now)

    def receive(self, data: bytes, now: float) -> None:
        expected = self._expected
        for lines in self._reader.feed(data):
            if not expected:
                self._unasked(make_reply(lines, self.phase, ""))
                return
            phase, transaction, command = expected.popleft()
            self.answered += 1
            reply = make_reply(lines, phase, command)
            if transaction is not None and reply.code < 300 and self._decides_at_data and phase is not _FINAL_DOT:
                # Most replies: the sender or a recipient is taken, and there is nothing to decide yet.
                if phase is _RCPT:
                    transaction.rcpt_replies.append(reply)
                    continue
                if phase is _MAIL:
                    transaction.sender_reply = reply
                    continue
            self._answer(phase, transaction, reply, now)
            if self.closing:
                return
        if self._reader.malformed:
            self._violate(self._reader.malformed, self._awaited)
        elif not expected and self.idle:
            self._begin_next(now)

    def drained(self, now: float) -> None:
        """The socket has taken the whole content: now its end, and with it the next envelope."""
        unfinished = self._unfinished
        if unfinished is None or unfinished.at_gate:
            return
        transaction = unfinished.transaction
        if transaction.gate is not None:
            self._hold(transaction, transaction.gate, unfinished.rest, begun=True)
        else:
            self._hand_over(transaction, unfinished.rest, now)

    def allow(self, transaction: Transaction, now: float) -> bool:
        """The gate of this message is open. False when the message is not, or no longer, waiting for it."""
        held = self._held_at_gate(transaction)
        if held is not None:
            self._hand_over(transaction, held.rest, now)
        return held is not None

    def refuse(self, transaction: Transaction, reason: str) -> bool:
        """The gate of this message stays shut. The server waits for content, and nothing but the end of the
        connection takes that back (RFC 5321 section 4.1.1.10). False as with `allow`."""
        held = self._held_at_gate(transaction)
        if held is not None:
            self._end(lambda: Withheld(reason), transaction)
        return held is not None

    def _held_at_gate(self, transaction: Transaction) -> _Unfinished | None:
        held = self._unfinished
        return held if held is not None and held.at_gate and held.transaction is transaction else None

    def lost(self, reason: str) -> None:
        """The connection is gone. Settles everything that was under way."""
        self._end(lambda: ConnectionLost(f"the connection was lost: {reason}" if reason else ""), self._awaited)

    def timed_out(self, seconds: float) -> None:
        self._end(lambda: ServerTimeout(f"the server did not answer within {seconds:g} s"), self._awaited)

    @property
    def _awaited(self) -> Transaction | None:
        """The message that the next answer is about."""
        if self._unfinished is not None:
            return self._unfinished.transaction
        return self._expected[0][1] if self._expected else None

    # The envelope.

    def _begin_next(self, now: float) -> None:
        while not self.closing and (transaction := self._pull()) is not None:
            refusal: Exception | None = cannot_carry(transaction.composed, self._capabilities, self._server)
            if refusal is None:
                try:
                    self._begin(transaction)
                except Exception as error:  # noqa: BLE001 - a message that cannot be begun must be settled all the same
                    refusal = error
            if refusal is None:
                transaction.started_at = now
                self._current = transaction
                return
            self._settled.append(Settled(transaction, refusal))

    def _begin(self, transaction: Transaction) -> None:
        composed = transaction.composed
        dsn = composed.dsn if self._capabilities.dsn else None
        script: list[Expected] = [(_MAIL, transaction, commands.mail(composed, self._capabilities))]
        for recipient in composed.envelope.recipients:
            script.append((_RCPT, transaction, commands.rcpt(recipient, dsn)))  # noqa: PERF401 - faster here
        if not self._chunking:
            script.append((_DATA, transaction, "DATA"))
        if self._needs_reset:
            self._needs_reset = False
            script.insert(0, (_RSET, None, "RSET"))
        if self._pipelining:
            self._output.append(commands.wire("\r\n".join([command for _, _, command in script])))
            self._expected.extend(script)
        else:
            self._script.extend(script)
            self._advance()

    def _advance(self) -> None:
        """The next command of the envelope, once the one before it is answered. With PIPELINING all leave at once."""
        if self._script and not self._expected:
            expected = self._script.popleft()
            self._output.append(commands.wire(expected[2]))
            self._expected.append(expected)

    # The replies.

    def _answer(self, phase: Phase, transaction: Transaction | None, reply: Reply, now: float) -> None:
        if reply.code == 421:
            self._goodbye(transaction, reply)
        elif phase is _FINAL_DOT:
            self._answer_final(transaction, reply, now)
        elif transaction is None:
            self._advance()  # RSET: whatever the server thinks of it, MAIL will tell
        elif 300 <= reply.code < 400 and not (phase is _DATA and reply.code == 354):
            self._violate(f"unexpected reply to {phase.upper()}: {reply.code}", transaction, reply)
        elif phase is _MAIL:
            transaction.sender_reply = reply
            self._continue(transaction, now)
        elif phase is _RCPT:
            transaction.rcpt_replies.append(reply)
            self._continue(transaction, now)
        else:
            self._answer_data(transaction, reply, now)

    def _continue(self, transaction: Transaction, now: float) -> None:
        """After MAIL and each RCPT. With PIPELINING and DATA there is nothing to decide before DATA is answered."""
        if self._decides_at_data:
            return
        sender = transaction.sender_reply
        sender_refused = sender is not None and not sender.positive
        if transaction.envelope_answered:
            if not transaction.envelope_stands:
                self._refuse(transaction)
            elif self._chunking:
                self._send_content(transaction, now)
            else:
                self._advance()
        elif not self._pipelining:
            if sender_refused:
                self._refuse(transaction)
            else:
                self._advance()

    def _answer_data(self, transaction: Transaction, reply: Reply, now: float) -> None:
        transaction.data_reply = reply
        if reply.code == 354 and transaction.envelope_stands:
            self._send_content(transaction, now)
        elif reply.code == 354 and transaction.sender_reply is not None and transaction.sender_reply.positive:
            # QUIRK data_without_recipients: RFC 2920 section 3.1 wants a lone dot then, and no message.
            self._output.append(content.FINAL_DOT)
            self._expected.append((_FINAL_DOT, None, "."))
            self._refuse(transaction)
        elif reply.code == 354:
            self._violate("the server wants a message although it refused the sender", transaction, reply)
        elif reply.positive:
            self._violate(f"unexpected reply to DATA: {reply.code}", transaction, reply)
        else:
            self._refuse(transaction)

    def _answer_final(self, transaction: Transaction | None, reply: Reply, now: float) -> None:
        if transaction is None:
            return
        if 300 <= reply.code < 400:
            # No answer at all: put the question back, so that the end finds it unanswered.
            self._expected.appendleft((_FINAL_DOT, transaction, reply.command))
            self._violate(f"unexpected reply to the final dot: {reply.code}", transaction, reply)
            return
        outcome: SendResult | SendError
        if reply.code < 300:
            outcome = transaction.result(reply, self._server, now)
        else:
            # A refusal is an answer too: the message is surely not taken (RFC 5321 section 4.2.5).
            outcome = transaction.refusal(reply, self._server)
        self._settled.append(Settled(transaction, outcome))

    def _refuse(self, transaction: Transaction) -> None:
        """The envelope did not stand. The server may still hold half of it, so the next one resets first."""
        self._current = None
        self._script.clear()
        self._needs_reset = True
        self._settled.append(Settled(transaction, transaction.refusal(transaction.data_reply, self._server)))

    # The content.

    def _send_content(self, transaction: Transaction, now: float) -> None:
        self._current = None
        transaction.final_at = now
        composed = transaction.composed
        body = composed.content
        start, end = b"", content.FINAL_DOT
        if self._chunking:
            # The last octet is to BDAT what the dot is to DATA: without it the message is not complete.
            start, body, end = b"BDAT %d LAST\r\n" % len(body), body[:-1], body[-1:]
        elif composed.leading_dots:
            body = content.dot_stuffed(body)
        if len(body) > ONE_WRITE:
            self._output += (start, body)
            self._unfinished = _Unfinished(transaction, end, begun=True, at_gate=False)
        elif transaction.gate is not None:
            self._hold(transaction, transaction.gate, start + body + end, begun=False)
        else:
            self._output += (start, body)
            self._hand_over(transaction, end, now)

    def _hold(self, transaction: Transaction, gate: DotGate, rest: bytes, *, begun: bool) -> None:
        self._unfinished = _Unfinished(transaction, rest, begun=begun, at_gate=True)
        self.due = (transaction, gate)

    def _hand_over(self, transaction: Transaction, rest: bytes, now: float) -> None:
        self._unfinished = None
        transaction.dot_handed = True
        self._output.append(rest)
        self._expected.append((_FINAL_DOT, transaction, "BDAT" if self._chunking else "."))
        if self._pipelining:
            # RFC 2920 section 3.1: the end of a message may open a group of commands.
            self._begin_next(now)

    # Endings. After each of them no further reply is believed.

    def _unasked(self, reply: Reply) -> None:
        """A reply to nothing. It would pair all that follow with the wrong commands, so the session ends.

        In the middle of a message it is a server that has seen enough; at any time it may be a 421 (RFC 5321
        section 3.8). Of a message that waits for its gate as a whole the server knows nothing to refuse it for: it
        is tired of waiting.
        """
        if reply.positive:
            self._violate(f"a reply that nobody asked for: {reply.code}", self._awaited, reply)
            return
        unfinished = self._unfinished
        if unfinished is not None and unfinished.begun and reply.code != 421:
            self._unfinished = None
            self._settled.append(Settled(unfinished.transaction, unfinished.transaction.refusal(reply, self._server)))
        self._goodbye(self._awaited, reply)

    def _goodbye(self, transaction: Transaction | None, reply: Reply) -> None:
        """421 in place of an answer. To a final dot it is one: not taken, try again later."""
        if reply.phase is _FINAL_DOT and transaction is not None:
            self._settled.append(Settled(transaction, transaction.refusal(reply, self._server)))
            transaction = None
        self._end(
            lambda: ServiceRefused("the server closes the connection", phase=reply.phase, reply=reply), transaction
        )

    def _violate(self, reason: str, transaction: Transaction | None, reply: Reply | None = None) -> None:
        phase = reply.phase if reply is not None else _QUEUE
        self._end(lambda: ProtocolViolation(reason, phase=phase, reply=reply), transaction)

    def _end(self, reason: Callable[[], SendError], about: Transaction | None) -> None:
        """Everything under way is settled, each message by what was asked of it.

        The reason is that of the message it is about. Others whose envelopes were on their way behind it only lost
        the connection: what the server did says nothing about them.
        """
        self.closing = True
        under_way = [transaction for _, transaction, _ in self._expected]
        under_way += [self._unfinished.transaction if self._unfinished is not None else None, self._current]
        for transaction in dict.fromkeys(under_way):
            if transaction is not None:
                lost = ConnectionLost("the connection ended while another message was under way")
                self._settled.append(
                    Settled(transaction, self._ended(transaction, reason() if transaction is about else lost))
                )
        self._expected.clear()
        self._script.clear()
        self._current = self._unfinished = self.due = None

    def _ended(self, transaction: Transaction, error: SendError) -> SendError:
        error.server = self._server
        if not transaction.dot_handed:
            if error.phase is _QUEUE:
                error.phase = self._phase_of(transaction)
            return error
        hint = "look for the Message-ID at the recipient, or accept that it may arrive twice"
        uncertain = Uncertain(phase=_FINAL_DOT, reply=error.reply, server=self._server, hint=hint)
        uncertain.message_id = transaction.composed.message_id
        uncertain.__cause__ = error
        return uncertain

    def _phase_of(self, transaction: Transaction) -> Phase:
        if self._unfinished is not None and transaction is self._unfinished.transaction:
            return _BODY
        return next((phase for phase, asked, _ in self._expected if asked is transaction), _MAIL)
