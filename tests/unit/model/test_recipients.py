"""Text, lists and JSON become recipients; what cannot be read is an error that says where."""

import json
import sys

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidAddress
from mailwright.model import address_syntax
from mailwright.model.address import Address, Group, Recipient
from mailwright.model.address_syntax import RecipientsInput, parse_address, parse_recipients, parse_text
from mailwright.model.message import Message

ANN = Address("ann", "example.org", "Ann")
ann, bob = Address("ann", "example.org"), Address("bob", "example.org")


@pytest.mark.parametrize(
    "text",
    [
        "ann@example.org,bob@example.org",
        "ann@example.org;bob@example.org",
        "ann@example.org ; bob@example.org",
        "ann@example.org, bob@example.org,",
        "ann@example.org; bob@example.org; ",
        ";ann@example.org,;,bob@example.org,,",
        "  <ann@example.org>\t,<bob@example.org>  ",
        "\nann@example.org, bob@example.org\r\n",
        '["ann@example.org", "bob@example.org"]',
        ' ["ann@example.org; bob@example.org"] ',
        '["ann@example.org", null, "  ", {"address": "bob@example.org"}]',
        '[{"email": "ann@example.org"}, {"address": "bob@example.org", "name": ""}]',
    ],
)
def test_commas_semicolons_and_json_mean_the_same(text: str) -> None:
    assert parse_recipients(text) == (ann, bob)


@pytest.mark.parametrize(
    "value",
    [
        ["ann@example.org", "bob@example.org"],
        ("ann@example.org", None, "", "  ", bob),
        ["ann@example.org, bob@example.org"],
        [{"address": "ann@example.org"}, {"email": " bob@example.org "}],
        [ann, bob],
        {"ann@example.org": 1, "bob@example.org": 2}.keys(),
        (text for text in ("ann@example.org", "bob@example.org")),
    ],
)
def test_lists_of_any_kind_are_taken(value: RecipientsInput) -> None:
    assert parse_recipients(value) == (ann, bob)


@pytest.mark.parametrize("value", [None, "", "  ", "\n", ",;,", [], [None, ""], "[]", '["", null]', Group("g").members])
def test_nothing_given_is_nobody(value: RecipientsInput) -> None:
    assert parse_recipients(value) == ()


def test_exact_duplicates_are_dropped_and_the_order_is_kept() -> None:
    text = (
        "c@example.org, Ann <ann@example.org>, ann@example.org, c@example.org, ANN@example.org, Ann <ann@example.org>"
    )
    assert [str(one) for one in parse_recipients(text)] == [
        "c@example.org",
        "Ann <ann@example.org>",
        "ann@example.org",
        "ANN@example.org",
    ]


def test_a_domain_in_other_letters_is_no_exact_duplicate_but_one_mailbox_of_the_envelope() -> None:
    message = Message(to="ann@example.org, ann@EXAMPLE.ORG", cc="ann@Example.Org, bob@example.org", text="x")
    assert len(message.to) == 2
    assert message.envelope_recipients() == (ann, bob)


