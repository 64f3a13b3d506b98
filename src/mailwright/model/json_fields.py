"""Reading objects of JSON that people wrote: every field is known and of its kind, or the error names it."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mailwright.errors import InvalidInput, MailwrightError


class Kind(NamedTuple):
    types: tuple[type, ...]
    #: for the error
    name: str


TEXT = Kind((str,), "a text")
FLAG = Kind((bool,), "true or false")
INTEGER = Kind((int,), "a whole number")
NUMBER = Kind((int, float), "a number")
TEXT_OR_INTEGER = Kind((str, int), "a number")
OBJECT = Kind((Mapping,), "an object")
LIST = Kind((list, tuple), "a list")


def given_fields(value: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Those that are set: null is as good as left out."""
    for name in value:
        if name not in kinds:
            raise InvalidInput("there is no such field", field=str(name)[:100], hint=f"there are {', '.join(kinds)}")
    given = {name: found for name, found in value.items() if found is not None}
    for name, found in given.items():
        kind = kinds[name]
        # For Python, true is a number too.
        fits = isinstance(found, kind.types) and (kind is FLAG or not isinstance(found, bool))
        if not fits or (isinstance(found, float) and not math.isfinite(found)):
            raise InvalidInput(f"{kind.name} is expected here", field=name)
    return given


@contextlib.contextmanager
def errors_under(name: str) -> Iterator[None]:
    """Fields of errors from inside are given their full path."""
    try:
        yield
    except MailwrightError as error:
        error.field = f"{name}.{error.field}" if error.field else name
        raise
