"""Identifiers that we give out: a word that says what they name, and a UUID of version 7 (RFC 9562 section 5.7).

They sort by the time they were made, so that a list by id is a list by age and rows are added at the end of an index.
"""

#: the workspace that exists from the start
DEFAULT_WORKSPACE = "default"


def make_id(prefix: str, milliseconds: int, noise: int) -> str:
    """Such as `msg_019349…`; `noise` are 74 random bits."""
    high = 0x7000 | noise >> 62
    low = 0x8000_0000_0000_0000 | noise & 0x3FFF_FFFF_FFFF_FFFF
    return f"{prefix}_{milliseconds:012x}{high:04x}{low:016x}"
