"""What a server said, kept whole; and what must never be printed."""

import copy
import pickle

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import MessageRefused
from mailwright.reply import Phase, Reply, make_reply, one_line, printable
from mailwright.secret import Secret


def reply(*lines: bytes) -> Reply:
    return make_reply(list(lines), Phase.RCPT, "RCPT TO:<bob@example.com>")


@pytest.mark.parametrize(
    ("lines", "code", "enhanced", "text"),
    [
        ([b"250 2.1.5 Ok"], 250, "2.1.5", "Ok"),
        ([b"250 Ok"], 250, "", "Ok"),
        ([b"250"], 250, "", ""),
        ([b"550 5.1.1"], 550, "5.1.1", ""),
        ([b"550 5.1.1  two  spaces"], 550, "5.1.1", "two  spaces"),
        ([b"550-5.7.1 first", b"550 5.7.1 second"], 550, "5.7.1", "first\nsecond"),
        ([b"550-first", b"550 5.7.1 second"], 550, "5.7.1", "first\nsecond"),
        ([b"550-5.7.1 first", b"550 second"], 550, "5.7.1", "first\nsecond"),
        ([b"250 127.0.0.1 is known"], 250, "", "127.0.0.1 is known"),
        ([b"250 5.1.1.1 is a version"], 250, "", "5.1.1.1 is a version"),
        ([b"220 \xc3\xbc ready"], 220, "", "ü ready"),
        ([b"220 \xff ready"], 220, "", "\udcff ready"),
    ],
)
def test_code_enhanced_code_and_every_line_are_kept(lines, code, enhanced, text):
    found = reply(*lines)
    assert (found.code, found.enhanced, found.text) == (code, enhanced, text)
    assert (found.phase, found.command) == (Phase.RCPT, "RCPT TO:<bob@example.com>")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (200, "positive"),
        (354, "positive"),
        (421, "temporary"),
        (451, "temporary"),
        (500, "permanent"),
        (554, "permanent"),
    ],
)
def test_the_first_digit_says_what_kind_it_is(code, kind):
    found = reply(b"%d x" % code)
    assert {name for name in ("positive", "temporary", "permanent") if getattr(found, name)} == {kind}


def test_a_reply_as_text_and_as_data():
    found = reply(b"550 5.1.1 No \x1b[31msuch\xff mailbox")
    assert str(found) == r"550 5.1.1 No \x1b[31msuch\xdcff mailbox"
    assert found.to_json() == {
        "code": 550,
        "enhanced": "5.1.1",
        "text": r"No \x1b[31msuch\xdcff mailbox",
        "phase": "rcpt",
        "command": "RCPT TO:<bob@example.com>",
    }
    assert str(reply(b"250")) == "250"


def test_a_reply_of_several_lines_is_one_line_where_people_read_it_and_whole_in_the_data():
    found = reply(b"550-5.7.1 first", b"550-5.7.1 ", b"550 5.7.1 second")
    assert str(found) == "550 5.7.1 first / second"
    assert found.text == found.to_json()["text"] == "first\n\nsecond"
    assert "\n" not in str(MessageRefused(reply=found))


@given(st.text())
def test_one_line_is_one_line(text):
    assert "\n" not in one_line(text)
    if "\n" not in text:
        assert one_line(text) == printable(text)


@given(st.text())
def test_printable_text_has_nothing_that_acts_on_a_terminal(text):
    shown = printable(text)
    shown.encode()
    assert not any(ord(one) < 32 and one not in "\t\n" for one in shown)
    assert not any(0x7F <= ord(one) <= 0x9F or one in "\u202a\u202e\u2066\u2069" for one in shown)


@given(st.text(st.characters(blacklist_categories=["C", "Z"])))
def test_ordinary_text_stays_as_it_is(text):
    assert printable(text) == text


def test_a_secret_prints_stars_however_it_is_printed():
    secret = Secret("p4ss")
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret:>20}", repr([secret])):
        assert "p4ss" not in shown
        assert "***" in shown


def test_a_secret_is_read_by_saying_so():
    assert Secret("p4ss").reveal() == "p4ss"
    assert Secret(Secret("p4ss")).reveal() == "p4ss"


def test_secrets_compare_by_value_and_with_nothing_else():
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert (bool(Secret("")), bool(Secret("a"))) == (False, True)


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_cannot_be_written_to_a_file_by_accident(way):
    with pytest.raises(TypeError, match="cannot be pickled"):
        way(Secret("p4ss"))


def test_a_secret_has_no_dictionary_that_shows_it():
    assert not hasattr(Secret("p4ss"), "__dict__")
