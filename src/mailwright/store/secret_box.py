"""What rows need of the keys: secrets are sealed for the one place where they are kept."""

from typing import Protocol

from mailwright.store.keyring import Keyring
from mailwright.store.sealed import key_id_of, seal, unseal


class SecretBox(Protocol):
    def seal(self, plaintext: bytes, *, place: str) -> bytes: ...
    def unseal(self, sealed: bytes, *, place: str) -> bytes: ...


class KeyringBox:
    """A `SecretBox` over the keyring."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def seal(self, plaintext: bytes, *, place: str) -> bytes:
        return seal(self._keyring, plaintext, place=place)

    def unseal(self, sealed: bytes, *, place: str) -> bytes:
        return unseal(self._keyring, sealed, place=place)

    def is_current(self, head: bytes) -> bool:
        """Whether the newest key sealed it; the first `HEAD_BYTES` are enough to tell."""
        return key_id_of(head) == self._keyring.newest_id


#: version, length and the longest key id
HEAD_BYTES = 34


def account_place(account: str) -> str:
    return f"account/{account}"


def webhook_place(webhook: str) -> str:
    return f"webhook/{webhook}"
