"""The client's half of each sign-in mechanism, and the choice between them.

A mechanism is three questions: what to say first (None: the server opens), what to answer to a challenge, and
whether it may end now. Bytes here are before and after base64; the protocol that carries them encodes.
"""

import hashlib
import hmac
import json
import re
import stringprep
import unicodedata
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import ClassVar, Protocol

from mailwright.errors import AuthNeedsTls, AuthNotOffered, InvalidAccount, ProtocolViolation
from mailwright.model.account import Mechanism, SignIn
from mailwright.reply import Phase, printable

#: What a hostile server may make us compute, while everybody else on the event loop waits. RFC 7677 section 4 wants at
#: least 4096; this is as many as careful advice on storing passwords asks for today.
MAX_SCRAM_ITERATIONS = 600_000
# Bounded before it becomes a number: Python refuses to read thousands of digits.
_COUNT = re.compile(r"[1-9][0-9]{0,6}\Z")
# A shorter piece of base64 is found in ordinary words.
_MIN_ECHO = 8


class SaslClient(Protocol):
    mechanism: ClassVar[Mechanism]

    def first(self) -> bytes | None:
        """The initial response; None when the server speaks first."""

    def answer(self, challenge: bytes) -> bytes: ...

    def finish(self, text: str) -> None:
        """Called with the text of the success reply; raises when the server has not proved what it must."""


class _Bounded(ABC):
    """A mechanism has a fixed number of challenges; a server that goes on asking would be answered for ever."""

    mechanism: ClassVar[Mechanism]
    challenges: ClassVar = 1

    def __init__(self) -> None:
        self._answered = 0

    def answer(self, challenge: bytes) -> bytes:
        if self._answered == self.challenges:
            raise _violation(f"the server asks more than {self.mechanism} has to answer")
        self._answered += 1
        return self._respond(challenge)

    @abstractmethod
    def _respond(self, challenge: bytes) -> bytes: ...

    def finish(self, text: str) -> None:
        del text


class Plain(_Bounded):
    """RFC 4616. The authorization identity is left empty: the server derives it."""

    mechanism: ClassVar = Mechanism.PLAIN

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__()
        self._message = b"\0".join((b"", sign_in.username.encode(), _password(sign_in).encode()))

    def first(self) -> bytes:
        return self._message

    def _respond(self, challenge: bytes) -> bytes:
        if challenge:
            raise _violation("PLAIN has no challenges")
        return self._message


class Login(_Bounded):
    """Never standardised, needed everywhere: two questions, whatever their wording."""

    mechanism: ClassVar = Mechanism.LOGIN
    challenges: ClassVar = 2

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__()
        self._answers = [_password(sign_in).encode(), sign_in.username.encode()]

    def first(self) -> None:
        return None

    def _respond(self, challenge: bytes) -> bytes:
        del challenge
        return self._answers.pop()


class CramMd5(_Bounded):
    """RFC 2195."""

    mechanism: ClassVar = Mechanism.CRAM_MD5

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__()
        self._sign_in = sign_in

    def first(self) -> None:
        return None

    def _respond(self, challenge: bytes) -> bytes:
        digest = hmac.new(_password(self._sign_in).encode(), challenge, hashlib.md5).hexdigest()
        return f"{self._sign_in.username} {digest}".encode()


class XOAuth2(_Bounded):
    """Google's and Microsoft's mechanism. A refusal comes as a challenge and is answered with nothing."""

    mechanism: ClassVar = Mechanism.XOAUTH2

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__()
        self._message = f"user={sign_in.username}\x01auth=Bearer {_token(sign_in)}\x01\x01".encode()
        #: what the server said about the refusal, for people
        self.refusal = ""

    def first(self) -> bytes:
        return self._message

    def _respond(self, challenge: bytes) -> bytes:
        self.refusal = _refusal(challenge)
        return b""


