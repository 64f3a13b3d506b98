"""What one attempt says: of each recipient, of the message, of the account.

Only a reply of a server or a check of our own is for good. What is not understood is tried again.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from mailwright.errors import (
    AuthNeedsTls,
    AuthNotOffered,
    Closed,
    ConnectFailed,
    DialRefused,
    EightBitNotOffered,
    MailwrightError,
    MessageTooBig,
    NotSent,
    ProxyFailed,
    RecipientsRefused,
    ResolveFailed,
    SendError,
    ServiceRefused,
    SignInRefused,
    TlsFailed,
    TlsNotOffered,
    Uncertain,
    Utf8NotOffered,
)
from mailwright.model.delivery import SendResult
from mailwright.model.outbox import Failure, RecipientState, RecipientStatus
from mailwright.reply import Phase, Reply


class About(StrEnum):
    """What the answer is about, and so who pays for it."""

    #: the recipients or the message: an attempt is used up
    MESSAGE = "message"
    #: the way to the server: the account is parked, the message loses no attempt
    ACCOUNT = "account"
    #: the final dot got no reply
    UNCERTAIN = "uncertain"
    #: nothing was tried: this node stops
    NOTHING = "nothing"


class Verdict(NamedTuple):
    about: About
    recipients: tuple[RecipientStatus, ...]
    failure: Failure | None
    #: the reply to the final dot of a message that was taken
    response: Reply | None


_ACCOUNT_TROUBLE = (
    ResolveFailed,
    DialRefused,
    ConnectFailed,
    ProxyFailed,
    TlsFailed,
    TlsNotOffered,
    ServiceRefused,
    AuthNotOffered,
    AuthNeedsTls,
    SignInRefused,
)
#: our own checks: no later attempt over this server can end otherwise
_OURS_FOR_GOOD = (MessageTooBig, Utf8NotOffered, EightBitNotOffered)
#: A lost connection, silence or nonsense while the session opens is about the way, later about the message.
_OPENING = frozenset(
    {Phase.RESOLVE, Phase.CONNECT, Phase.PROXY, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH}
)
# RFC 4954 section 6 and RFC 3207 section 4: sign in first, encrypt first. Said to MAIL, they are about the account.
_SIGN_IN_FIRST = frozenset({432, 454, 530, 534, 535, 538})


def judge(recipients: Sequence[RecipientStatus], outcome: SendResult | BaseException) -> Verdict:
    """`recipients` are all of the message; only the open ones were tried."""
    if isinstance(outcome, SendResult):
        answers = {
            who.spec: reply for who, reply in zip(outcome.envelope.recipients, outcome.recipient_replies, strict=True)
        }
        judged = tuple(_by_reply(recipient, answers) for recipient in recipients)
        return Verdict(About.MESSAGE, judged, _first_refusal(outcome), outcome.final_reply)
    if isinstance(outcome, Uncertain):
        unsure = tuple(who._replace(state=RecipientState.UNCERTAIN) if who.state.open else who for who in recipients)
        return Verdict(About.UNCERTAIN, unsure, failure_of(outcome), None)
    if isinstance(outcome, Closed):
        return Verdict(About.NOTHING, tuple(recipients), None, None)
    failure = failure_of(outcome)
    if _about_the_account(outcome):
        return Verdict(About.ACCOUNT, tuple(recipients), failure, None)
    return Verdict(About.MESSAGE, _refused(recipients, outcome, failure), failure, None)


def failure_of(error: BaseException) -> Failure:
    if isinstance(error, SendError):
        return Failure(
            code=error.code,
            message=error.message,
            phase=error.phase,
            hint=error.hint,
            server=error.server,
            reply=error.reply,
            temporary=error.temporary and not isinstance(error, _OURS_FOR_GOOD),
        )
    if isinstance(error, MailwrightError):
        return Failure(error.code, error.message, Phase.QUEUE, error.hint)
    # Its text may hold anything, mail included; its kind may not.
    return Failure("internal", f"an unexpected {type(error).__name__}", Phase.QUEUE, temporary=True)


def _about_the_account(error: BaseException) -> bool:
    if isinstance(error, _ACCOUNT_TROUBLE):
        return True
    if not isinstance(error, NotSent):
        return False
    if error.reply is not None and error.reply.code in _SIGN_IN_FIRST and error.phase is Phase.MAIL:
        return True
    return error.phase in _OPENING


def _by_reply(recipient: RecipientStatus, answers: Mapping[str, Reply]) -> RecipientStatus:
    reply = answers.get(recipient.address)
    if reply is None or not recipient.state.open:
        return recipient
    if reply.positive:
        return RecipientStatus(recipient.address, RecipientState.ACCEPTED, reply)
    state = RecipientState.DEFERRED if reply.temporary else RecipientState.REFUSED
    return RecipientStatus(recipient.address, state, reply)


def _refused(
    recipients: Sequence[RecipientStatus], error: BaseException, failure: Failure
) -> tuple[RecipientStatus, ...]:
    answers = error.recipients if isinstance(error, RecipientsRefused) else {}
    state = RecipientState.DEFERRED
    if isinstance(error, _OURS_FOR_GOOD) or (failure.reply is not None and failure.reply.permanent):
        state = RecipientState.REFUSED
    elif isinstance(error, MailwrightError) and not isinstance(error, SendError):
        state = RecipientState.REFUSED  # a check of our own, such as one that finds a bare CR in the bytes
    judged = []
    for recipient in recipients:
        if not recipient.state.open:
            judged.append(recipient)
        elif recipient.address in answers:
            judged.append(_by_reply(recipient, answers))
        else:
            judged.append(RecipientStatus(recipient.address, state, failure.reply))
    return tuple(judged)


def _first_refusal(result: SendResult) -> Failure | None:
    for reply in result.recipient_replies:
        if not reply.positive:
            return Failure(
                code=RecipientsRefused.code,
                message="some recipients were refused",
                phase=Phase.RCPT,
                server=result.server,
                reply=reply,
                temporary=reply.temporary,
            )
    return None
