"""The gate before the final dot: nothing that could complete a message leaves before it is allowed."""

from collections import deque

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import (
    ConnectionLost,
    MessageRefused,
    NotSent,
    ProtocolViolation,
    ServiceRefused,
    Uncertain,
    Withheld,
)
from mailwright.model.delivery import SendResult
from mailwright.protocol.smtp.capabilities import Capabilities
from mailwright.protocol.smtp.content import FINAL_DOT, dot_stuffed
from mailwright.protocol.smtp.transaction import Transaction
from mailwright.protocol.smtp.transactions import ONE_WRITE, Transactions
from mailwright.reply import Phase
from tests.conversations.stage import BODY, Stage, letter

LONG = b"Subject: long\r\n\r\n" + b".123456789abcdef\r\n" * (ONE_WRITE // 16)
WHOLE_LONG = dot_stuffed(LONG).decode()


class Gate:
    """The conversation never asks by itself: it says who is due, and the session asks."""

    def due(self, allow, refuse):
        raise AssertionError("the conversation has asked")


GATE = Gate()


def at_gate(content=BODY, *, chunking=False, offers=("PIPELINING", "CHUNKING")):
    """A message that waits for its gate, one behind it, and what was written of the first by then."""
    stage = Stage(letter(content=content), letter("cid@example.com"), chunking=chunking, offers=offers, gate=GATE)
    assert stage.C
    stage.S(*["250 ok", "250 ok"] if chunking else ["250 ok", "250 ok", "354 go"])
    written = stage.C
    if stage.talk.draining:
        assert stage.talk.due is None, "nobody is asked while the socket has not taken the content"
        stage.talk.drained(2.0)
    assert stage.talk.at_gate
    assert stage.talk.due == (stage.given[0], GATE)
    stage.talk.due = None
    return stage, written


NEXT = "MAIL FROM:<ann@example.org>\r\nRCPT TO:<cid@example.com>\r\n"


def test_a_short_message_is_held_as_a_whole_and_leaves_with_the_next_envelope_once_it_is_allowed():
    stage, written = at_gate()
    assert written == ""
    assert stage.talk.allow(stage.given[0], 3.0)
    assert stage.C == BODY.decode() + ".\r\n" + NEXT + "DATA\r\n"
    stage.S("250 2.0.0 taken")
    assert isinstance(stage.outcome(), SendResult)


def test_a_long_message_is_written_and_drained_and_only_its_dot_is_held():
    stage, written = at_gate(LONG)
    assert written == WHOLE_LONG
    assert stage.C == ""
    assert stage.talk.allow(stage.given[0], 3.0)
    assert stage.C == ".\r\n" + NEXT + "DATA\r\n"


def test_a_short_chunk_is_held_with_its_command():
    stage, written = at_gate(chunking=True)
    assert written == ""
    assert stage.talk.allow(stage.given[0], 3.0)
    assert stage.C == f"BDAT {len(BODY)} LAST\r\n" + BODY.decode() + NEXT


def test_of_a_long_chunk_the_last_octet_is_held():
    stage, written = at_gate(LONG, chunking=True)
    assert written == f"BDAT {len(LONG)} LAST\r\n" + LONG[:-1].decode()
    assert stage.talk.allow(stage.given[0], 3.0)
    assert stage.C == "\n" + NEXT


def test_a_message_that_nobody_accepts_has_no_gate_to_ask():
    stage = Stage(letter(), gate=GATE).S("250 ok", "550 no", "554 no")
    assert stage.talk.due is None
    assert not stage.talk.at_gate


@pytest.mark.parametrize("content", [BODY, LONG], ids=["short", "long"])
def test_a_refused_message_is_surely_unsent_and_ends_the_session(content):
    stage, _ = at_gate(content)
    assert stage.talk.refuse(stage.given[0], "the lease is over")
    error = stage.outcome()
    assert isinstance(error, Withheld)
    assert (error.message, error.phase, error.temporary) == ("the lease is over", Phase.BODY, True)
    assert error.server == "mail.example.org"
    assert not stage.given[0].dot_handed
    assert stage.C == ""
    assert stage.talk.closing
    assert len(stage.queue) == 1, "the one behind it was not begun here"


def test_the_first_word_of_a_gate_counts():
    stage, _ = at_gate()
    assert stage.talk.allow(stage.given[0], 3.0)
    assert stage.C
    assert not stage.talk.allow(stage.given[0], 3.0)
    assert not stage.talk.refuse(stage.given[0], "too late")
    assert stage.C == ""
    assert not stage.talk.closing
    stage, _ = at_gate()
    assert stage.talk.refuse(stage.given[0], "no")
    assert not stage.talk.allow(stage.given[0], 3.0)
    assert stage.C == ""


def test_the_word_for_another_message_does_not_open_the_gate():
    stage, _ = at_gate()
    assert not stage.talk.allow(stage.given[1], 3.0)
    assert not stage.talk.refuse(stage.given[1], "no")
    assert stage.C == ""
    assert stage.talk.at_gate


def test_a_message_that_still_drains_cannot_be_allowed():
    stage = Stage(letter(content=LONG), gate=GATE).S("250 ok", "250 ok", "354 go")
    assert stage.C
    assert not stage.talk.allow(stage.given[0], 2.0)
    assert stage.C == ""


@pytest.mark.parametrize("content", [BODY, LONG], ids=["short", "long"])
def test_a_connection_lost_at_the_gate_leaves_the_message_surely_unsent(content):
    stage, _ = at_gate(content)
    stage.talk.lost("reset")
    error = stage.outcome()
    assert isinstance(error, ConnectionLost)
    assert error.phase is Phase.BODY
    assert not stage.talk.allow(stage.given[0], 3.0), "too late"
    assert stage.C == ""


@pytest.mark.parametrize("content", [BODY, LONG], ids=["short", "long"])
def test_a_421_at_the_gate_is_noticed_and_leaves_the_message_surely_unsent(content):
    stage, _ = at_gate(content)
    stage.S("421 4.4.2 you are slow")
    error = stage.outcome()
    assert isinstance(error, ServiceRefused)
    assert error.reply.text == "you are slow"
    assert not stage.given[0].dot_handed


def test_a_421_right_behind_the_354_asks_no_gate():
    stage = Stage(letter(), gate=GATE).S("250 ok", "250 ok", "354 go", "421 4.3.2 going down")
    assert stage.talk.due is None
    assert isinstance(stage.outcome(), ServiceRefused)


def test_what_a_server_says_of_a_message_that_it_has_not_seen_is_about_the_session():
    """Some say 451 or 554 when they are tired of waiting: it must not become the fate of the message."""
    stage, _ = at_gate()
    stage.S("554 5.4.7 idle for too long")
    assert isinstance(stage.outcome(), ServiceRefused)
    stage, _ = at_gate(LONG)
    stage.S("554 5.6.0 I have seen enough")
    assert isinstance(stage.outcome(), MessageRefused)


def test_a_reply_that_nobody_asked_for_at_the_gate_ends_the_session():
    stage, _ = at_gate()
    stage.S("250 ok")
    assert isinstance(stage.outcome(), ProtocolViolation)
    assert not stage.talk.allow(stage.given[0], 3.0)


def test_a_message_that_is_moved_comes_to_its_gate_again():
    stage, _ = at_gate()
    stage.talk.lost("reset")
    moved = stage.given[0]
    moved.restart()
    again = Stage()
    again.queue.append(moved)
    again.talk.wake(4.0)
    again.S("250 ok", "250 ok", "354 go")
    assert again.talk.due == (moved, GATE)
    assert not stage.talk.allow(moved, 5.0), "the first try is over"
    assert again.talk.allow(moved, 5.0)


# Whatever happens, in whatever order.


class Server:
    """Reads what a session writes by the letter of RFC 5321 and RFC 3030, and answers when it is told to."""

    def __init__(self):
        self.unanswered = deque()
        self.complete = []
        self.refused, self.taken = set(), set()
        #: the message whose content is awaited, and how much of it is here
        self.receiving = None
        self.partial = b""
        self.gone = False
        self._chunk = None
        self._number = None
        self._sender_stands = self._somebody = False

    def read(self, data):
        if self.gone:
            return
        self.partial += data
        while self._take():
            pass

    def _take(self):
        if self.receiving is None:
            line, ended, rest = self.partial.partition(b"\r\n")
            if ended:
                self.partial = rest
                self._command(line.decode())
            return bool(ended)
        if self._chunk is not None:
            whole = self._chunk if len(self.partial) >= self._chunk else None
        elif self.partial.startswith(FINAL_DOT):
            whole = len(FINAL_DOT)
        else:
            found = self.partial.find(b"\r\n" + FINAL_DOT)
            whole = found + 5 if found >= 0 else None
        if whole is None:
            return False
        self.complete.append(self.receiving)
        self.unanswered.append(("dot", self.receiving))
        self.partial, self.receiving, self._chunk = self.partial[whole:], None, None
        return True

    def _command(self, line):
        verb = line.split(" ", 1)[0]
        if verb == "RCPT":
            self._number = int(line.partition("<n")[2].partition("@")[0])
        if verb == "BDAT":
            self.receiving, self._chunk = self._number, int(line.split(" ")[1])
            return
        self.unanswered.append((verb, self._number))

    def answer(self, *, well):
        verb, number = self.unanswered.popleft()
        if verb == "dot":
            (self.taken if well else self.refused).add(number)
            return b"250 2.0.0 taken\r\n" if well else b"554 5.6.0 no\r\n"
        if verb == "MAIL":
            self._sender_stands, self._somebody = well, False
        elif verb == "RCPT":
            well = well and self._sender_stands
            self._somebody = self._somebody or well
        elif verb == "DATA":
            well = well and self._somebody
            self.receiving = number if well else None
            return b"354 go\r\n" if well else b"554 5.5.1 no\r\n"
        return b"250 ok\r\n" if well else b"550 5.1.1 no\r\n"


class World:
    """A session, its server, and its messages, some of which have gates; some gates allow at once."""

    def __init__(self, kinds, *, pipelining, chunking):
        self.server = Server()
        self.given = []
        self.asks_later = set()
        for number, (content, gate) in enumerate(kinds):
            composed = letter(f"n{number}@example.com", content=CONTENTS[content])
            self.given.append(Transaction(composed, 0.0, None if gate == "none" else GATE))
            if gate == "later":
                self.asks_later.add(number)
        self.queue = deque(self.given)
        self.chunking = chunking
        words = ["CHUNKING"] * chunking + ["PIPELINING"] * pipelining
        self.talk = Transactions(
            Capabilities("mail.example.org", tuple((word, "") for word in words)),
            server="mail.example.org",
            chunking=chunking,
            pull=lambda: self.queue.popleft() if self.queue else None,
        )
        self.settled, self.asked = {}, []
        self.allowed, self.refused = set(), set()
        self.talk.wake(0.0)
        self.look()

    def number(self, transaction):
        return next(number for number, one in enumerate(self.given) if one is transaction)

    def look(self):
        """What a session does after everything that happens."""
        self.server.read(b"".join(self.talk.take_output()))
        for transaction, outcome in self.talk.take_settled():
            number = self.number(transaction)
            assert number not in self.settled, "a message is settled once"
            self.settled[number] = outcome
        self.check()
        if self.talk.due is not None:
            (transaction, _), self.talk.due = self.talk.due, None
            number = self.number(transaction)
            assert number not in self.asked, "a gate is asked once for each try"
            self.asked.append(number)
            if number not in self.asks_later:
                self.allow(number)

    def check(self):
        for number in self.server.complete:
            assert self.given[number].gate is None or number in self.allowed, "a dot has left before it was allowed"
        held = self.server.receiving
        if self.server.gone or held is None or self.given[held].gate is None or held in self.allowed:
            return
        content = self.given[held].composed.content
        without_end = content[:-1] if self.chunking else dot_stuffed(content)
        assert self.server.partial == (without_end if len(without_end) > ONE_WRITE else b"")

    def allow(self, number):
        if self.talk.allow(self.given[number], 1.0):
            assert number in self.asked
            self.allowed.add(number)
        self.look()

    def refuse(self, number):
        if self.talk.refuse(self.given[number], "no"):
            self.refused.add(number)
        self.look()

    def happen(self, event, pick):
        number = pick % len(self.given)
        match event:
            case "answer" | "no":
                self.hear(self.server.answer(well=event == "answer") if self.server.unanswered else b"")
            case "burst" | "burst and 421":
                said = b""
                while self.server.unanswered:
                    said += self.server.answer(well=True)
                if event == "burst and 421":
                    said, self.server.gone = said + b"421 4.3.2 bye\r\n", True
                self.hear(said)
            case "stray":
                self.hear(b"" if self.server.unanswered else b"250 ok\r\n")
            case "garbage":
                self.hear(b"hello\r\n")
            case "drained":
                self.talk.drained(1.0)
            case "allow":
                self.allow(self.asked[-1] if self.asked else number)
            case "allow any":
                self.allow(number)
            case "refuse":
                self.refuse(number)
            case "lost":
                self.talk.lost("reset")
            case "silence":
                self.talk.timed_out(60.0)
        self.look()

    def hear(self, data):
        self.talk.receive(data, 1.0)

    def end(self):
        self.talk.lost("the end")
        self.look()
        begun = len(self.given) - len(self.queue)
        assert sorted(self.settled) == list(range(begun)), "whatever was begun is settled"
        for number, outcome in self.settled.items():
            self.judge(number, outcome)

    def judge(self, number, outcome):
        complete = number in self.server.complete
        if number in self.refused:
            assert isinstance(outcome, Withheld)
            assert not complete
            assert not self.given[number].dot_handed
        elif isinstance(outcome, SendResult):
            assert number in self.server.taken
        elif isinstance(outcome, Uncertain):
            assert complete
        else:
            assert isinstance(outcome, NotSent)
            assert not isinstance(outcome, Withheld)
            assert not complete or number in self.server.refused


#: what makes progress is named more often, or few examples would come far
EVENTS = [
    *["answer"] * 6,
    *["burst"] * 4,
    *["allow"] * 6,
    *["drained"] * 4,
    "no",
    "burst and 421",
    "stray",
    "garbage",
    "allow any",
    "refuse",
    "lost",
    "silence",
]
CONTENTS = {"short": BODY, "dots": b".\r\n..\r\n", "long": LONG}
KINDS = st.tuples(st.sampled_from(list(CONTENTS)), st.sampled_from(["later", "later", "at once", "none"]))


@given(
    kinds=st.lists(KINDS, min_size=1, max_size=4),
    pipelining=st.booleans(),
    chunking=st.booleans(),
    events=st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 3)), max_size=50),
)
def test_no_dot_leaves_before_its_gate_allows_it_and_each_message_is_settled_once(kinds, pipelining, chunking, events):
    world = World(kinds, pipelining=pipelining, chunking=chunking)
    for event, pick in events:
        if world.talk.closing:
            break
        world.happen(event, pick)
    world.end()


@given(
    kinds=st.lists(KINDS, min_size=1, max_size=4),
    pipelining=st.booleans(),
    chunking=st.booleans(),
)
def test_when_all_goes_well_every_message_passes_its_gate_and_is_sent(kinds, pipelining, chunking):
    world = World(kinds, pipelining=pipelining, chunking=chunking)
    while not world.talk.idle:
        for event in ("burst", "drained", "allow"):
            world.happen(event, 0)
    assert all(isinstance(outcome, SendResult) for outcome in world.settled.values())
    assert world.asked == [number for number, (_, gate) in enumerate(kinds) if gate != "none"]
    world.end()
