"""The shapes in which callers hand files over, and what an attachment never contains."""

import base64
import json

import pytest

from mailwright.errors import InvalidAttachment
from mailwright.model.attachment import MAX_ATTACHMENT_BYTES, Attachment, Disposition, parse_attachments
from mailwright.model.message import Message

A = Attachment("a.txt", b"grown")


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_mapping_of_file_name_to_value_is_taken() -> None:
    assert parse_attachments({"a.txt": "grown", "b.bin": b"\0\xff", "c": bytearray(b"x"), "d": memoryview(b"y")}) == (
        A,
        Attachment("b.bin", b"\0\xff"),
        Attachment("c", b"x"),
        Attachment("d", b"y"),
    )


@pytest.mark.parametrize(
    "item",
    [
        {"filename": "a.txt", "data": "grown"},
        {"filename": "a.txt", "data": b"grown"},
        {"key": "a.txt", "value": "grown"},
        {"key": "a.txt", "value": {"data": "grown"}},
        {"key": "a.txt", "value": {"data": base64.b64encode(b"grown").decode(), "encoding": "base64"}},
        {"filename": "a.txt", "data": "Z3Jv\n d24=", "encoding": "base64"},
        {"filename": "a.txt", "data": "grown", "encoding": "text"},
        A,
    ],
)
def test_lists_of_objects_and_of_attachments_are_taken(item: object) -> None:
    assert parse_attachments([item]) == (A,)


def test_a_json_array_is_added_up_in_its_order() -> None:
    text = json.dumps([{"key": "a.txt", "value": "grown"}, {"filename": "b.json", "data": {"x": [1, "é"]}}])
    assert parse_attachments(text) == (A, Attachment("b.json", '{"x": [1, "é"]}'.encode(), "application/json"))


@pytest.mark.parametrize(
    ("value", "data"),
    [({"a": 1}, b'{"a": 1}'), ([1, 2], b"[1, 2]"), (5, b"5"), (True, b"true"), ("", b""), ("é", b"\xc3\xa9")],
)
def test_any_json_value_becomes_its_json_text(value: object, data: bytes) -> None:
    (attachment,) = parse_attachments({"x": value})
    assert attachment.data == data
    assert attachment.content_type == ("" if isinstance(value, str) else "application/json")


@pytest.mark.parametrize("name", ["content_type", "contentType"])
def test_a_content_type_that_was_given_is_honoured(name: str) -> None:
    (attachment,) = parse_attachments([{"filename": "a", "data": {"x": 1}, name: "application/x-own"}])
    assert attachment.content_type == "application/x-own"
    (attachment,) = parse_attachments({"a": {"data": b"x", name: "application/x-own"}})
    assert attachment.content_type == "application/x-own"


@pytest.mark.parametrize("name", ["content_id", "contentId", "cid"])
def test_inline_files_are_described(name: str) -> None:
    (attachment,) = parse_attachments([{"filename": "a", "data": b"x", "disposition": "inline", name: "logo"}])
    assert (attachment.disposition, attachment.content_id) == (Disposition.INLINE, "logo")


def test_text_is_text_although_it_looks_like_base64() -> None:
    assert parse_attachments({"a": "Z3Jvd24="})[0].data == b"Z3Jvd24="


@pytest.mark.parametrize("value", [None, "", "  ", [], {}, "[]"])
def test_nothing_given_is_no_attachment(value: object) -> None:
    assert parse_attachments(value) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("not json", "attachments"),
        ("[" * 100_000, "attachments"),
        ('{"a": 1}', "attachments"),
        (A, "attachments"),
        (b"x", "attachments"),
        (5, "attachments"),
        ([5], "attachments[0]"),
        ([A, {"data": "x"}], "attachments[1]"),
        ([{"filename": 5, "data": "x"}], "attachments[0]"),
        ([{"filename": "a"}], "attachments[0]"),
        ({"a": None}, "attachments[0]"),
        ({"a": object()}, "attachments[0]"),
        ({"a": _nested(100_000)}, "attachments[0]"),
        ([{"filename": "a", "data": "x", "encoding": "hex"}], "attachments[0].encoding"),
        ([{"filename": "a", "data": "not base64!", "encoding": "base64"}], "attachments[0]"),
        ([{"filename": "a", "data": "eA", "encoding": "base64"}], "attachments[0]"),
        ([{"filename": "a", "data": "é", "encoding": "base64"}], "attachments[0]"),
        ([{"filename": "a", "data": "x", "disposition": "below"}], "attachments[0].disposition"),
        ([{"filename": "a", "data": "x", "contentType": 5}], "attachments[0].contentType"),
        ({"a": "half \ud800"}, "attachments[0]"),
        ({"a": {"x": "half \ud800"}}, "attachments[0]"),
    ],
)
def test_what_cannot_become_a_file_is_an_error_that_names_it(value: object, field: str) -> None:
    with pytest.raises(InvalidAttachment) as caught:
        parse_attachments(value)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_a_file_over_the_limit_is_refused_and_the_limit_is_a_setting() -> None:
    assert MAX_ATTACHMENT_BYTES == 10 * 1024 * 1024
    assert parse_attachments({"a": b"xx"}, max_bytes=2)
    with pytest.raises(InvalidAttachment, match="3 bytes"):
        parse_attachments({"a": b"xxx"}, max_bytes=2)
    with pytest.raises(InvalidAttachment):
        Message(to="a@example.org", attachments={"a": bytes(MAX_ATTACHMENT_BYTES + 1)})


@pytest.mark.parametrize("hostile", ["\r", "\n", "\0", "\t", "\x7f", "\x85", "\u2028", "\u202e", "\ud800"])
def test_control_characters_are_in_no_part_of_an_attachment(hostile: str) -> None:
    for build in (
        lambda: Attachment(f"a{hostile}b", b""),
        lambda: Attachment("a", b"", f"text/a{hostile}b"),
        lambda: Attachment("a", b"", f"text/plain{hostile}"),
        lambda: Attachment("a", b"", content_id=f"a{hostile}b"),
        lambda: Attachment("a", b"", content_id=f"a{hostile}"),
    ):
        with pytest.raises(InvalidAttachment):
            build()


@pytest.mark.parametrize(
    "content_type",
    ["text", "text/", "/plain", "text/plain; charset=x", "text/pl ain", "text/plain/x", "a" * 128 + "/b", "té/x"],
)
def test_a_content_type_is_two_names_and_a_slash(content_type: str) -> None:
    with pytest.raises(InvalidAttachment):
        Attachment("a", b"", content_type)


def test_an_attachment_prints_its_size_and_not_its_content() -> None:
    assert repr(Attachment("a.txt", b"secret")) == "Attachment('a.txt', 6 bytes, type by name)"


def test_a_json_array_is_added_to_a_list_with_one_call_each() -> None:
    """Checklist 82: what a form has as files, and what a flow has as JSON, in one message."""
    files = {"a.txt": b"a"}
    more = '[{"key": "b.txt", "value": "b"}]'
    message = Message(to="b@example.org", text="x", attachments=[*parse_attachments(files), *parse_attachments(more)])
    assert [(one.filename, one.data) for one in message.attachments] == [("a.txt", b"a"), ("b.txt", b"b")]
