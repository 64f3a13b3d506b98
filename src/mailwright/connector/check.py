"""Checking an account: open a session as sending would, say of each step how it went."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mailwright.errors import SendError
from mailwright.model.account import Account, Outgoing
from mailwright.model.check import CheckName, CheckReport, CheckStep, StepState
from mailwright.model.security import Security
from mailwright.protocol.smtp.transaction import Transaction
from mailwright.protocol.smtp.transactions import Settled
from mailwright.reply import Phase, printable
from mailwright.transport.dial import Dialler
from mailwright.transport.dial_policy import IPAddress
from mailwright.transport.smtp_session import SmtpSession
from mailwright.transport.tls import TlsContexts

#: a certificate that ends sooner is worth a word
EXPIRES_SOON = timedelta(days=14)

_STEP_OF_PHASE = {
    Phase.RESOLVE: CheckName.RESOLVE,
    Phase.CONNECT: CheckName.CONNECT,
    Phase.PROXY: CheckName.CONNECT,
    Phase.TLS: CheckName.ENCRYPT,
    Phase.STARTTLS: CheckName.ENCRYPT,
    Phase.GREETING: CheckName.GREET,
    Phase.EHLO: CheckName.GREET,
    Phase.AUTH: CheckName.SIGN_IN,
}


class _NoWork:
    """A session owner without messages."""

    def pull(self, session: SmtpSession) -> Transaction | None:
        del session
        return None

    def settled(self, settled: Settled) -> None: ...

    def idle(self, session: SmtpSession) -> None: ...

    def ended(self, session: SmtpSession) -> None: ...


async def check(
    account: Account, dialler: Dialler, contexts: TlsContexts, ehlo_name: str, *, now: datetime
) -> CheckReport:
    session = SmtpSession(account.outgoing, _NoWork())
    failure: SendError | None = None
    resolved: list[IPAddress] = []
    try:
        await session.open(dialler.telling(resolved.extend), contexts, ehlo_name)
        await session.quit()
    except SendError as error:
        failure = error
    await session.wait_closed()
    return report(account, session, failure, now, resolved)


def report(
    account: Account,
    session: SmtpSession,
    failure: SendError | None,
    now: datetime,
    resolved: Sequence[IPAddress] = (),
) -> CheckReport:
    outgoing = account.outgoing
    steps = [
        _resolve(outgoing, resolved),
        _connect(session),
        _encrypt(outgoing, session, failure, now),
        _greet(session),
        _sign_in(outgoing, session),
    ]
    if outgoing.security is not Security.IMPLICIT:
        # In the order of the wire: the greeting comes before STARTTLS.
        steps[2], steps[3] = steps[3], steps[2]
    if failure is not None:
        steps = _with_failure(steps, failure)
    capabilities = session.opened.capabilities.keywords if session.opened is not None else ()
    words = tuple(f"{name} {parameters}".strip() for name, parameters in capabilities)
    return CheckReport(
        account.name, f"{outgoing.host}:{outgoing.port}", tuple(steps), words, failure, outgoing.warnings
    )


def _with_failure(steps: list[CheckStep], failure: SendError) -> list[CheckStep]:
    """Everything before the failed step worked, even where nothing was noted of it; nothing after it was tried."""
    failed = _STEP_OF_PHASE.get(failure.phase, CheckName.CONNECT)
    at = next(index for index, step in enumerate(steps) if step.name is failed)
    detail = failure.message
    if failure.reply is not None:
        detail = f"{detail}: {printable(str(failure.reply))}"
    before = [
        CheckStep(step.name, StepState.OK, "") if step.state is StepState.SKIPPED and not step.detail else step
        for step in steps[:at]
    ]
    # A server may refuse the second EHLO, after TLS: what has been reached stays, whatever the order.
    after = [
        CheckStep(step.name, StepState.SKIPPED, "not reached") if step.state is StepState.SKIPPED else step
        for step in steps[at + 1 :]
    ]
    return [*before, CheckStep(failed, StepState.FAILED, detail, failure.hint), *after]


def _resolve(outgoing: Outgoing, resolved: Sequence[IPAddress]) -> CheckStep:
    if resolved:
        return CheckStep(CheckName.RESOLVE, StepState.OK, ", ".join(str(address) for address in resolved))
    return CheckStep(CheckName.RESOLVE, StepState.SKIPPED, "left to the proxy" if outgoing.proxy is not None else "")


def _connect(session: SmtpSession) -> CheckStep:
    if session.dialled is None:
        return CheckStep(CheckName.CONNECT, StepState.SKIPPED, "")
    return CheckStep(CheckName.CONNECT, StepState.OK, session.dialled.peer)


def _encrypt(outgoing: Outgoing, session: SmtpSession, failure: SendError | None, now: datetime) -> CheckStep:
    tls = session.tls
    if tls is None:
        # The sign-in comes after the upgrade: who failed there without TLS did without it.
        passed = session.opened is not None or (failure is not None and failure.phase is Phase.AUTH)
        return _not_encrypted(outgoing, session) if passed else CheckStep(CheckName.ENCRYPT, StepState.SKIPPED, "")
    detail = f"{tls.protocol}, {tls.cipher}, certificate {printable(tls.subject)} until {tls.expires[:10]}"
    if not tls.verified:
        hint = f"to accept this certificate and no other: pinned_certificate {tls.fingerprint}"
        return CheckStep(CheckName.ENCRYPT, StepState.WARNING, f"{detail}; not fully verified", hint)
    left = datetime.fromisoformat(tls.expires) - now
    if left < EXPIRES_SOON:
        when = "has expired" if left < timedelta(0) else "expires soon"
        return CheckStep(CheckName.ENCRYPT, StepState.WARNING, detail, f"the certificate {when}")
    return CheckStep(CheckName.ENCRYPT, StepState.OK, detail)


def _not_encrypted(outgoing: Outgoing, session: SmtpSession) -> CheckStep:
    local = session.dialled is not None and session.dialled.local
    why = "switched off" if outgoing.security is Security.NONE else "the server does not offer STARTTLS"
    state = StepState.SKIPPED if local else StepState.WARNING
    hint = "" if local else "everybody on the way can read this mail: use starttls or implicit"
    return CheckStep(CheckName.ENCRYPT, state, f"not encrypted: {why}", hint)


def _greet(session: SmtpSession) -> CheckStep:
    if session.opened is None:
        return CheckStep(CheckName.GREET, StepState.SKIPPED, "")
    return CheckStep(CheckName.GREET, StepState.OK, str(session.opened.replies[0]))


def _sign_in(outgoing: Outgoing, session: SmtpSession) -> CheckStep:
    if outgoing.sign_in is None:
        return CheckStep(CheckName.SIGN_IN, StepState.SKIPPED, "no user name configured")
    if session.opened is None:
        return CheckStep(CheckName.SIGN_IN, StepState.SKIPPED, "")
    detail = f"{outgoing.sign_in.username} by {session.opened.signed_in_by}"
    if not session.opened.encrypted:
        return CheckStep(CheckName.SIGN_IN, StepState.WARNING, f"{detail}, without encryption")
    return CheckStep(CheckName.SIGN_IN, StepState.OK, detail)