def test_the_first_field_wins_in_the_envelope_to_before_cc_before_bcc() -> None:
    message = Message(
        to="c@example.org", cc="Second <ann@example.org>, c@example.org", bcc="Third <ann@example.org>, d@example.org"
    )
    assert [str(one) for one in message.envelope_recipients()] == [
        "c@example.org",
        "Second <ann@example.org>",
        "d@example.org",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann <ann@example.org>", ANN),
        ("  Ann   Author  < ann@example.org >", Address("ann", "example.org", "Ann Author")),
        ('"Author, Ann" <ann@example.org>', Address("ann", "example.org", "Author, Ann")),
        ('"a;b" <ann@example.org>', Address("ann", "example.org", "a;b")),
        (r'"The \"Boss\" \\" <ann@example.org>', Address("ann", "example.org", 'The "Boss" \\')),
        ("Author, Ann <ann@example.org>", Address("ann", "example.org", "Author, Ann")),
        ("Dr. Ann A. Author <ann@example.org>", Address("ann", "example.org", "Dr. Ann A. Author")),
        ("ann@example.org (Ann)", ANN),
        ("ann@example.org (Ann (the \\) first))", Address("ann", "example.org", "Ann (the ) first)")),
        ("Ann (a, comment; here) <ann@example.org>", ANN),
        ("Jörg Ümlaut <j@example.org>", Address("j", "example.org", "Jörg Ümlaut")),
        ("ann@example.org <ann@example.org>", Address("ann", "example.org", "ann@example.org")),
        ('"a b"@example.org', Address("a b", "example.org")),
        ('"a@b"@example.org', Address("a@b", "example.org")),
        ('"a,b;c"@example.org', Address("a,b;c", "example.org")),
        ("ann@[192.0.2.1]", Address("ann", "[192.0.2.1]")),
        ("Ann <ann@[IPv6:2001:db8::1]>", Address("ann", "[IPv6:2001:db8::1]", "Ann")),
        ("jürgen@bücher.example", Address("jürgen", "bücher.example")),
        ("o'hara+tag=x@example.org", Address("o'hara+tag=x", "example.org")),
        ("ann@localhost", Address("ann", "localhost")),
    ],
)
def test_names_brackets_quotes_comments_and_literals_are_understood(text: str, expected: Address) -> None:
    assert parse_recipients(text) == (expected,)
    assert parse_address(text) == expected


def test_an_unquoted_comma_in_a_name_is_put_back_between_other_recipients() -> None:
    found = parse_recipients("bob@example.org, Author, Ann <ann@example.org>; Doe, J., Jr. <j@example.org>")
    assert [str(one) for one in found] == [
        "bob@example.org",
        "Author, Ann <ann@example.org>",
        "Doe, J., Jr. <j@example.org>",
    ]


def test_groups_are_kept_with_their_members() -> None:
    found = parse_recipients("Team: Ann <ann@example.org>, bob@example.org; c@example.org, undisclosed-recipients:;")
    assert found == (Group("Team", (ANN, bob)), Address("c", "example.org"), Group("undisclosed-recipients"))


@pytest.mark.parametrize(
    ("separator", "text", "count"),
    [
        ("comma", "a@x.example,b@x.example", 2),
        ("semicolon", "a@x.example;b@x.example", 2),
        ("auto", "a@x.example;b@x.example", 2),
    ],
)
def test_a_profile_may_fix_the_separator(separator: address_syntax.Separator, text: str, count: int) -> None:
    assert len(parse_recipients(text, separator=separator)) == count


@pytest.mark.parametrize(
    ("separator", "text"), [("comma", "a@x.example;b@x.example"), ("semicolon", "a@x.example,b@x.example")]
)
def test_the_other_separator_is_then_an_error(separator: address_syntax.Separator, text: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_recipients(text, separator=separator)
    assert caught.value.position == 11


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("ann", 0),
        ("ann@", 4),
        ("@example.org", 0),
        ("a@b@c.example", 13),
        ("good@example.org, bad", 18),
        ("ann@example.org bob@example.org", 15),
        ("Ann ann@example.org", 3),
        ("Ann <ann@example.org", 4),
        ("Ann <ann@example.org>>", 21),
        ("Ann <a@x.example> <b@x.example>", 18),
        ("Ann <a@x.example> tail", 18),
        ("<>", 0),
        ("Ann <a b@x.example>", 6),
        ('"open <a@x.example>', 0),
        ("(open a@x.example", 0),
        ("a@[192.0.2.1", 2),
        ("a@x.example\nb@x.example", 11),
        ("a@x.example\r\nBcc: b@x.example", 11),
        ("a\0b@x.example", 1),
        ("a..b@x.example", 0),
        (".a@x.example", 0),
        ("a.@x.example", 0),
        ("Team: a@x.example", 0),
        (": a@x.example;", 0),
        ("T: U: a@x.example;;", 4),
        ("a@-x.example", 0),
        ("a@x..example", 0),
        ("a@[300.0.0.1]", 0),
        ("a@[IPv6:nonsense]", 0),
        ("x" * 65 + "@x.example", 0),
        ("a@" + "x" * 64 + ".example", 0),
        (">", 0),
        ("ok@x.example, )", 14),
        ("ok@x.example, (comment)", 13),
        ("(comment)", 0),
        ("<<a@x.example>>", 1),
        ("Ann <a <b@x.example>", 7),
    ],
)
def test_malformed_text_is_an_error_at_its_position_and_never_an_empty_list(text: str, position: int) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_recipients(text, field="to")
    assert (caught.value.field, caught.value.position, caught.value.item) == ("to", position, None)


