"""Text beyond ASCII in headers: the encoded words of RFC 2047."""

from binascii import b2a_base64

#: RFC 2047 section 2: an encoded word has at most 75 characters, a line with one at most 76 (other lines 78: RFC 5322)
MAX_WORD = 75
GOOD_LINE = 76
_OVERHEAD = len("=?utf-8?q?") + len("?=")
# A character of four octets takes twelve columns in Q: a word needs room for one.
_LEAST_ROOM = 12

# RFC 2047 section 5 (3): the characters that Q may leave alone even in a display name. One set for all places.
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/ ")
_SAFE_BYTES = bytes(_SAFE)
_Q = tuple("_" if octet == 0x20 else chr(octet) if octet in _SAFE else f"={octet:02X}" for octet in range(256))


def encoded_words(text: str, first_room: int = MAX_WORD) -> tuple[str, ...]:
    """The text as encoded words, in Q or B, whichever is shorter; no character is split between two.

    `first_room` is how many columns the first word may take. White space between encoded words is not shown
    (section 6.2), so that the caller may fold between any two.
    """
    raw = text.encode()
    q_size = len(raw) + 2 * len(raw.translate(None, _SAFE_BYTES))
    b_size = (len(raw) + 2) // 3 * 4
    room = first_room - _OVERHEAD
    if room < _LEAST_ROOM:
        room = MAX_WORD - _OVERHEAD
    if q_size <= b_size:
        return (_q_word(raw),) if q_size <= room else _q_words(raw, room)
    return (_b_word(raw),) if b_size <= room else _b_words(raw, room)


def _q_word(raw: bytes) -> str:
    return f"=?utf-8?q?{''.join([_Q[octet] for octet in raw])}?="


def _b_word(raw: bytes) -> str:
    return f"=?utf-8?b?{b2a_base64(raw, newline=False).decode('ascii')}?="


def _q_words(raw: bytes, room: int) -> tuple[str, ...]:
    words: list[str] = []
    start = character = size = size_before = 0
    for index, octet in enumerate(raw):
        if octet & 0xC0 != 0x80:
            character, size_before = index, size
        size += 1 if octet in _SAFE else 3
        if size > room:
            words.append(_q_word(raw[start:character]))
            start, size, size_before = character, size - size_before, 0
            room = MAX_WORD - _OVERHEAD
    words.append(_q_word(raw[start:]))
    return tuple(words)


def _b_words(raw: bytes, room: int) -> tuple[str, ...]:
    words: list[str] = []
    start = 0
    while start < len(raw):
        end = start + room // 4 * 3
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end -= 1
        words.append(_b_word(raw[start:end]))
        start, room = end, MAX_WORD - _OVERHEAD
    return tuple(words)
