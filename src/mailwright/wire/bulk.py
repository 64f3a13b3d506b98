"""One line of a bulk call after the other, filled up with what all of them share."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mailwright.connector.calls import Submission
from mailwright.errors import InvalidInput
from mailwright.wire.base import Wire
from mailwright.wire.message import MessageIn, OptionsIn, SubmissionIn, to_submission


class SharedIn(Wire):
    """What all lines have in common, unless they say otherwise: filled up field by field."""

    message: MessageIn | None = None
    options: OptionsIn | None = None


class DefaultsIn(Wire):
    """The first line, perhaps."""

    defaults: SharedIn


class LineReader:
    def __init__(self, idempotency_key: str = "") -> None:
        self._key = idempotency_key
        self._defaults: Mapping[str, Any] | None = None
        self._decoder = msgspec.json.Decoder(SubmissionIn)
        #: lines that stand for a message
        self.count = 0

    def read(self, line: bytes) -> Submission | None:
        """None for the line with the defaults. Raises what decoding raises, and InvalidInput."""
        if self.count == 0 and self._defaults is None and b'"defaults"' in line:
            self._defaults = _given_defaults(line)
            if self._defaults is not None:
                return None
        index, self.count = self.count, self.count + 1
        given = self._decoder.decode(line) if self._defaults is None else _filled(line, self._defaults)
        own = given.options.idempotency_key if given.options is not None else ""
        key = f"{self._key}/{index}" if self._key and not own else ""
        return to_submission(given, idempotency_key=key)


def _filled(line: bytes, defaults: Mapping[str, Any]) -> SubmissionIn:
    given = msgspec.json.decode(line)
    if not isinstance(given, dict):
        raise InvalidInput("a line is a JSON object")
    filled: dict[str, Any] = {**defaults, **given}
    for part in ("message", "options"):
        shared, own = defaults.get(part), given.get(part)
        if isinstance(shared, dict) and isinstance(own, dict):
            filled[part] = {**shared, **own}
    if "raw" in given and "message" not in given:
        filled.pop("message", None)
    return msgspec.convert(filled, SubmissionIn)


def _given_defaults(line: bytes) -> Mapping[str, Any] | None:
    """As they were written, once they are known to fit; None when this line has something else."""
    value = msgspec.json.decode(line)
    if not isinstance(value, dict) or "defaults" not in value:
        return None
    msgspec.convert(value, DefaultsIn)
    return dict(value["defaults"])
