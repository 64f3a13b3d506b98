"""Values encrypted at rest: AES-256-GCM (NIST SP 800-38D) under a key of the keyring.

    1 byte    version of this format
    1 byte    length of the key id, and the key id
    12 bytes  nonce, random
    the rest  ciphertext and 16 bytes of tag

The place that a value is kept at is authenticated with it, and so are version and key id: a value that somebody moved
to another row does not open there.
"""

import os

from cryptography.exceptions import InvalidTag

from mailwright.errors import UnsealError
from mailwright.store.keyring import Keyring

_VERSION = 1
_NONCE = 12
_TAG = 16


def seal(keyring: Keyring, plaintext: bytes, *, place: str) -> bytes:
    """`place` names the row for ever, such as `account/acc_0193…/secrets`."""
    key_id, cipher = keyring.newest
    head = bytes((_VERSION, len(key_id))) + key_id.encode()
    nonce = os.urandom(_NONCE)
    return head + nonce + cipher.encrypt(nonce, plaintext, head + place.encode())


def unseal(keyring: Keyring, sealed: bytes, *, place: str) -> bytes:
    key_id = key_id_of(sealed)
    cipher = keyring.cipher(key_id)
    if cipher is None:
        raise UnsealError(
            f"{place} is encrypted with key {key_id!r}, which is not here",
            hint=f"there are {', '.join(keyring.key_ids)}",
        )
    start = 2 + len(key_id)
    text = start + _NONCE
    if len(sealed) < text + _TAG:
        raise UnsealError(f"{place} is cut off")
    try:
        return cipher.decrypt(sealed[start:text], sealed[text:], sealed[:start] + place.encode())
    except InvalidTag:
        raise UnsealError(f"{place} does not open: it is damaged, or was sealed for another place") from None


def key_id_of(sealed: bytes) -> str:
    """The key that opens it, to find what an old key still holds. The first 34 bytes are enough to tell."""
    if len(sealed) < 2 or sealed[0] != _VERSION:
        raise UnsealError("this is not a sealed value, or one of a later version")
    try:
        return sealed[2 : 2 + sealed[1]].decode("ascii")
    except UnicodeDecodeError:
        raise UnsealError("the key id of a sealed value is damaged") from None
