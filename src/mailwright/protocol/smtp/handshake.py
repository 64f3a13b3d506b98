"""From the greeting to a session that takes mail: EHLO, STARTTLS, AUTH. A conversation without a socket.

`handshake()` is a generator. It yields what to do next and is sent what came of it, so that the same rules serve the
asyncio session, the check report and a test with a list of strings:

    Greeting()            → the server's first Reply
    Command(line, phase)  → the Reply to it
    UpgradeTls()          → None, once the connection is encrypted (it raises TlsFailed otherwise)

It returns an `Opened`, or raises the SendError that says which step failed and what the server said.
"""

from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass, field

from mailwright.errors import (
    NotSent,
    ProtocolViolation,
    ServiceRefused,
    SignInRefused,
    TlsFailed,
    TlsNotOffered,
)
from mailwright.model.account import Mechanism, Outgoing, SignIn
from mailwright.model.security import Security
from mailwright.protocol.sasl import client as sasl
from mailwright.protocol.smtp import commands
from mailwright.protocol.smtp.capabilities import Capabilities
from mailwright.reply import Phase, Reply

# RFC 4954 section 4: a longer AUTH command has to wait for the server's empty challenge.
_MAX_AUTH_LINE = 12_288
# What a server without EHLO answers (RFC 5321 section 4.2.4).
# More questions than any sign-in has; each mechanism has its own, lower number.
_MAX_CHALLENGES = 8
_EHLO_UNKNOWN = frozenset({500, 501, 502, 504, 550})


@dataclass(frozen=True, slots=True)
class Greeting:
    phase: Phase = Phase.GREETING


@dataclass(frozen=True, slots=True)
class Command:
    #: may hold a password
    line: bytes = field(repr=False)
    phase: Phase
    #: the command as it may be shown: secrets masked
    shown: str


@dataclass(frozen=True, slots=True)
class UpgradeTls:
    phase: Phase = Phase.TLS


Step = Greeting | Command | UpgradeTls
Steps = Generator[Step, Reply | None, "Opened"]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the conversation cannot know by itself."""

    #: what EHLO says
    ehlo_name: str
    #: TLS was there from the first byte
    encrypted: bool
    #: by the account's own word, not by an answer of DNS, the server is on this machine or in the local network
    local: bool
    #: fresh randomness for SCRAM
    nonce: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that is ready for mail."""

    capabilities: Capabilities
    encrypted: bool
    signed_in_by: Mechanism | None
    replies: tuple[Reply, ...] = field(repr=False)


def handshake(outgoing: Outgoing, given: Circumstances) -> Steps:
    replies: list[Reply] = []
    greeting = yield from _ask(Greeting(), replies)
    if greeting.code != 220:
        raise _refused_or_nonsense("the server does not serve this client", greeting)
    encrypted = given.encrypted
    capabilities = yield from _hello(outgoing, given.ehlo_name, replies)
    if not encrypted and _wants_starttls(outgoing.security, capabilities):
        yield from _start_tls(replies)
        encrypted = True
        # RFC 3207 section 4.2: whatever was said before TLS is forgotten; a man in the middle may have said it.
        capabilities = yield from _hello(outgoing, given.ehlo_name, replies)
    mechanism = None
    if outgoing.sign_in is not None:
        clear_text_allowed = encrypted or given.local or outgoing.allow_clear_text_password
        mechanism = yield from _sign_in(
            outgoing.sign_in, capabilities, given.nonce, replies, clear_text_allowed=clear_text_allowed
        )
    return Opened(capabilities, encrypted, mechanism, tuple(replies))


def _ask(step: Greeting | Command, replies: list[Reply]) -> Generator[Step, Reply | None, Reply]:
    reply = yield step
    assert reply is not None
    return _noted(reply, replies)


def _noted(reply: Reply, replies: list[Reply]) -> Reply:
    replies.append(reply)
    if reply.code == 421:
        raise ServiceRefused("the server closes the connection", phase=reply.phase, reply=reply)
    return reply


def _hello(outgoing: Outgoing, name: str, replies: list[Reply]) -> Generator[Step, Reply | None, Capabilities]:
    reply = yield from _ask(_hello_command(name, "EHLO"), replies)
    if reply.code == 250:
        return Capabilities.from_reply(reply)
    needs_ehlo = outgoing.sign_in is not None or outgoing.security is Security.STARTTLS
    if reply.code in _EHLO_UNKNOWN and not needs_ehlo:
        # QUIRK ehlo_refused
        helo = yield from _ask(_hello_command(name, "HELO"), replies)
        if helo.code == 250:
            return Capabilities(helo.text.partition(" ")[0])
        reply = helo
    raise _refused_or_nonsense("the server refuses EHLO", reply)


