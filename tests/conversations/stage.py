"""A session and the server that the test plays."""

from collections import deque

from mailwright.model.address_syntax import parse_address
from mailwright.model.delivery import Composed, Envelope
from mailwright.protocol.smtp.capabilities import Capabilities
from mailwright.protocol.smtp.transaction import Transaction
from mailwright.protocol.smtp.transactions import Transactions

EVERYTHING = ("PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "ENHANCEDSTATUSCODES")
BODY = b"Subject: x\r\n\r\nHello\r\n"


def letter(*recipients, content=BODY, sender="ann@example.org", **options):
    envelope = Envelope(
        parse_address(sender) if sender else None,
        tuple(parse_address(recipient) for recipient in recipients or ("bob@example.com",)),
    )
    return Composed(envelope, content, "id@example.org", **{"canonical": True, **options})


class Stage:
    """A session with a server that says what the test says. `C` is what was written since it was last asked for."""

    def __init__(self, *letters, offers=EVERYTHING, chunking=False, gate=None):
        keywords = tuple((word.partition(" ")[0], word.partition(" ")[2]) for word in offers)
        self.queue = deque(Transaction(one, 0.0, gate) for one in letters)
        self.given = list(self.queue)
        self.talk = Transactions(
            Capabilities("mail.example.org", keywords),
            server="mail.example.org",
            chunking=chunking,
            pull=lambda: self.queue.popleft() if self.queue else None,
        )
        self.settled = {}
        self.talk.wake(0.0)

    @property
    def C(self):  # noqa: N802 - as in a transcript
        return b"".join(self.talk.take_output()).decode()

    def S(self, *lines):  # noqa: N802
        self.talk.receive("".join(line + "\r\n" for line in lines).encode(), 1.0)
        return self

    def outcome(self, number=0):
        for transaction, outcome in self.talk.take_settled():
            assert transaction not in self.settled, "a message was settled twice"
            self.settled[transaction] = outcome
        return self.settled.get(self.given[number])
