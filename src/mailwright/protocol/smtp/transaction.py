"""One message on one session: what was asked, what was answered, and what that amounts to."""

from collections.abc import Callable
from typing import Protocol

from mailwright.errors import (
    EightBitNotOffered,
    MailwrightError,
    MessageRefused,
    MessageTooBig,
    RecipientsRefused,
    SenderRefused,
    SendError,
    Utf8NotOffered,
)
from mailwright.model.delivery import Composed, SendResult, Timings
from mailwright.protocol.smtp import content
from mailwright.protocol.smtp.capabilities import Capabilities
from mailwright.reply import Phase, Reply


class DotGate(Protocol):
    """Stands before the final dot of one message, for whoever has to write down first that it is about to leave."""

    def due(self, allow: Callable[[], None], refuse: Callable[[str], None]) -> None:
        """The final dot could be written now, and is not before `allow()`.

        Called once for each try: again when the session ended meanwhile and the message, surely unsent, has come as
        far on another one. `refuse(reason)` ends the session, and the message with Withheld. Both may be called at
        once or later, on the thread of the event loop; the first call counts, and none does once the try is over.

        The outcomes of messages that were answered before are set by then. What waits for them as a callback of
        their future hears of it in the next pass of the loop, and so before anything that `due` puts there by
        `call_soon`: one transaction can hold their end and the beginning of this one.
        """


class Transaction:
    """A message and the replies to it. Times are whatever clock the caller uses, in seconds."""

    __slots__ = (
        "composed",
        "data_reply",
        "dot_handed",
        "final_at",
        "gate",
        "queued_at",
        "rcpt_replies",
        "sender_reply",
        "started_at",
    )

    def __init__(self, composed: Composed, queued_at: float, gate: DotGate | None = None) -> None:
        self.composed = composed
        self.queued_at = queued_at
        self.gate = gate
        self.restart()

    def restart(self) -> None:
        """No session has said anything yet, or what it said is forgotten before another is tried."""
        self.started_at = 0.0
        self.final_at = 0.0
        self.sender_reply: Reply | None = None
        self.rcpt_replies: list[Reply] = []
        self.data_reply: Reply | None = None
        #: from now on only the server's answer tells whether it is sent
        self.dot_handed = False

    @property
    def envelope_stands(self) -> bool:
        """The sender and at least one recipient are taken: there is somebody to send the message to."""
        sender = self.sender_reply
        if sender is None or sender.code >= 300:
            return False
        for reply in self.rcpt_replies:  # noqa: SIM110 - `any` costs a generator for each message
            if reply.code < 300:
                return True
        return False

    @property
    def envelope_answered(self) -> bool:
        return len(self.rcpt_replies) == len(self.composed.envelope.recipients)

    def result(self, final: Reply, server: str, now: float) -> SendResult:
        composed = self.composed
        assert self.sender_reply is not None
        return SendResult(
            composed.message_id,
            composed.envelope,
            self.sender_reply,
            tuple(self.rcpt_replies),
            self.data_reply,
            final,
            len(composed.content),
            server,
            Timings(self.started_at - self.queued_at, self.final_at - self.started_at, now - self.final_at),
        )

    def refusal(self, reply: Reply | None, server: str) -> SendError:
        """The first thing that was refused is the reason; later replies only follow from it."""
        sender = self.sender_reply
        if sender is not None and not sender.positive:
            kind = MessageTooBig if _says_too_big(sender) else SenderRefused
            return kind(phase=Phase.MAIL, reply=sender, server=server)
        refused = self._refused_recipients()
        if refused and len(refused) == len(self.composed.envelope.recipients):
            first = next(iter(refused.values()))
            return RecipientsRefused(phase=Phase.RCPT, reply=first, recipients=refused, server=server)
        assert reply is not None
        refused_kind = MessageTooBig if _says_too_big(reply) else MessageRefused
        return refused_kind(phase=reply.phase, reply=reply, recipients=refused, server=server)

    def _refused_recipients(self) -> dict[str, Reply]:
        pairs = zip(self.composed.envelope.recipients, self.rcpt_replies, strict=False)
        return {who.spec: reply for who, reply in pairs if reply.code >= 300}


def _says_too_big(reply: Reply) -> bool:
    # RFC 1870 section 6.1 and RFC 3463 section 3.4. A bare 552 may also mean a full mailbox, but not in reply to MAIL.
    return reply.enhanced == "5.3.4" or (reply.code == 552 and reply.phase is Phase.MAIL)


def cannot_carry(composed: Composed, limits: Capabilities, server: str) -> MailwrightError | None:
    """What the server has told in advance about this message; asking would only cost a round trip."""
    if limits.max_size and len(composed.content) > limits.max_size:
        message = f"the message has {len(composed.content)} bytes, the server takes {limits.max_size}"
        return MessageTooBig(message, phase=Phase.MAIL, server=server)
    if composed.needs_utf8 and not limits.utf8:
        return Utf8NotOffered(phase=Phase.MAIL, server=server)
    if composed.eight_bit and not limits.eight_bit:
        return EightBitNotOffered(phase=Phase.MAIL, server=server)
    if not composed.canonical:
        try:
            content.checked(composed.content)
        except MailwrightError as error:
            return error
    return None
