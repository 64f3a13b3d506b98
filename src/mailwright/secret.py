"""A value that must not be printed: passwords, tokens, keys."""

import hmac
from typing import NoReturn


class Secret:
    """Holds a secret and prints `***`. Read it with `reveal()`, at the place that hands it to a server."""

    __slots__ = ("_value",)

    def __init__(self, value: "str | Secret") -> None:
        self._value: str = value.reveal() if isinstance(value, Secret) else value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        # Constant time, so that comparing a token does not tell how much of it was right.
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        # A pickle is a file that somebody reads later; say no before it exists.
        raise TypeError("a Secret cannot be pickled or copied out; store it encrypted")
