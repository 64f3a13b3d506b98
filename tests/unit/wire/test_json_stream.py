"""Bodies that are taken apart while they arrive: the same items however they were cut."""

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidInput
from mailwright.wire.json_stream import ArraySplitter, LineSplitter

MUCH = 10_000_000
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
cuts = st.lists(st.integers(0, 400))


def fed(splitter: Any, content: bytes, places: Sequence[int] = ()) -> list[bytes]:
    edges = sorted({0, len(content), *(place for place in places if place < len(content))})
    found = [item for start, end in pairwise(edges) for item in splitter.feed(content[start:end])]
    return found + list(splitter.end())


@given(st.lists(values), cuts, st.sampled_from([None, 1]), st.booleans())
def test_an_array_gives_its_elements_however_it_is_cut(
    items: list[Any], places: list[int], indent: int | None, ascii_only: bool
) -> None:
    content = b" \n" + json.dumps(items, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace") + b"\r\n"
    wanted = json.loads(content)
    assert [json.loads(item) for item in fed(ArraySplitter(MUCH), content, places)] == wanted


@given(st.lists(st.dictionaries(st.text(), values)), cuts, st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_lines_give_their_values_however_they_are_cut(items: list[Any], places: list[int], end: bytes) -> None:
    content = end.join(json.dumps(item).encode() for item in items)
    assert [json.loads(item) for item in fed(LineSplitter(MUCH), content, places)] == items
    assert [json.loads(item) for item in fed(LineSplitter(MUCH), content + end, places)] == items


@given(st.binary(), cuts)
def test_no_bytes_at_all_break_a_splitter(content: bytes, places: list[int]) -> None:
    for splitter in (ArraySplitter(100), LineSplitter(100)):
        with suppress(InvalidInput):
            fed(splitter, content, places)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}', "this is not a JSON array"),
        (b"[1, 2", "the array does not end"),
        (b"", "the array does not end"),
        (b"[1,,2]", "a comma too many"),
        (b"[,1]", "a comma too many"),
        (b"[1,]", "a comma too many"),
        (b"[,]", "a comma too many"),
        (b"[1] [2]", "something behind the array"),
        (b"[1]]", "something behind the array"),
        (b'["' + b"x" * 200 + b'"]', "more than the 100 bytes allowed"),
        (b'["' + b"x" * 200, "more than the 100 bytes allowed"),
    ],
)
def test_what_is_no_array_says_why(content: bytes, message: str) -> None:
    for places in ([], list(range(len(content)))):
        with pytest.raises(InvalidInput, match=message):
            fed(ArraySplitter(100), content, places)


def test_a_line_is_not_kept_beyond_its_limit_while_it_arrives() -> None:
    splitter = LineSplitter(100)
    for _ in range(100):
        list(splitter.feed(b"x"))
    with pytest.raises(InvalidInput, match="more than the 100 bytes"):
        list(splitter.feed(b"x"))


def test_an_element_is_not_kept_beyond_its_limit_while_it_arrives() -> None:
    splitter = ArraySplitter(100)
    list(splitter.feed(b'["'))
    for _ in range(99):
        list(splitter.feed(b"x"))
    with pytest.raises(InvalidInput, match="more than the 100 bytes"):
        list(splitter.feed(b"x"))


def test_many_small_pieces_cost_no_more_than_their_number() -> None:
    # Each piece looks at what is new alone: a splitter that looked at all of it again would need 10^10 steps here.
    splitter = LineSplitter(1_000_000)
    pieces = 0
    for _ in range(100_000):
        pieces += len(list(splitter.feed(b"x")))
    assert pieces == 0
    assert [len(line) for line in splitter.end()] == [100_000]


def test_a_bracket_in_a_text_and_an_escaped_quote_end_nothing() -> None:
    content = rb'["a]\"],[", {"b\\": "]"}]'
    assert fed(ArraySplitter(100), content, list(range(len(content)))) == [rb'"a]\"],["', rb'{"b\\": "]"}']
