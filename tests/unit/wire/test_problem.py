"""What the decoder says, taken apart into a sentence and a place."""

import json
from typing import Any

import msgspec
import pytest

from mailwright.wire.message import SendIn
from mailwright.wire.problem import misfit


@pytest.mark.parametrize(
    ("value", "message", "field"),
    [
        ({"raw": {"content": "", "to": ""}}, "this is missing", "raw.from"),
        ({"account": "a", "x": 1}, "there is no such field", "x"),
        ({"account": "a", "message": {"subjekt": ""}}, "there is no such field", "message.subjekt"),
        ({"account": "a", "message": {"to": [{"name": ""}]}}, "this is missing", "message.to[0].address"),
        ({"account": "a", "message": {"subject": 1}}, "Expected str, got int", "message.subject"),
        ({"account": "a", "message": {"priority": "x"}}, "Invalid enum value 'x'", "message.priority"),
        ({"account": "a" * 101}, "Expected str of length <= 100", "account"),
        ([], "Expected object, got array", ""),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_its_place(value: Any, message: str, field: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(json.dumps(value), type=SendIn)
    assert misfit(str(caught.value)) == (message, field)
