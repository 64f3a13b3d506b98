"""Text, HTML, both, neither; files beside them and pictures in them."""

import pytest

from mailwright.errors import InvalidAttachment, InvalidBody
from mailwright.model.attachment import Attachment, Disposition
from mailwright.model.message import Message
from tests.unit.mime.support import TOKEN, judged, made, parsed, shape, text_of

LOGO = Attachment("logo.png", b"\x89PNG", content_id="logo@example.com")
FILE = Attachment("report.pdf", b"%PDF-1.7")


def test_plain_text_alone_is_one_part() -> None:
    message = parsed(Message(to="b@example.org", text="Hello"))
    assert shape(message) == "text/plain"
    assert message["Content-Transfer-Encoding"] == "7bit"
    assert text_of(message) == "Hello\n"


def test_html_alone_is_one_part() -> None:
    message = parsed(Message(to="b@example.org", html="<p>Hello</p>"))
    assert shape(message) == "text/html"
    assert text_of(message) == "<p>Hello</p>\n"


def test_text_and_html_are_alternatives_with_the_text_first() -> None:
    message = parsed(Message(to="b@example.org", text="own text", html="<p>rich"))
    assert shape(message) == ("multipart/alternative", ["text/plain", "text/html"])


def test_plain_only_sends_the_text_and_nothing_of_the_html() -> None:
    composed = made(Message(to="b@example.org", text="plain", html="<p>rich", plain_only=True))
    assert shape(judged(composed)) == "text/plain"
    assert b"rich" not in composed.content


def test_a_picture_of_the_html_is_related_to_it() -> None:
    message = parsed(Message(to="b@example.org", text="t", html='<img src="cid:logo@example.com">', attachments=[LOGO]))
    assert shape(message) == (
        "multipart/alternative",
        ["text/plain", ("multipart/related", ["text/html", "image/png"])],
    )
    related = list(message.iter_parts())[1]
    assert related.get_param("type") == "text/html"
    _, picture = related.iter_parts()
    assert picture["Content-ID"] == "<logo@example.com>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_payload(decode=True) == LOGO.data


def test_everything_together_nests_mixed_alternative_related() -> None:
    message = parsed(Message(to="b@example.org", text="t", html="<p>", attachments=[LOGO, FILE]))
    assert shape(message) == (
        "multipart/mixed",
        [
            ("multipart/alternative", ["text/plain", ("multipart/related", ["text/html", "image/png"])]),
            "application/pdf",
        ],
    )


def test_a_content_id_without_html_is_an_attachment_like_any_other() -> None:
    inline = Attachment("logo.png", b"x", disposition=Disposition.INLINE, content_id="logo@example.com")
    for parts in ({"text": "t"}, {"text": "t", "html": "<p>", "plain_only": True}):
        message = parsed(Message(to="b@example.org", attachments=[inline], **parts))
        assert shape(message) == ("multipart/mixed", ["text/plain", "image/png"])
        _, picture = message.iter_parts()
        assert picture.get_content_disposition() == "attachment"
        assert picture["Content-ID"] is None


def test_an_inline_file_without_content_id_is_shown_after_the_body() -> None:
    inline = Attachment("chart.png", b"x", disposition=Disposition.INLINE)
    message = parsed(Message(to="b@example.org", text="t", attachments=[inline]))
    _, part = message.iter_parts()
    assert part.get_content_disposition() == "inline"
    assert part.get_filename() == "chart.png"


def test_two_pictures_with_one_content_id_are_refused() -> None:
    with pytest.raises(InvalidAttachment):
        made(Message(to="b@example.org", html="<p>", attachments=[LOGO, LOGO]))


def test_files_alone_get_an_empty_text() -> None:
    message = parsed(Message(to="b@example.org", attachments=[FILE]))
    assert shape(message) == ("multipart/mixed", ["text/plain", "application/pdf"])
    assert text_of(next(message.iter_parts())) == ""


def test_a_message_with_nothing_to_say_is_refused() -> None:
    with pytest.raises(InvalidBody):
        made(Message(to="b@example.org", subject="only a subject"))


def test_an_empty_text_on_purpose_is_sent() -> None:
    assert text_of(parsed(Message(to="b@example.org", subject="eom", text=""))) == ""


@pytest.mark.parametrize(("parts", "field"), [({"text": "a\ud800b"}, "text"), ({"html": "\udfff"}, "html")])
def test_half_a_character_in_a_body_is_an_error_that_names_it(parts: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        made(Message(to="b@example.org", **parts))
    assert caught.value.field == field


def test_text_that_looks_like_a_boundary_ends_no_part() -> None:
    hostile = "".join(f"\n--=_{level}{TOKEN}--\n" for level in "amr")
    message = parsed(Message(to="b@example.org", text=hostile, html=hostile, attachments=[FILE]))
    assert shape(message) == (
        "multipart/mixed",
        [("multipart/alternative", ["text/plain", "text/html"]), "application/pdf"],
    )
    assert text_of(message.get_body(("plain",))) == hostile


def test_a_message_whose_lines_begin_with_dots_says_so() -> None:
    assert made(Message(to="b@example.org", text="a\n.b")).leading_dots
    assert made(Message(to="b@example.org", text=".")).leading_dots
    full = "." + "é" + "x" * 69  # with its dot escaped the line would be too long
    assert made(Message(to="b@example.org", text=f"{full}\n" + "plain text " * 50)).leading_dots
    assert made(Message(to="b@example.org", text="x", headers={".odd": "1"})).leading_dots
    assert made(Message(to="b@example.org", text="x", attachments={"a.eml": b"A: b\r\n\r\n.\r\n"})).leading_dots
    assert not made(Message(to="b@example.org", text="a.b", html="<p>.", attachments=[FILE])).leading_dots


def test_quoted_printable_escapes_the_dot_so_that_nobody_has_to_double_it() -> None:
    composed = made(Message(to="b@example.org", text=".a\n..b\n.\none é in a longer text\n.x"))
    assert not composed.leading_dots
    assert b"\n." not in composed.content
    assert b"\n=2Ea\r\n=2E.b\r\n=2E\r\none" in composed.content