def test_in_a_list_the_error_names_the_item_too() -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_recipients(["ann@example.org", "", "x@example.org, bad@"], field="cc")
    assert (caught.value.field, caught.value.item, caught.value.position) == ("cc", 2, 19)
    assert caught.value.to_json()["item"] == 2


@pytest.mark.parametrize(
    "text",
    [
        '["ann@example.org"',
        "[ann@example.org]",
        '["a@x.example",]',
        "[" * 100_000,
        "[1, 2]",
        '[["a@x.example"]]',
        "[{}]",
        '[{"address": 5}]',
    ],
)
def test_malformed_json_is_an_error_and_never_an_empty_list(text: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_recipients(text, field="to")
    assert caught.value.field == "to"


@pytest.mark.parametrize(
    "value", [5, 1.5, True, b"ann@example.org", bytearray(b"x"), [b"ann@example.org"], [5], [["ann@example.org"]]]
)
def test_what_is_no_text_and_no_list_is_an_error(value: object) -> None:
    with pytest.raises(InvalidAddress):
        parse_recipients(value, field="to")  # type: ignore[arg-type]


def test_lenient_reading_drops_what_cannot_be_read_only_when_asked() -> None:
    items = ["ann@example.org", "nonsense", "bob@example.org"]
    assert parse_recipients(items, lenient=True) == (ann, bob)
    assert parse_recipients("nonsense", lenient=True) == ()
    with pytest.raises(InvalidAddress):
        parse_recipients(items)


@pytest.mark.parametrize("text", ["", "a@x.example, b@x.example", "Team: a@x.example;"])
def test_one_address_is_exactly_one_mailbox(text: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_address(text, field="from")
    assert caught.value.field == "from"


@given(
    st.lists(
        st.tuples(
            st.text("abcXYZ019+_-", min_size=1, max_size=10),
            st.sampled_from(["example.org", "sub.example.net", "[192.0.2.7]"]),
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Zs"]), max_size=12),
        ),
        max_size=8,
    ),
    st.sampled_from([",", ";", ", ", " ; "]),
)
def test_what_was_quoted_by_the_book_comes_back(parts: list[tuple[str, str, str]], separator: str) -> None:
    def quoted(name: str) -> str:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    text = separator.join(f"{quoted(name)} <{local}@{domain}>" for local, domain, name in parts)
    expected = dict.fromkeys(Address(local, domain, name) for local, domain, name in parts)
    assert parse_recipients(text) == tuple(expected)


@given(st.text(st.sampled_from('ab@.<>,;:"\\()[] \t\r\n\0é{}')))
def test_any_text_is_read_or_refused_with_a_position_inside_it(text: str) -> None:
    found, refused_at = _read(text)
    assert refused_at is None or 0 <= refused_at <= len(text)
    assert len(set(found)) == len(found)
    assert found or refused_at is not None or not text.strip(" \t\r\n,;") or "[" in text


def _read(text: str) -> tuple[tuple[Recipient, ...], int | None]:
    """What was found, or where it was refused."""
    try:
        return parse_recipients(text), None
    except InvalidAddress as error:
        return (), error.position


_PIECES = st.sampled_from(["a@x.example", "(b)", "Name", " ", ",", ";", '"q"', "<a@x.example>"])


@given(st.lists(_PIECES).map("".join))
def test_nothing_but_blanks_is_dropped(text: str) -> None:
    found, refused_at = _read(text)
    assert found or refused_at is not None or not text.strip(" ,;")


@given(st.text(st.sampled_from('ab@.<>,;:"\\() \té')))
def test_the_short_cut_for_simple_addresses_agrees_with_the_scanner(text: str) -> None:
    if address_syntax._SIMPLE.match(text) is None:
        return
    scanner = address_syntax._Scanner(text, ",;")
    assert _outcome(lambda: parse_text(text)) == _outcome(scanner.recipients)


def _outcome(read: object) -> object:
    try:
        return read()  # type: ignore[operator]
    except InvalidAddress:
        return "refused"


HOSTILE = {
    "open comments": "(" * 1_000_000,
    "nested comments": "(" * 500_000 + ")" * 500_000,
    "open quotes": '"' * 1_000_001,
    "one open quote": '"' + "a" * 1_000_000,
    "backslashes": '"' + "\\" * 1_000_001,
    "open brackets": "<" * 1_000_000,
    "open literals": "[" + " " * 1_000_000,
    "literal inside": "a@[" + "1" * 1_000_000,
    "commas in a name": "a," * 500_000,
    "semicolons": ";" * 1_000_000,
    "spaces in front": " " * 1_000_000 + "(",
    "tabs in front": "\t" * 1_000_000 + "ü",
    "spaces": "a" + " " * 1_000_000 + "b",
    "spaces before a bracket": "a" + " " * 1_000_000 + "<",
    "dots": "." * 1_000_000 + "@x.example",
    "atoms and dots": "a." * 500_000,
    "at signs": "@" * 1_000_000,
    "quoted words": '"a" ' * 250_000,
    "groups": "g:;" * 333_333,
    "open groups": "g:" * 500_000,
    "long label": "a@" + "a-" * 500_000,
    "long domain": "a@" + "a." * 500_000 + "example",
    "long IPv6": "a@[IPv6:" + "0:" * 500_000 + "]",
    "international domain": "a@" + "ü" * 500_000 + ".example",
    "disguised words": "=?" * 500_000 + "@x.example",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_megabyte_of_hostile_text_is_read_in_linear_time(text: str) -> None:
    work = [_steps(part) for part in (text[: len(text) // 100], text[: len(text) // 50])]
    # Twice the text takes at most twice the steps (and a constant): counted, not timed.
    assert work[1] <= 2.2 * work[0] + 2000
    # What the interpreter does not count, a pattern that goes back and forth, would not end here.
    message = _refusal(text)
    assert message is None or len(message) < 500


def _refusal(text: str) -> str | None:
    try:
        parse_recipients(text)
    except InvalidAddress as error:
        return str(error)
    return None


def _steps(text: str) -> int:
    """Lines of Python that reading takes."""
    count = 0

    def trace(_frame: object, _event: str, _argument: object) -> object:
        nonlocal count
        count += 1
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        parse_recipients(text)
    except InvalidAddress:
        pass
    finally:
        sys.settrace(previous)
    return count


def test_an_error_says_in_words_where_it_is() -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_recipients(["ann@example.org", "Bob <bob@example.org>, x y@example.org"], field="to")
    assert str(caught.value).startswith("to, item 2, character 25: unexpected space in an address")
    assert (caught.value.item, caught.value.position) == (1, 24)


def test_a_list_of_a_hundred_thousand_addresses_is_read() -> None:
    text = ", ".join(f"Person {number} <p{number}@example.org>" for number in range(100_000))
    assert len(parse_recipients(text)) == 100_000
    assert len(parse_recipients(json.dumps(text.split(", ")))) == 100_000
