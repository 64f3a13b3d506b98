"""Links that leave a list: signed, so that nobody takes others off it, and nothing is stored for them."""

import base64
import hashlib
import hmac
from typing import NamedTuple

import msgspec

from mailwright.errors import InvalidInput, NotFound
from mailwright.model.message import Message, Unsubscribe
from mailwright.store.keyring import Keyring


class Subscription(NamedTuple):
    workspace: str
    list: str
    address: str
    message: str


class UnsubscribeLinks:
    """A link names the key that signed it, so that it outlives a rotation."""

    def __init__(self, public_url: str, keyring: Keyring) -> None:
        self._public_url = public_url.rstrip("/")
        self._keyring = keyring

    def added(self, message: Message, workspace: str, id: str, list: str) -> Message:
        """With List-Unsubscribe and its one-click form (RFC 8058)."""
        if message.unsubscribe is not None:
            raise InvalidInput("the message has an unsubscribe address already", field="options.unsubscribe")
        recipients = message.envelope_recipients()
        if len(recipients) != 1:
            raise InvalidInput(
                "a link that unsubscribes is for one recipient",
                field="options.unsubscribe",
                hint="send one message to each, by a bulk call",
            )
        if not self._public_url.startswith("https://"):
            raise InvalidInput(
                "one-click unsubscribe needs a public https address",
                field="options.unsubscribe",
                hint="set public_url to the address at which people reach this service",
            )
        token = self.token(Subscription(workspace, list, recipients[0].spec.lower(), id))
        return message.changed(unsubscribe=Unsubscribe(url=f"{self._public_url}/u/{token}", one_click=True))

    def token(self, subscription: Subscription) -> str:
        key = self._keyring.newest_id
        said = msgspec.json.encode([key, *subscription])
        return f"{_text(said)}.{_text(self._mac(key, said))}"

    def read(self, token: str) -> Subscription:
        """NotFound for whatever we did not sign."""
        said, _, mac = token.partition(".")
        try:
            raw = _bytes(said)
            key, *parts = msgspec.json.decode(raw, type=list[str])
            good = self._keyring.cipher(key) is not None and hmac.compare_digest(
                mac.encode(), _text(self._mac(key, raw)).encode()
            )
        except (ValueError, msgspec.DecodeError):
            good, parts = False, []
        if not good or len(parts) != len(Subscription._fields):
            raise NotFound("this link is not one of ours")
        return Subscription(*parts)

    def _mac(self, key: str, said: bytes) -> bytes:
        return hmac.digest(self._keyring.derived(key, "unsubscribe links"), said, hashlib.sha256)[:16]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
