"""The one shape of every error (RFC 9457), and what decoding has to say as such."""

import re
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from mailwright.wire.base import View


class Problem(View):
    """What went wrong, for programs (`code`) and for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    message: str
    field: str = ""
    hint: str = ""
    request_id: str = ""
    #: for addresses: which item of the list, and the character in it
    item: int | UnsetType | None = UNSET
    position: int | UnsetType = UNSET
    #: for errors of a server: phase, server, temporary, reply, recipients
    send: dict[str, Any] | UnsetType = UNSET


class Misfit(NamedTuple):
    message: str
    field: str


_PLACE = re.compile(r" - at `(?:key in )?\$?\.?([^`]*)`\Z")
_FIELD_NAME = re.compile(r"Object (contains unknown|missing required) field `([^`]*)`\Z")


def misfit(text: str) -> Misfit:
    """msgspec's sentence taken apart: ``Expected `str`, got `int` - at `$.to[0]` ``."""
    found = _PLACE.search(text)
    place = found[1].removeprefix("$").removeprefix(".") if found else ""
    said = text[: found.start()] if found else text
    name = _FIELD_NAME.match(said)
    if name is None:
        return Misfit(said.replace("`", ""), place)
    message = "there is no such field" if name[1].startswith("contains") else "this is missing"
    return Misfit(message, f"{place}.{name[2]}" if place else name[2])
