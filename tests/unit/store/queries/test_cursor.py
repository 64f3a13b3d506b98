"""A cursor is text from outside."""

import base64
import contextlib

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidInput
from mailwright.store.queries.cursor import check_limit, read_cursor, write_cursor

_KEY = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@given(st.lists(_KEY, max_size=3))
def test_the_keys_come_back_as_they_were(keys):
    cursor = write_cursor("list", *keys)
    assert read_cursor(cursor, "list", *map(type, keys)) == keys


def test_a_cursor_goes_into_an_address_as_it_is():
    assert set(write_cursor("list", "~~~???>>>", 2**60)) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def test_without_a_cursor_there_are_no_keys():
    assert read_cursor("", "list", str) == []


def raw(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        write_cursor("another list", "a"),
        write_cursor("list"),
        write_cursor("list", "a", "b"),
        write_cursor("list", 1),
        write_cursor("list", "a\0b"),
        raw('["list","\\ud800"]'),
        raw('["list",true]'),
        raw('["list",null]'),
        raw('["list",["a"]]'),
        raw('{"list":"a"}'),
        raw('"list"'),
        raw("[" * 2000),
        raw("nonsense"),
        "x",
        "\u00fc",
        "%00",
        "A" * 5000,
        write_cursor("list", "a") + "!",
    ],
)
def test_a_cursor_of_another_list_or_a_broken_one_is_refused(cursor):
    with pytest.raises(InvalidInput) as caught:
        read_cursor(cursor, "list", str)
    assert caught.value.field == "cursor"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 1.5, True])
def test_a_number_that_no_database_holds_is_refused(number):
    with pytest.raises(InvalidInput):
        read_cursor(write_cursor("list", number), "list", int)


@given(st.text(max_size=60))
def test_whatever_the_text_is_there_is_no_other_error(text):
    with contextlib.suppress(InvalidInput):
        assert len(read_cursor(text, "list", str)) == bool(text)


@pytest.mark.parametrize("limit", [0, -1, 201])
def test_a_page_has_between_one_and_two_hundred_items(limit):
    with pytest.raises(InvalidInput) as caught:
        check_limit(limit)
    assert caught.value.field == "limit"
