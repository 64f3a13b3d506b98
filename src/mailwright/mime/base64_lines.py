"""Base64 in lines of 76 characters (RFC 2045 section 6.8)."""

from binascii import b2a_base64
from collections.abc import Callable
from struct import unpack


def _standard_library(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


_encode: Callable[[bytes], bytes] = _standard_library
try:  # an optional dependency, twenty times as fast on processors with vector instructions
    import pybase64
except ImportError:
    pass
else:
    _encode = pybase64.b64encode

_LINE = 76
#: 57 octets make one line. A block of many lines is cut by one call; blocks, so that `struct` compiles few formats and
#: the pieces of one block fit the caches
_BLOCK = 57 * 256


def base64_lines(data: bytes) -> bytes:
    """Ends with CRLF; no data make no line."""
    return b"".join([_block(data[start : start + _BLOCK]) for start in range(0, len(data), _BLOCK)])


def _block(data: bytes) -> bytes:
    encoded = _encode(data)
    whole = len(encoded) // _LINE
    lines = unpack(f"{_LINE}s" * whole, encoded[: whole * _LINE])
    rest = encoded[whole * _LINE :]
    return b"\r\n".join((*lines, rest, b"") if rest else (*lines, b""))