def _hello_command(name: str, verb: str) -> Command:
    said = commands.ehlo(name, verb)
    return Command(commands.wire(said), Phase.EHLO, said)


def _wants_starttls(security: Security, capabilities: Capabilities) -> bool:
    if security is Security.STARTTLS and not capabilities.starttls:
        raise TlsNotOffered(
            phase=Phase.STARTTLS,
            hint="use port 465 with security implicit, or opportunistic for a server that has no TLS at all",
        )
    return security in (Security.STARTTLS, Security.OPPORTUNISTIC) and capabilities.starttls


def _start_tls(replies: list[Reply]) -> Generator[Step, Reply | None, None]:
    reply = yield from _ask(Command(b"STARTTLS\r\n", Phase.STARTTLS, "STARTTLS"), replies)
    if reply.positive and reply.code != 220:
        raise _nonsense(reply)
    if reply.code != 220:
        # Never go on in clear text after asking: that is exactly what an attacker would want.
        raise TlsFailed(
            "the server offers STARTTLS and then refuses it",
            phase=Phase.STARTTLS,
            reply=reply,
            hint="security none never asks, for servers that cannot do it",
        )
    yield UpgradeTls()


def _sign_in(
    sign_in: SignIn, capabilities: Capabilities, nonce: str, replies: list[Reply], *, clear_text_allowed: bool
) -> Generator[Step, Reply | None, Mechanism]:
    mechanism = sasl.choose(sign_in, capabilities.auth_mechanisms, clear_text_allowed=clear_text_allowed)
    client = sasl.make(mechanism, sign_in, nonce)
    line, rest = _auth_line(mechanism, client.first())
    sent = [line]
    reply = yield from _ask_signing_in(mechanism, sign_in, sent, replies)
    for _ in range(_MAX_CHALLENGES):
        if reply.code != 334:
            break
        answer = rest if rest is not None else client.answer(_challenge(reply))
        rest = None
        sent.append(b64encode(answer) + b"\r\n")
        reply = yield from _ask_signing_in(mechanism, sign_in, sent, replies)
    if reply.code == 235:
        client.finish(reply.text)
        return mechanism
    if reply.positive:
        raise _nonsense(reply)
    raise _sign_in_refused(mechanism, client, reply)


def _ask_signing_in(
    mechanism: Mechanism, sign_in: SignIn, sent: list[bytes], replies: list[Reply]
) -> Generator[Step, Reply | None, Reply]:
    """Says the last line of `sent`. What the server repeats of it is masked before anybody keeps it."""
    reply = yield Command(sent[-1], Phase.AUTH, f"AUTH {mechanism} ***")
    assert reply is not None
    if reply.code != 334:
        reply = reply._replace(text=sasl.mask(reply.text, sign_in, sent))
    return _noted(reply, replies)


def _auth_line(mechanism: Mechanism, first: bytes | None) -> tuple[bytes, bytes | None]:
    """The AUTH command, and what is left to say at the first challenge."""
    if first is None:
        return f"AUTH {mechanism}\r\n".encode(), None
    line = f"AUTH {mechanism} ".encode() + (b64encode(first) or b"=") + b"\r\n"
    if len(line) > _MAX_AUTH_LINE:
        return f"AUTH {mechanism}\r\n".encode(), first
    return line, None


def _challenge(reply: Reply) -> bytes:
    return sasl.decode_base64(reply.text.strip())


def _sign_in_refused(mechanism: Mechanism, client: sasl.SaslClient, reply: Reply) -> SignInRefused:
    status = getattr(client, "refusal", "")
    hint = "check user name and password; some providers want an app password or OAuth2"
    if mechanism in (Mechanism.XOAUTH2, Mechanism.OAUTHBEARER):
        hint = "the token may have expired, or may not be for this mailbox or for SMTP"
    message = f"the server refused the sign-in by {mechanism}" + (f" with status {status}" if status else "")
    return SignInRefused(message, phase=Phase.AUTH, reply=reply, hint=hint)


def _refused_or_nonsense(message: str, reply: Reply) -> NotSent:
    return _nonsense(reply) if reply.positive else ServiceRefused(message, phase=reply.phase, reply=reply)


def _nonsense(reply: Reply) -> ProtocolViolation:
    message = f"unexpected reply to {reply.phase.upper()}: {reply.code}"
    return ProtocolViolation(message, phase=reply.phase, reply=reply)
