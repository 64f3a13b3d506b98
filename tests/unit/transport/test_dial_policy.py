"""Which addresses may be dialled, for whom. The standard library's `ipaddress` is the oracle over random addresses."""

import ipaddress

import pytest
from hypothesis import given, strategies as st

from mailwright.errors import InvalidSetting
from mailwright.transport.dial_policy import (
    DialPolicy,
    Purpose,
    Reach,
    is_disguised_number,
    nobody_in_between,
    parse_allowed,
    parse_networks,
    reach_of,
    read_policy,
)

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "223.255.255.255",
    "2a00:1450:4001:80b::200e",
    "2606:4700:4700::1111",
    # These carry a public IPv4 address.
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
LOOPBACK = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"]
PRIVATE = [
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:192.168.1.1",
    "::10.0.0.1",
    "64:ff9b::10.0.0.1",
]
SPECIAL = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.0.1",
    # The metadata service of the clouds, written in every way.
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    # 6to4, whatever it carries.
    "2002:a9fe:a9fe::",
    "2002:808:808::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::169.254.169.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:0.0.0.0",
    "::ffff:255.255.255.255",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff::10.0.0.1",
    "100::1",
    # Teredo, whatever it carries.
    "2001:0:808:808::f7f7:f7f7",
    "2001:0:7f00:1::80ff:fffe",
    "2001:2::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    # Not given out for machines: IPv4 translated by SIIT (RFC 7915), and what IANA keeps in reserve.
    "::ffff:0:8.8.8.8",
    "::1:0:0",
    "200::1",
    "4000::1",
    "e000::1",
    "fe00::1",
]
EVERY = [
    *((text, Reach.PUBLIC) for text in PUBLIC),
    *((text, Reach.LOOPBACK) for text in LOOPBACK),
    *((text, Reach.PRIVATE) for text in PRIVATE),
    *((text, Reach.SPECIAL) for text in SPECIAL),
]


def objection(text: str, purpose: Purpose = Purpose.ACCOUNT, policy: DialPolicy | None = None) -> str:
    return (policy or DialPolicy()).objection(ipaddress.ip_address(text), purpose)


@pytest.mark.parametrize(("text", "reach"), EVERY)
def test_what_an_address_is_seen_from_here(text, reach):
    assert reach_of(ipaddress.ip_address(text)) is reach


@pytest.mark.parametrize(("text", "reach"), EVERY)
def test_an_account_may_be_local_and_a_request_may_not(text, reach):
    assert (objection(text, Purpose.ACCOUNT) == "") is (reach is not Reach.SPECIAL)
    assert (objection(text, Purpose.WEBHOOK) == "") is (reach is Reach.PUBLIC)


@pytest.mark.parametrize(("text", "reach"), EVERY)
def test_an_objection_says_what_the_address_is(text, reach):
    if reach is not Reach.PUBLIC:
        assert objection(text, Purpose.WEBHOOK).startswith(f"{reach} address, ")


@pytest.mark.parametrize("text", [*LOOPBACK, *PRIVATE, *SPECIAL])
def test_what_the_operator_allows_may_be_dialled_for_every_purpose(text):
    policy = DialPolicy(allow=parse_allowed([text], "dial_allow"))
    assert objection(text, Purpose.ACCOUNT, policy) == ""
    assert objection(text, Purpose.WEBHOOK, policy) == ""


def test_what_the_operator_allows_is_that_network_and_no_other():
    policy = DialPolicy(allow=parse_allowed(["10.1.0.0/16"], "dial_allow"))
    assert objection("10.1.255.255", Purpose.WEBHOOK, policy) == ""
    assert objection("10.2.0.1", Purpose.WEBHOOK, policy)


@pytest.mark.parametrize("text", [*PUBLIC, *LOOPBACK, *PRIVATE])
def test_what_the_operator_refuses_is_refused_even_where_it_is_also_allowed(text):
    policy = read_policy(allow=[text], refuse=[text], allow_for={purpose: [text] for purpose in Purpose})
    assert objection(text, Purpose.ACCOUNT, policy) == "the operator refuses this network"
    assert objection(text, Purpose.WEBHOOK, policy) == "the operator refuses this network"


@pytest.mark.parametrize("text", ["::ffff:10.1.2.3", "2002:a01:203::", "64:ff9b::10.1.2.3"])
def test_a_refused_ipv4_network_is_refused_in_its_ipv6_forms_too(text):
    policy = DialPolicy(refuse=parse_networks(["10.0.0.0/8"], "dial_refuse"))
    assert objection(text, Purpose.ACCOUNT, policy) == "the operator refuses this network"


