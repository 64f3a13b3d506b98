"""Addresses as values: valid once they exist, in ASCII where they travel."""

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidAddress
from mailwright.model.address import UNSAFE, Address, Group, ascii_domain, mailboxes


@pytest.mark.parametrize(
    ("written", "travels"),
    [
        ("EXAMPLE.org", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("straße.example", "xn--strae-oqa.example"),
        ("localhost", "localhost"),
        ("under_score.example", "under_score.example"),
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[IPv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]"),
        ("[ipv6:::1]", "[IPv6:::1]"),
    ],
)
def test_domains_travel_in_lower_case_ascii(written: str, travels: str) -> None:
    assert ascii_domain(written) == travels
    assert Address("a", written).spec == f"a@{travels}"
    assert Address("a", written).domain == written


@pytest.mark.parametrize(
    "domain",
    [
        *(
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.example",
            "a-.example",
            "a b",
            "a@b",
            "a/b",
            "a\n",
            "a\r\n",
            "é\n",
            "\u2028",
        ),
        *(
            "x" * 64,
            "a." * 127 + "aa",
            "xn--\u00e9",
            "xn--zz--\u00ff",
            "a,b",
            "a%b",
            "[",
            "[]",
            "[1.2.3]",
            "[192.0.2.1",
        ),
        *("[IPv6:]", "[IPv6:fe80::1%eth0]", "[2001:db8::1]", "[192.0.2.1]x", "[192.0.2.01]", "\uff20.example"),
    ],
)
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(InvalidAddress):
        Address("a", domain)


@pytest.mark.parametrize(
    ("local", "written"),
    [
        ("ann", "ann"),
        ("a.b", "a.b"),
        ("o'hara", "o'hara"),
        ("a b", '"a b"'),
        ("a..b", '"a..b"'),
        (".a", '".a"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("a@b", '"a@b"'),
        ("a,b", '"a,b"'),
        ("jürgen", "jürgen"),
        ("用户", "用户"),
        ("jürgen m", '"jürgen m"'),
    ],
)
def test_local_parts_are_quoted_where_they_need_it(local: str, written: str) -> None:
    assert Address(local, "example.org").spec == f"{written}@example.org"


@pytest.mark.parametrize(
    "local",
    [
        *(
            "",
            "a\r",
            "a\n",
            "a\0",
            "a\t",
            "a\x7f",
            "a\x85",
            "a\u2028",
            "a\u202e",
            "a\u2066",
            "a\ud800",
            "a\u200b",
            "a\xa0",
        ),
        *("a\xad", "a\ufeff", "x" * 65, "é" * 33, "a%0d%0ab", "a%0Ab", "%00", "=?utf-8?q?a?=", "a=?UTF-8?B?YQ==?=b"),
    ],
)
def test_local_parts_that_hide_something_are_refused(local: str) -> None:
    with pytest.raises(InvalidAddress):
        Address(local, "example.org")


@pytest.mark.parametrize("local", ["a%b", "100%", "a=?", "what?", "a%0", "a%41", "x=y", "prvs=123=ann"])
def test_percent_and_question_marks_are_otherwise_allowed(local: str) -> None:
    assert Address(local, "example.org").local == local


@pytest.mark.parametrize("name", ["a\r\nBcc: x", "a\0", "\t", "a\x85", "a\u2029", "a\u202e", "a\udfff"])
def test_names_with_control_characters_are_refused(name: str) -> None:
    with pytest.raises(InvalidAddress):
        Address("a", "example.org", name)
    with pytest.raises(InvalidAddress):
        Group(name)


def test_names_may_need_joiners() -> None:
    assert (
        Address("a", "example.org", "👩\u200d💻 \u0645\u06cc\u200c\u062e\u0648").name
        == "👩\u200d💻 \u0645\u06cc\u200c\u062e\u0648"
    )


@pytest.mark.parametrize(("local", "needed"), [("ann", False), ("jürgen", True)])
def test_only_the_local_part_decides_about_smtputf8(local: str, needed: bool) -> None:
    assert Address(local, "bücher.example", "Jürgen").needs_utf8 is needed


def test_the_spec_ignores_the_case_of_the_domain_and_the_name() -> None:
    assert Address("Ann", "EXAMPLE.org", "x").spec == Address("Ann", "example.ORG").spec
    assert Address("ann", "example.org").spec != Address("Ann", "example.org").spec
    assert Address("a", "bücher.example").spec == Address("a", "xn--bcher-kva.example").spec


def test_verp_folds_the_recipient_into_the_sender() -> None:
    sender = Address("bounces", "example.com", "Bounces")
    assert sender.verp(Address("ann", "bücher.example")).spec == "bounces+ann=xn--bcher-kva.example@example.com"


def test_groups_are_opened_in_order() -> None:
    one, two, three = (Address(local, "example.org") for local in "abc")
    assert list(mailboxes([one, Group("g", (two, three)), Group("empty"), one])) == [one, two, three, one]


@given(st.text(), st.text(), st.text())
def test_an_address_that_exists_can_be_written_on_one_line(local: str, domain: str, name: str) -> None:
    try:
        address = Address(local, domain, name)
    except InvalidAddress:
        return
    assert not UNSAFE.search(address.spec + address.name)
    assert address.spec.isascii() or address.needs_utf8