class OAuthBearer(_Bounded):
    """RFC 7628 section 3.1; section 3.2.3: a refusal is answered with a lone %x01."""

    mechanism: ClassVar = Mechanism.OAUTHBEARER

    def __init__(self, sign_in: SignIn) -> None:
        super().__init__()
        user = sign_in.username.replace("=", "=3D").replace(",", "=2C")
        self._message = f"n,a={user},\x01auth=Bearer {_token(sign_in)}\x01\x01".encode()
        self.refusal = ""

    def first(self) -> bytes:
        return self._message

    def _respond(self, challenge: bytes) -> bytes:
        self.refusal = _refusal(challenge)
        return b"\x01"


class ScramSha256(_Bounded):
    """RFC 5802 with SHA-256 (RFC 7677), without channel binding. The server has to prove itself too."""

    mechanism: ClassVar = Mechanism.SCRAM_SHA_256
    challenges: ClassVar = 2

    def __init__(self, sign_in: SignIn, nonce: str) -> None:
        super().__init__()
        user = saslprep(sign_in.username).replace("=", "=3D").replace(",", "=2C")
        self._password = saslprep(_password(sign_in)).encode()
        self._nonce = nonce
        self._bare = f"n={user},r={nonce}"
        self._server_signature = b""
        self._proved = False

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def _respond(self, challenge: bytes) -> bytes:
        if not self._server_signature:
            return self._prove(challenge)
        self._verify(challenge)
        return b""

    def finish(self, text: str) -> None:
        if not self._proved and self._server_signature:
            # QUIRK scram_final_in_success: RFC 4954 section 4 has no data in a 235, some servers put it there.
            match = re.search(r"(?:\A|\s)([A-Za-z0-9+/=]{8,})\s*\Z", text)
            if match:
                self._verify(decode_base64(match[1]))
        if not self._proved:
            raise _violation("the server accepted the sign-in without proving that it knows the password")

    def _prove(self, challenge: bytes) -> bytes:
        fields = _scram_fields(challenge)
        nonce, salt, count = fields.get("r", ""), fields.get("s", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise _violation("the server did not extend our SCRAM nonce")
        if not _COUNT.match(count) or int(count) > MAX_SCRAM_ITERATIONS:
            raise _violation(f"the SCRAM iteration count is not between 1 and {MAX_SCRAM_ITERATIONS}")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, decode_base64(salt), int(count))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c={b64encode(b'n,,').decode()},r={nonce}"
        signed = f"{self._bare},{challenge.decode()},{final}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
        return f"{final},p={b64encode(proof).decode()}".encode()

    def _verify(self, final: bytes) -> None:
        signature = decode_base64(_scram_fields(final).get("v", ""))
        if not hmac.compare_digest(signature, self._server_signature):
            raise _violation("the server does not know the password: this is not the server that it claims to be")
        self._proved = True


_PASSWORD_ORDER = (Mechanism.SCRAM_SHA_256, Mechanism.PLAIN, Mechanism.LOGIN, Mechanism.CRAM_MD5)
_TOKEN_ORDER = (Mechanism.OAUTHBEARER, Mechanism.XOAUTH2)
#: these show the secret to whoever listens
_CLEAR_TEXT = frozenset({Mechanism.PLAIN, Mechanism.LOGIN, *_TOKEN_ORDER})


def choose(sign_in: SignIn, offered: Sequence[str], *, clear_text_allowed: bool) -> Mechanism:
    """The best mechanism that both sides have. Without TLS only those that keep the secret."""
    usable: tuple[Mechanism, ...] = _TOKEN_ORDER if sign_in.access_token else _PASSWORD_ORDER
    if sign_in.mechanism is not None:
        if sign_in.mechanism not in usable:
            kind = "an access token" if sign_in.access_token else "a password"
            raise InvalidAccount(f"{sign_in.mechanism} cannot use {kind}", field="mechanism")
        usable = (sign_in.mechanism,)
    common = [mechanism for mechanism in usable if mechanism in offered]
    if not common:
        raise _not_offered(usable, offered)
    for mechanism in common:
        if clear_text_allowed or mechanism not in _CLEAR_TEXT:
            return mechanism
    raise AuthNeedsTls(
        "the connection is not encrypted, and the server offers no sign-in that hides the password",
        phase=Phase.AUTH,
        hint="set security to starttls or implicit; allow_clear_text_password sends it all the same",
    )


