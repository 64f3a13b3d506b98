"""What a segment file looks like: records one behind the other, written once and never changed.

    4 bytes  the word `MWb1`
    4 bytes  length of the sealed body, big endian
    2 bytes  length of the id
    4 bytes  CRC-32 of the ten bytes above and the id
    …        the id, in ASCII
    …        the sealed body, whose own tag shows any damage to it (`store.sealed`)

The checksum is of the head alone: it says that the length can be relied on to find the next record, which the seal
cannot say to whoever only walks by. A crash may leave a torn record at the end; nobody was told that it is stored.
"""

import os
import re
import secrets
import struct
import time
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from mailwright.errors import BodyUnreadable, UnsealError
from mailwright.store.keyring import Keyring
from mailwright.store.sealed import key_id_of, unseal

SUFFIX = ".bodies"
_MAGIC = b"MWb1"
_HEAD = struct.Struct(">4sIH")
_CHECKSUM = struct.Struct(">I")
_FIXED = _HEAD.size + _CHECKSUM.size
# One read shows the head, any id, and the key id that the sealed body begins with.
_LOOK = _FIXED + 128 + 34
_SEARCH = 1024 * 1024

_REF = re.compile(r"([0-9a-f]{20})/([0-9]{1,15})/([0-9]{1,10})\Z")


class Ref(NamedTuple):
    """Where a body is; as text in the row that points at it."""

    segment: str
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.segment}/{self.offset}/{self.length}"


def read_ref(text: str) -> Ref:
    # It comes from a database, and becomes a file name: anything else than our own is no ref.
    match = _REF.match(text)
    if match is None:
        raise BodyUnreadable("this is not the ref of a body in a directory")
    return Ref(match[1], int(match[2]), int(match[3]))


def new_segment() -> str:
    """A name that sorts by age and that no other process takes."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(4)}"


def pack(body_id: str, sealed: bytes) -> bytes:
    name = body_id.encode("ascii")
    head = _HEAD.pack(_MAGIC, len(sealed), len(name))
    return b"".join((head, _CHECKSUM.pack(zlib.crc32(name, zlib.crc32(head))), name, sealed))


def place_of(body_id: str) -> str:
    """What the sealed body is bound to: its id. A ref that points at the body of another does not open it."""
    return f"body/{body_id}"


def unpack(keyring: Keyring, body_id: str, ref: str, record: bytes) -> bytes:
    """The body in a record that was read from where its ref says."""
    start = _FIXED + len(body_id)
    if record[:4] != _MAGIC or record[_FIXED:start] != body_id.encode():
        raise BodyUnreadable(f"the body of {body_id} is not at {ref}")
    try:
        return unseal(keyring, record[start:], place=place_of(body_id))
    except UnsealError as error:
        raise BodyUnreadable(f"at {ref}: {error.message}", hint=error.hint) from None


class Found(NamedTuple):
    """A record that a walk came by."""

    body_id: str
    offset: int
    length: int
    #: empty when the sealed body does not say
    key_id: str


class Walk:
    """All records of a segment, without reading the bodies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        #: there are whole records behind bytes that make none: something broke what had been written
        self.damaged = False

    def __iter__(self) -> Iterator[Found]:
        position = 0
        while position < self.size:
            found = self._at(position)
            if found is None:
                found = self._next_after(position)
                if found is None:
                    # Nothing whole follows: the torn end that a crash leaves.
                    return
                self.damaged = True
            yield found
            position = found.offset + found.length

    def _at(self, position: int) -> Found | None:
        look = os.pread(self._descriptor, _LOOK, position)
        if len(look) < _FIXED or look[:4] != _MAGIC:
            return None
        _, sealed_length, name_length = _HEAD.unpack_from(look)
        name = look[_FIXED : _FIXED + name_length]
        expected = _CHECKSUM.unpack_from(look, _HEAD.size)[0]
        length = _FIXED + name_length + sealed_length
        if position + length > self.size or zlib.crc32(name, zlib.crc32(look[: _HEAD.size])) != expected:
            return None
        return Found(name.decode("ascii", "replace"), position, length, _key_id(look[_FIXED + name_length :]))

    def _next_after(self, position: int) -> Found | None:
        while position < self.size:
            # The last bytes of a piece are looked at again with the next: the word may lie across.
            piece = os.pread(self._descriptor, _SEARCH, position)
            at = piece.find(_MAGIC, 1)
            while at >= 0:
                found = self._at(position + at)
                if found is not None:
                    return found
                at = piece.find(_MAGIC, at + 1)
            position += max(len(piece) - len(_MAGIC), 1)
        return None


def _key_id(sealed_start: bytes) -> str:
    try:
        return key_id_of(sealed_start)
    except UnsealError:
        return ""
