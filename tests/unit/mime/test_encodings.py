"""Lines, base64, encoded words and transfer encodings by themselves."""

import base64
import email.header
import importlib.util
import quopri
import sys
from types import ModuleType

import pytest
from hypothesis import example, given, strategies as st

from mailwright.mime import base64_lines as module_under_test
from mailwright.mime.base64_lines import base64_lines
from mailwright.mime.lines import is_canonical, overlong_line, with_crlf
from mailwright.mime.transfer import encode_text
from mailwright.mime.words import encoded_words
from tests.unit.mime.support import TOKEN, body_texts, header_texts, lf


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"a\r\n", True),
        (b"a\r\n\r\nb\r\n", True),
        (b"x" * 998 + b"\r\n", True),
        (b"x" * 999 + b"\r\n", False),
        (b"a", False),
        (b"a\r\nb", False),
        (b"a\n", False),
        (b"a\r", False),
        (b"a\rb\r\n", False),
        (b"a\nb\r\n", False),
        (b"a\n\rb\r\n", False),
        (b"a\r\r\n", False),
        (b"a\r\n\n", False),
        (b"\r\n.\n.\r\n", False),
    ],
)
def test_canonical_lines_end_with_crlf_and_are_not_too_long(raw: bytes, canonical: bool) -> None:
    assert is_canonical(raw) is canonical


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b" "])).map(b"".join))
def test_line_ends_of_any_system_become_canonical(raw: bytes) -> None:
    made = with_crlf(raw)
    assert is_canonical(made)
    assert made.replace(b"\r\n", b"").replace(b"\r", b"") == raw.replace(b"\r", b"").replace(b"\n", b"")
    assert with_crlf(made) == made
    assert is_canonical(raw) == (raw == made)


@given(st.lists(st.integers(0, 12), max_size=8), st.integers(1, 10))
def test_the_first_line_over_the_limit_is_found(lengths: list[int], limit: int) -> None:
    lines = [b"x" * length for length in lengths]
    raw = b"\n".join(lines)
    starts = [sum(len(line) + 1 for line in lines[:index]) for index in range(len(lines))]
    expected = next((start for start, line in zip(starts, lines, strict=True) if len(line) > limit), -1)
    assert overlong_line(raw, limit) == expected


def _without_pybase64() -> ModuleType:
    """The module as it loads where the optional package is not installed."""
    spec = importlib.util.spec_from_file_location("base64_lines_without_extra", module_under_test.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pybase64", None)
        spec.loader.exec_module(module)
    return module


FALLBACK = _without_pybase64()


def test_the_fast_encoder_is_used_where_it_is_installed_and_the_standard_one_elsewhere() -> None:
    assert module_under_test._encode.__module__.startswith("pybase64")
    assert FALLBACK._encode is FALLBACK._standard_library


@given(st.binary(max_size=500))
@example(b"")
@example(b"x" * 57)
@example(b"x" * 58)
@example(bytes(range(256)) * 1000)
@example(b"\xff" * (57 * 4096))
@example(b"\xff" * (57 * 4096 + 1))
def test_base64_is_cut_into_lines_of_76_with_and_without_the_fast_encoder(data: bytes) -> None:
    expected = base64.encodebytes(data).replace(b"\n", b"\r\n")
    assert base64_lines(data) == expected
    assert FALLBACK.base64_lines(data) == expected


@given(header_texts.filter(bool), st.integers(0, 75))
@example("é" * 500, 75)
@example("日本語" * 200, 40)
@example("\U0001f600" * 100, 24)
@example("a_b=c?d e" * 30, 60)
def test_encoded_words_decode_to_the_text_and_are_short_and_whole(text: str, first_room: int) -> None:
    words = encoded_words(text, first_room)
    assert all(len(word) <= 75 for word in words)
    if first_room >= 24:
        assert len(words[0]) <= first_room
    # Each word by itself: none begins or ends in the middle of a character (RFC 2047 section 5).
    assert "".join(_decoded(word) for word in words) == text


@pytest.mark.parametrize("text", ["a long text with é and ü in it " * 20, "日本語" * 100, "\U0001f600" * 80])
def test_encoded_words_use_the_room_they_have(text: str) -> None:
    *words, _ = encoded_words(text)
    # One character more, up to twelve columns of Q or four of B, would have been too many.
    assert min(map(len, words)) >= 75 - 12


def _decoded(word: str) -> str:
    ((raw, charset),) = email.header.decode_header(word)
    assert isinstance(raw, bytes)
    assert charset == "utf-8"
    return raw.decode(charset)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Grüße", "b"),
        ("Viele Grüße an euch alle", "q"),
        ("Your weekly report, almost ready: café", "q"),
        ("週報の準備ができました", "b"),
    ],
)
def test_the_shorter_of_the_two_forms_of_encoded_words_is_chosen(text: str, form: str) -> None:
    assert encoded_words(text)[0].startswith(f"=?utf-8?{form}?")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\ntext\twith tab and \x0c form feed", "7bit"),
        ("", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("a few words with é in them", "quoted-printable"),
        ("日本語のテキスト", "base64"),
        ("NUL \0 in a longer line of text", "quoted-printable"),
        ("escape \x1b in a longer line of text", "quoted-printable"),
        ("\0\1\2", "base64"),
        ("kept \nspaces", "quoted-printable"),
        ("kept\t", "quoted-printable"),
        (f"quoting --=_a{TOKEN} in a text", "quoted-printable"),
        ("From here\n.\n", "7bit"),
    ],
)
def test_the_transfer_encoding_follows_the_content(text: str, encoding: str) -> None:
    assert encode_text(text, TOKEN.encode(), "text")[0] == encoding


@given(body_texts)
@example("x" * 75 + " \n" + "x" * 74 + "\t\n" + "x" * 76 + " \nend")
@example("é" * 25 + " \n" + ("=" * 24 + "aa \n"))
@example(("word " * 20 + "\n") * 10)
def test_encoded_text_is_ascii_in_short_lines_and_decodes_to_the_text(text: str) -> None:
    encoding, data = encode_text(text, TOKEN.encode(), "text")
    assert data.isascii()
    assert b"\0" not in data
    assert not data or is_canonical(data)
    if encoding != "7bit":
        assert max(map(len, data.split(b"\r\n"))) <= 76
    back = {"7bit": bytes, "base64": base64.b64decode, "quoted-printable": quopri.decodestring}[encoding](data)
    assert back.decode().replace("\r\n", "\n") == lf(text)


@pytest.mark.parametrize(
    "text", ["é" * 3000, "words of ascii and é " * 300, "a=b&c=d;" * 300, "mixed 日本 text " * 300]
)
def test_the_chosen_encoding_is_at_most_a_tenth_longer_than_the_other_would_be(text: str) -> None:
    raw = lf(text).encode()
    _, data = encode_text(text, TOKEN.encode(), "text")
    other = min(len(base64.encodebytes(raw)), len(quopri.encodestring(raw)))
    assert len(data) <= 1.1 * other