def make(mechanism: Mechanism, sign_in: SignIn, nonce: str) -> SaslClient:
    match mechanism:
        case Mechanism.SCRAM_SHA_256:
            return ScramSha256(sign_in, nonce)
        case Mechanism.CRAM_MD5:
            return CramMd5(sign_in)
        case Mechanism.PLAIN:
            return Plain(sign_in)
        case Mechanism.LOGIN:
            return Login(sign_in)
        case Mechanism.OAUTHBEARER:
            return OAuthBearer(sign_in)
        case Mechanism.XOAUTH2:
            return XOAuth2(sign_in)


def saslprep(text: str) -> str:
    """RFC 4013 as a query string: unassigned characters are allowed, prohibited ones are not.

    The bidirectional check of RFC 3454 section 6 is left out: a password that mixes directions is refused by the
    server, if by anybody.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    prohibited = (
        stringprep.in_table_c12,
        stringprep.in_table_c21_c22,
        stringprep.in_table_c3,
        stringprep.in_table_c4,
        stringprep.in_table_c5,
        stringprep.in_table_c6,
        stringprep.in_table_c7,
        stringprep.in_table_c8,
        stringprep.in_table_c9,
    )
    if any(test(char) for char in prepared for test in prohibited):
        raise InvalidAccount("the user name or password has a character that SCRAM does not allow", field="password")
    return prepared


def _not_offered(usable: Sequence[Mechanism], offered: Sequence[str]) -> AuthNotOffered:
    if not offered:
        return AuthNotOffered(
            phase=Phase.AUTH,
            hint="remove user name and password if the server needs none; many servers offer it only after STARTTLS",
        )
    return AuthNotOffered(
        f"the server offers {', '.join(offered)}; this account can use {', '.join(usable)}", phase=Phase.AUTH
    )


def _scram_fields(message: bytes) -> dict[str, str]:
    try:
        items = message.decode().split(",")
    except UnicodeDecodeError:
        raise _violation("a SCRAM message is not UTF-8") from None
    return {key: value for key, equals, value in (item.partition("=") for item in items) if equals}


def _refusal(challenge: bytes) -> str:
    """The status of a refused token. Servers answer with JSON; its text is theirs, so it is kept short."""
    try:
        loaded = json.loads(challenge)
    except (ValueError, RecursionError):
        return ""
    status = loaded.get("status") if isinstance(loaded, dict) else None
    return printable(" ".join(str(status).split()))[:80] if isinstance(status, str | int) else ""


def mask(text: str, sign_in: SignIn, sent: Sequence[bytes]) -> str:
    """What the server said, without what was sent to it: some servers repeat the line that they do not like.

    `sent` are the lines of the sign-in as they were on the wire, the AUTH command among them.
    """
    secret = _token(sign_in) if sign_in.access_token else _password(sign_in)
    encoded = {_base64(secret)}
    for line in sent:
        words = line.decode("ascii").split()
        # One word is an answer; more are the AUTH command, where the message follows the mechanism.
        said = words if len(words) == 1 else words[2:]
        encoded.update(form for word in said for form in (word, _base64(word)) if word != "=")
    whole = sorted({secret, *encoded}, key=len, reverse=True)
    masked = re.sub("|".join(re.escape(form) for form in whole), "***", text)

    def without_part(run: re.Match[str]) -> str:
        return "***" if any(run[0] in form for form in encoded) else run[0]

    # A long line is often cut off where it is repeated, or broken.
    return re.sub(rf"[A-Za-z0-9+/=]{{{_MIN_ECHO},}}", without_part, masked)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def decode_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise _violation("a sign-in message is not valid base64") from None


def _violation(message: str) -> ProtocolViolation:
    return ProtocolViolation(message, phase=Phase.AUTH)


def _password(sign_in: SignIn) -> str:
    assert sign_in.password is not None
    return sign_in.password.reveal()


def _token(sign_in: SignIn) -> str:
    assert sign_in.access_token is not None
    return sign_in.access_token.reveal()
