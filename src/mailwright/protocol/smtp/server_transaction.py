"""One mail transaction after the other: MAIL, RCPT, then the content by DATA or BDAT (RFC 5321 section 3.3)."""

from collections.abc import Collection

from mailwright.protocol.smtp.server_commands import read_bdat, read_mail, read_rcpt
from mailwright.protocol.smtp.server_content import ChunkReader, DotReader, find_defects
from mailwright.protocol.smtp.server_lines import Arrived
from mailwright.protocol.smtp.server_types import (
    Answer,
    ChunkEnded,
    CloseReason,
    ContentBegun,
    DataAsked,
    Defect,
    Extension,
    MailBegun,
    MessageEnded,
    Outcome,
    ReceivedEnvelope,
    ReceivedRecipient,
    ReceivedSender,
    RecipientNamed,
    Refused,
    ServerPolicy,
    Step,
)

_BARE_NEWLINES = frozenset({Defect.BARE_LF, Defect.BARE_CR})


class Transactions:
    def __init__(self, policy: ServerPolicy) -> None:
        self._policy = policy
        self._messages = 0
        self.forget()

    def forget(self) -> None:
        """Back to before MAIL."""
        self._sender: ReceivedSender | None = None
        self._recipients: list[ReceivedRecipient] = []
        self._dots: DotReader | None = None
        self._chunks: ChunkReader | None = None
        #: what arrives is content, not commands
        self.reads_content = False
        self._announced = False
        #: the owner has answered while the content was coming: nothing more is due at its end
        self._answered = False
        self._last_chunk = False
        #: what this BDAT and those behind it are told
        self._refusal: Answer | None = None

    @property
    def open(self) -> bool:
        return self._sender is not None

    # ── the envelope ───────────────────────────────────────────────────────────────────────────────────────────

    def mail(self, text: str, offered: Collection[Extension]) -> Step:
        if self._sender is not None:
            raise Refused(503, "5.5.1", "MAIL was said already")
        if self._policy.max_messages and self._messages >= self._policy.max_messages:
            raise Refused.closing(CloseReason.TOO_MANY_MESSAGES)
        sender = read_mail(text, offered, self._policy.max_size)

        def effect() -> None:
            self._sender = sender

        return Step(MailBegun(sender), Answer(250, "2.1.0", "Sender ok"), effect)

    def rcpt(self, text: str, offered: Collection[Extension]) -> Step:
        if self._sender is None or self._chunks is not None:
            raise Refused(503, "5.5.1", "RCPT comes after MAIL and before the message")
        if len(self._recipients) >= self._policy.max_recipients:
            # RFC 5321 section 4.5.3.1.10: 452, so that the client sends to the rest in another transaction.
            raise Refused(452, "4.5.3", f"No more than {self._policy.max_recipients} recipients")
        recipient = read_rcpt(text, offered, smtputf8=self._sender.smtputf8)
        answer = Answer(250, "2.1.5", "Recipient ok")
        return Step(RecipientNamed(recipient), answer, lambda: self._recipients.append(recipient))

    # ── the content ────────────────────────────────────────────────────────────────────────────────────────────

    def data(self, text: str) -> Step:
        if text:
            raise Refused(501, "5.5.4", "DATA takes no parameters")
        if self._sender is None or self._chunks is not None:
            raise Refused(503, "5.5.1", "DATA comes after MAIL and RCPT, and not after BDAT")
        if not self._recipients:
            raise Refused(554, "5.5.1", "No recipient was accepted")

        def effect() -> None:
            self._dots = DotReader(self._policy.max_size)
            self.reads_content = True

        return Step(DataAsked(), Answer(354, "", "Go on, and end with a dot on a line of its own"), effect)

    def bdat(self, text: str) -> Outcome:
        octets, self._last_chunk = read_bdat(text)
        if self._refusal is None and not self._recipients:
            self._refusal = Answer(503, "5.5.1", "BDAT comes after MAIL and an accepted RCPT")
        if self._chunks is None:
            self._chunks = ChunkReader(self._policy.max_size)
        self._chunks.begin(octets)
        if not octets:
            return self._chunk_ended(self._chunks)
        # Content that nobody wants is read all the same (RFC 3030 section 2): commands follow behind it.
        self.reads_content = True
        return None

    def read(self, arrived: Arrived) -> Outcome:
        if not self._announced and self._refusal is None:
            self._announced = True
            return Step(ContentBegun(), None, instead=self._answer_early)
        reader = self._chunks or self._dots
        assert reader is not None
        rest = reader.feed(arrived.take_all())
        if rest is None:
            return None
        arrived.add(rest)
        self.reads_content = False
        if self._chunks is not None:
            return self._chunk_ended(self._chunks)
        return self._message_ended(reader.content(), chunks=0)

    def _answer_early(self) -> None:
        self._answered = True

    def _chunk_ended(self, chunks: ChunkReader) -> Outcome:
        if self._answered:
            self._end_answered_chunk()
            return None
        if self._refusal is None and not self._last_chunk:
            if not chunks.too_big:
                return Step(
                    ChunkEnded(first=chunks.count == 1), Answer(250, "2.0.0", "Chunk taken"), instead=self._refuse_rest
                )
            self._refusal = self._too_big()
        if self._refusal is None:
            return self._message_ended(chunks.content(), chunks=chunks.count)
        refusal = self._refusal
        if self._last_chunk:
            self.forget()
        return refusal

    def _end_answered_chunk(self) -> None:
        # What was said early stands for the chunk that it fell into.
        if self._last_chunk:
            self.forget()
        else:
            self._answered = False
            self._refuse_rest()

    def _refuse_rest(self) -> None:
        # RFC 3030 section 2: once a chunk has failed, the whole message has.
        self._refusal = Answer(503, "5.5.1", "An earlier part of this message was refused")

    def _too_big(self) -> Answer:
        return Answer(552, "5.3.4", f"The message is bigger than the {self._policy.max_size} octets taken here")

    def _message_ended(self, content: bytes | None, chunks: int) -> Step | None:
        assert self._sender is not None
        envelope = ReceivedEnvelope(self._sender, tuple(self._recipients))
        answered = self._answered
        self.forget()
        self._messages += 1
        if answered:
            return None
        refusal = self._too_big() if content is None else None
        defects = find_defects(content, envelope.sender) if content is not None else ()
        if self._policy.refuse_bare_newlines and not _BARE_NEWLINES.isdisjoint(defects):
            refusal = Answer(550, "5.6.0", "The message has a CR or LF that is no half of a CRLF")
        ended = MessageEnded(envelope, content or b"", defects, chunks, refusal)
        return Step(ended, refusal or Answer(250, "2.0.0", "Message taken"))
