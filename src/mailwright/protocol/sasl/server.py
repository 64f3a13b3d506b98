"""The server's half of each sign-in mechanism, as the development server needs it.

A mechanism is a generator: it yields challenges, is sent responses, and returns a verdict. Bytes here are before and
after base64; the protocol that carries them encodes.
"""

import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from mailwright.errors import InvalidAccount, InvalidSetting
from mailwright.model.account import Mechanism
from mailwright.protocol.sasl.client import saslprep
from mailwright.secret import Secret

#: RFC 7677 section 4: at least 4096; more only makes tests slow
SCRAM_ITERATIONS = 4096


def _nobody() -> Mapping[str, Secret]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Users:
    """Who may sign in, with which password or access token. With no entry at all everybody may, with anything."""

    passwords: Mapping[str, Secret] = field(default_factory=_nobody)
    tokens: Mapping[str, Secret] = field(default_factory=_nobody)

    @property
    def anybody(self) -> bool:
        return not self.passwords and not self.tokens

    def password_fits(self, user: str, password: str) -> bool:
        return self.anybody or self.passwords.get(user) == Secret(password)

    def token_fits(self, user: str, token: str) -> bool:
        return self.anybody or self.tokens.get(user) == Secret(token)

    def usable(self, mechanisms: tuple[Mechanism, ...]) -> tuple[Mechanism, ...]:
        """The mechanisms that can end well: SCRAM makes the server prove that it knows the password."""
        if not self.anybody:
            return mechanisms
        return tuple(mechanism for mechanism in mechanisms if mechanism is not Mechanism.SCRAM_SHA_256)


class Verdict(NamedTuple):
    """How a sign-in ended. `user` is who tried, also when it failed; empty when no name was understood."""

    user: str
    accepted: bool
    #: the exchange itself was wrong, as opposed to the password
    malformed: bool = False


