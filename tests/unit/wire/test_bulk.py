"""The lines of a bulk call: each by itself, filled up with what they share."""

import json
from typing import Any

import msgspec
import pytest

from mailwright.connector.calls import Submission
from mailwright.errors import InvalidInput
from mailwright.model.message import Message
from mailwright.wire.bulk import LineReader


def line(**value: Any) -> bytes:
    return json.dumps(value).encode()


def read(reader: LineReader, **value: Any) -> Message:
    found = reader.read(line(**value))
    assert isinstance(found, Submission)
    assert isinstance(found.message, Message)
    return found.message


def test_a_line_is_a_submission() -> None:
    reader = LineReader()
    assert read(reader, message={"to": "ann@example.org", "subject": "One"}).subject == "One"
    assert read(reader, message={"to": "bob@example.org", "subject": "Two"}).subject == "Two"
    assert reader.count == 2


def test_what_a_line_leaves_out_comes_from_the_defaults() -> None:
    reader = LineReader()
    shared = {"message": {"subject": "News", "text": "Hello"}, "options": {"tags": {"run": "1"}, "priority": "low"}}
    assert reader.read(line(defaults=shared)) is None
    assert reader.count == 0
    first = reader.read(line(message={"to": "ann@example.org"}))
    second = reader.read(line(message={"to": "bob@example.org", "text": "Bob!"}, options={"tags": {"run": "2"}}))
    assert isinstance(first, Submission)
    assert isinstance(second, Submission)
    assert isinstance(first.message, Message)
    assert isinstance(second.message, Message)
    assert (first.message.subject, first.message.text, first.options.tags) == ("News", "Hello", {"run": "1"})
    assert (second.message.subject, second.message.text, second.options.tags) == ("News", "Bob!", {"run": "2"})
    assert second.options.priority == first.options.priority == "low"


def test_finished_bytes_are_not_mixed_with_a_default_message() -> None:
    reader = LineReader()
    reader.read(line(defaults={"message": {"subject": "News"}}))
    raw = {"content": "RnJvbTogbWVAZXhhbXBsZS5vcmcNCg0KSGVsbG8NCg==", "from": "", "to": "ann@example.org"}
    found = reader.read(line(raw=raw))
    assert isinstance(found, Submission)
    assert not isinstance(found.message, Message)


def test_defaults_stand_first_or_not_at_all() -> None:
    reader = LineReader()
    read(reader, message={"to": "ann@example.org"})
    with pytest.raises(msgspec.ValidationError, match="defaults"):
        reader.read(line(defaults={"message": {"subject": "News"}}))
    second = LineReader()
    second.read(line(defaults={}))
    with pytest.raises(msgspec.ValidationError, match="defaults"):
        second.read(line(defaults={"message": {"subject": "News"}}))


@pytest.mark.parametrize("wrong", [{"message": {"subjekt": "x"}}, {"message": {"subject": 1}}, {"account": "main"}, []])
def test_defaults_that_do_not_fit_are_refused(wrong: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        LineReader().read(line(defaults=wrong))


def test_a_field_called_defaults_may_stand_in_a_text() -> None:
    reader = LineReader()
    assert read(reader, message={"to": "ann@example.org", "text": 'the "defaults"'}).text == 'the "defaults"'


def test_each_line_has_a_key_of_its_own_from_that_of_the_call() -> None:
    reader = LineReader("run-7")
    found = [
        reader.read(line(message={"to": "ann@example.org"}, options=options))
        for options in ({}, {"idempotency_key": "own"}, None)
    ]
    assert [item.options.idempotency_key for item in found if item] == ["run-7/0", "own", "run-7/2"]


@pytest.mark.parametrize("content", [b"[]", b"1", b"null", b'"x"'])
def test_a_line_that_is_no_object_is_refused(content: bytes) -> None:
    plain, filled = LineReader(), LineReader()
    filled.read(line(defaults={"message": {"subject": "News"}}))
    for reader in (plain, filled):
        with pytest.raises((msgspec.ValidationError, InvalidInput)):
            reader.read(content)
        assert reader.count == 1