def test_an_allowed_network_cannot_open_a_refused_one_behind_it():
    policy = read_policy(allow=["64:ff9b::/96"], refuse=["10.0.0.0/8"])
    assert objection("64:ff9b::10.1.2.3", Purpose.ACCOUNT, policy)
    assert objection("64:ff9b::11.1.2.3", Purpose.ACCOUNT, policy) == ""


def test_refusing_everything_leaves_nothing():
    policy = DialPolicy(refuse=parse_networks(["0.0.0.0/0", "::/0"], "dial_refuse"))
    assert all(objection(text, Purpose.ACCOUNT, policy) for text, _ in EVERY)


def test_networks_are_read_with_host_bits_and_spaces():
    found = parse_networks([" 10.1.2.3/16 ", "fd00::1/8", "192.0.2.7"], "dial_allow")
    assert [str(network) for network in found] == ["10.1.0.0/16", "fd00::/8", "192.0.2.7/32"]


@pytest.mark.parametrize("text", ["", "localhost", "10.0.0.0/33", "10.0.0", "::/129", "1.2.3.4-1.2.3.9"])
def test_what_is_no_network_is_an_error_that_names_the_setting(text):
    with pytest.raises(InvalidSetting, match="is not a network") as caught:
        parse_networks(["10.0.0.0/8", text], "dial_allow")
    assert caught.value.field == "dial_allow"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "10.1.2.3", "192.168.1.5", "fd00::25", "::ffff:10.1.2.3"]
)
def test_nobody_is_between_us_and_a_private_address_that_the_account_spells_out(host):
    assert nobody_in_between(host, ipaddress.ip_address(host))


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        # Somebody answered for the name, and it may have been anybody.
        ("mail.example.org", "10.1.2.3"),
        ("mail.example.org", "127.0.0.1"),
        ("mail.internal", "192.168.1.5"),
        ("localhost", "10.1.2.3"),
        ("localhost", "192.0.2.7"),
        ("notlocalhost", "127.0.0.1"),
        ("localhost.example.org", "127.0.0.1"),
        # Shared with strangers.
        ("100.64.0.1", "100.64.0.1"),
        ("::ffff:100.64.0.1", "::ffff:100.64.0.1"),
        # By somebody's gateway.
        ("2002:a00:1::", "2002:a00:1::"),
        ("64:ff9b::10.0.0.1", "64:ff9b::10.0.0.1"),
        ("8.8.8.8", "8.8.8.8"),
        ("169.254.1.1", "169.254.1.1"),
    ],
)
def test_somebody_may_be_between_us_and_everything_else(host, peer):
    assert not nobody_in_between(host, ipaddress.ip_address(peer))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "mail.localhost"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
def test_localhost_is_this_machine_when_it_leads_there(host, peer):
    assert nobody_in_between(host, ipaddress.ip_address(peer))


@pytest.mark.parametrize("host", ["127.1", "2852039166", "0x7f.1", "0x7f000001", "0177.0.0.1", "10.0.258", "mail.0x"])
def test_a_number_that_some_resolvers_read_as_an_address_is_seen(host):
    assert is_disguised_number(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "mail.example.org", "1.example.org", "mx1", "0x7f.example", "a1"])
def test_an_address_in_full_and_a_name_are_no_disguise(host):
    assert not is_disguised_number(host)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside, read from the text of RFC 4291 section 2.5.5 and RFC 6052."""
    octets = address.packed
    if octets[:12] in (bytes(12), bytes(10) + b"\xff\xff", b"\x00\x64\xff\x9b" + bytes(8)) and int(address) > 1:
        return ipaddress.IPv4Address(octets[12:])
    return None


def _ordinary(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_link_local or address.is_unspecified
    )


_CARRIERS = [
    lambda inner: ipaddress.IPv6Address(bytes(10) + b"\xff\xff" + inner.packed),
    lambda inner: ipaddress.IPv6Address(bytes(12) + inner.packed),
    lambda inner: ipaddress.IPv6Address(b"\x00\x64\xff\x9b" + bytes(8) + inner.packed),
]


@given(
    st.ip_addresses() | st.builds(lambda carry, inner: carry(inner), st.sampled_from(_CARRIERS), st.ip_addresses(v=4))
)
def test_nothing_that_the_standard_library_calls_not_global_is_public(address):
    # The one exception: `ipaddress` calls the IPv6 forms that carry an IPv4 address not global as a whole (some of
    # them, in some versions). They are what they carry, so there the inner address is asked.
    inner = _inner(address) if address.version == 6 else None
    asked = inner if inner is not None else address
    if not _ordinary(asked):
        assert reach_of(address) is not Reach.PUBLIC


@given(st.ip_addresses(v=4), st.sampled_from(_CARRIERS))
def test_an_address_inside_another_is_judged_like_itself(inner, carry):
    carried = carry(inner)
    if int(carried) > 1:
        assert reach_of(carried) is reach_of(inner)