Exchange = Generator[bytes, bytes, Verdict]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an exchange draws on besides the users: given, so that the same run can be made twice."""

    #: printable ASCII without comma, new at every sign-in
    nonce: str
    salt: bytes
    #: stands in the CRAM-MD5 challenge (RFC 2195 section 2)
    hostname: str


def begin(mechanism: Mechanism, users: Users, circumstances: Circumstances) -> Exchange:
    match mechanism:
        case Mechanism.PLAIN:
            return _plain(users)
        case Mechanism.LOGIN:
            return _login(users)
        case Mechanism.CRAM_MD5:
            return _cram_md5(users, circumstances)
        case Mechanism.SCRAM_SHA_256:
            return _scram_sha_256(users, circumstances)
        case Mechanism.XOAUTH2:
            return _bearer(users, _read_xoauth2)
        case Mechanism.OAUTHBEARER:
            return _bearer(users, _read_oauthbearer)


#: RFC 4954 section 4: with these the server speaks first, so that an initial response is an error
SERVER_FIRST = frozenset({Mechanism.CRAM_MD5})

_MALFORMED = Verdict("", accepted=False, malformed=True)


def _plain(users: Users) -> Exchange:
    parts = (yield b"").split(b"\0")
    if len(parts) != 3 or not parts[1]:
        return _MALFORMED
    try:
        user, password = parts[1].decode(), parts[2].decode()
    except UnicodeDecodeError:
        return _MALFORMED
    return Verdict(user, users.password_fits(user, password))


def _login(users: Users) -> Exchange:
    # The wording is not free: old Outlook compares it.
    user = (yield b"Username:").decode(errors="replace")
    password = (yield b"Password:").decode(errors="replace")
    return Verdict(user, users.password_fits(user, password))


def _cram_md5(users: Users, circumstances: Circumstances) -> Exchange:
    challenge = f"<{circumstances.nonce}@{circumstances.hostname}>".encode()
    user, _, digest = (yield challenge).decode(errors="replace").rpartition(" ")
    if not user:
        return _MALFORMED
    if users.anybody:
        return Verdict(user, accepted=True)
    known = users.passwords.get(user)
    if known is None:
        return Verdict(user, accepted=False)
    expected = hmac.new(known.reveal().encode(), challenge, hashlib.md5).hexdigest()
    return Verdict(user, hmac.compare_digest(expected.encode(), digest.encode()))


# RFC 5802 section 7: gs2-header without channel binding, then name and nonce. "y" says that the client could bind.
_CLIENT_FIRST = re.compile(r"((?:n|y),(?:a=[^,]*)?,)(n=([^,]+),r=([!-+\--~]+)(?:,.*)?)\Z", re.DOTALL)
_CLIENT_FINAL = re.compile(r"(c=([^,]*),r=([^,]+)(?:,.*)?),p=([^,]+)\Z", re.DOTALL)


def _scram_sha_256(users: Users, circumstances: Circumstances) -> Exchange:
    first = _CLIENT_FIRST.match((yield b"").decode(errors="replace"))
    if first is None:
        return _MALFORMED
    header, bare, name, client_nonce = first.groups()
    user = name.replace("=2C", ",").replace("=3D", "=")
    nonce = client_nonce + circumstances.nonce
    challenge = f"r={nonce},s={b64encode(circumstances.salt).decode()},i={SCRAM_ITERATIONS}"
    final = _CLIENT_FINAL.match((yield challenge.encode()).decode(errors="replace"))
    if final is None:
        return Verdict(user, accepted=False, malformed=True)
    without_proof, binding, echoed, proof = final.groups()
    salted = _salted(_known_password(users, user), circumstances.salt)
    signed = f"{bare},{challenge},{without_proof}".encode()
    proves = salted is not None and hmac.compare_digest(_client_proof(salted, signed), proof.encode())
    if not proves or binding != b64encode(header.encode()).decode() or echoed != nonce or salted is None:
        return Verdict(user, accepted=False)
    signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    # SMTP has no place for data beside success (RFC 4954 section 4): one more challenge, an empty response.
    yield b"v=" + b64encode(signature)
    return Verdict(user, accepted=True)


def _known_password(users: Users, user: str) -> Secret | None:
    """SCRAM names travel prepared (RFC 5802 section 5.1), those of the list stand as somebody typed them."""
    for name, password in users.passwords.items():
        if name == user or _prepared(name) == user:
            return password
    return None


def _prepared(text: str) -> str | None:
    try:
        return saslprep(text)
    except InvalidAccount:
        return None


def _salted(password: Secret | None, salt: bytes) -> bytes | None:
    prepared = _prepared(password.reveal()) if password is not None else None
    if prepared is None:
        return None
    return hashlib.pbkdf2_hmac("sha256", prepared.encode(), salt, SCRAM_ITERATIONS)


def _client_proof(salted: bytes, signed: bytes) -> bytes:
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    return b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))


def _bearer(users: Users, read: Callable[[str], tuple[str, str] | None]) -> Exchange:
    found = read((yield b"").decode(errors="replace"))
    if found is None:
        return _MALFORMED
    user, token = found
    if users.token_fits(user, token):
        return Verdict(user, accepted=True)
    # RFC 7628 section 3.2.2, and the same with XOAUTH2: the reason is a challenge, its answer is not looked at.
    yield json.dumps({"status": "401", "schemes": "bearer", "scope": "https://mail.example/"}).encode()
    return Verdict(user, accepted=False)


_XOAUTH2 = re.compile("user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01\\Z", re.IGNORECASE)
# RFC 7628 section 3.1: gs2-header, then key=value pairs, each closed by %x01.
_OAUTHBEARER = re.compile("[ny],(?:a=([^,]*))?,\x01((?:[A-Za-z]+=[^\x01]*\x01)*)\x01\\Z")
_BEARER = re.compile("(?:\\A|\x01)auth=Bearer ([^\x01]+)\x01", re.IGNORECASE)


def _read_xoauth2(text: str) -> tuple[str, str] | None:
    match = _XOAUTH2.match(text)
    return (match[1], match[2]) if match else None


def _read_oauthbearer(text: str) -> tuple[str, str] | None:
    match = _OAUTHBEARER.match(text)
    token = _BEARER.search(match[2]) if match else None
    if match is None or token is None:
        return None
    return (match[1] or "").replace("=2C", ",").replace("=3D", "="), token[1]


def decode_response(text: bytes) -> bytes | None:
    """A response as it stands on the wire; None when it is no base64."""
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


def read_users(passwords: list[str], tokens: list[str]) -> Users:
    """Users from `NAME:PASSWORD` and `NAME:TOKEN` texts."""
    return Users(_pairs(passwords, "users"), _pairs(tokens, "tokens"))


def _pairs(items: list[str], setting: str) -> Mapping[str, Secret]:
    pairs = {}
    for item in items:
        # The last colon would cut passwords, the first one cuts no mail address.
        name, colon, secret = item.partition(":")
        if not colon or not name or not secret:
            raise InvalidSetting("a user is written NAME:PASSWORD, a token NAME:TOKEN", field=setting)
        pairs[name] = Secret(secret)
    return MappingProxyType(pairs)
