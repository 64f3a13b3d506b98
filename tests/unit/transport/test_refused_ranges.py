"""The table of ranges that a caller may not reach, one by one: its first and its last address, and those beside it."""

import ipaddress

import pytest

from mailwright.errors import InvalidSetting
from mailwright.settings import read_settings
from mailwright.transport.dial_policy import Allowed, DialPolicy, Purpose, Reach, parse_allowed, reach_of, read_policy
from mailwright.transport.dial_ranges import METADATA_NAMES, SPECIAL_RANGES, carried, range_of

CALLERS = [purpose for purpose in Purpose if purpose is not Purpose.ACCOUNT]

# What has to be refused whatever the table says: written down here apart from it, with the reach it must have.
REFUSED = [
    ("0.0.0.0/8", Reach.SPECIAL),
    ("10.0.0.0/8", Reach.PRIVATE),
    ("100.64.0.0/10", Reach.PRIVATE),
    ("127.0.0.0/8", Reach.LOOPBACK),
    ("169.254.0.0/16", Reach.SPECIAL),
    ("172.16.0.0/12", Reach.PRIVATE),
    ("192.0.0.0/24", Reach.SPECIAL),
    ("192.0.2.0/24", Reach.SPECIAL),
    ("192.31.196.0/24", Reach.SPECIAL),
    ("192.52.193.0/24", Reach.SPECIAL),
    ("192.88.99.0/24", Reach.SPECIAL),
    ("192.168.0.0/16", Reach.PRIVATE),
    ("192.175.48.0/24", Reach.SPECIAL),
    ("198.18.0.0/15", Reach.SPECIAL),
    ("198.51.100.0/24", Reach.SPECIAL),
    ("203.0.113.0/24", Reach.SPECIAL),
    ("224.0.0.0/4", Reach.SPECIAL),
    ("240.0.0.0/4", Reach.SPECIAL),
    ("::/128", Reach.SPECIAL),
    ("::1/128", Reach.LOOPBACK),
    ("64:ff9b:1::/48", Reach.SPECIAL),
    ("100::/64", Reach.SPECIAL),
    ("100:0:0:1::/64", Reach.SPECIAL),
    ("2001::/23", Reach.SPECIAL),
    ("2001:db8::/32", Reach.SPECIAL),
    ("2002::/16", Reach.SPECIAL),
    ("2620:4f:8000::/48", Reach.SPECIAL),
    ("3fff::/20", Reach.SPECIAL),
    ("5f00::/16", Reach.SPECIAL),
    ("fc00::/7", Reach.PRIVATE),
    ("fe80::/10", Reach.SPECIAL),
    ("fec0::/10", Reach.SPECIAL),
    ("ff00::/8", Reach.SPECIAL),
]
METADATA = [
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
]


def objection(address: str, purpose: Purpose = Purpose.WEBHOOK, policy: DialPolicy | None = None, **where) -> str:
    return (policy or DialPolicy()).objection(ipaddress.ip_address(address), purpose, **where)


@pytest.mark.parametrize(("text", "reach"), REFUSED)
@pytest.mark.parametrize("purpose", CALLERS)
def test_no_address_of_a_refused_range_may_be_dialled_for_a_caller(text, reach, purpose):
    network = ipaddress.ip_network(text)
    inside = [network[0], network[-1], network[network.num_addresses // 2]]
    assert [reach_of(address) for address in inside] == [reach] * 3
    assert all(DialPolicy().objection(address, purpose) for address in inside)


@pytest.mark.parametrize(("text", "reach"), REFUSED)
def test_an_account_of_an_administrator_reaches_what_is_private_and_nothing_special(text, reach):
    network = ipaddress.ip_network(text)
    for address in (network[0], network[-1]):
        assert (DialPolicy().objection(address, Purpose.ACCOUNT) == "") is (reach is not Reach.SPECIAL)


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.31.195.255",
        "192.31.197.0",
        "192.52.192.255",
        "192.52.194.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "192.175.47.255",
        "192.175.49.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::",
        "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
        "2620:4f:8001::",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
)
@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_neighbours_of_the_ranges_are_public(address, purpose):
    assert objection(address, purpose) == ""


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_metadata_of_a_cloud_is_out_of_reach_for_every_purpose(address, purpose):
    assert "cloud" in objection(address, purpose)


@pytest.mark.parametrize("entry", SPECIAL_RANGES, ids=lambda entry: entry.network)
def test_every_entry_of_the_table_decides_about_an_address_and_says_why(entry):
    network = ipaddress.ip_network(entry.network)
    inside = network[network.num_addresses // 2]
    assert range_of(inside) == entry
    assert entry.why
    assert entry.reach is not Reach.PUBLIC
    assert objection(str(inside)) == f"{entry.reach} address, {entry.why}"


INNER = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"]
CLOTHES = [
    "::ffff:{}",
    "64:ff9b::{}",
    # ISATAP, in a network that is public itself.
    "2a00:1450:4001:80b:0:5efe:{}",
    "2a00:1450:4001:80b:200:5efe:{}",
]


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("clothes", CLOTHES)
def test_an_ipv4_address_in_the_clothes_of_ipv6_is_judged_like_itself(inner, clothes):
    assert objection(clothes.format(inner)) == objection(inner)
    assert objection(clothes.format("8.8.8.8")) == ""


@pytest.mark.parametrize("inner", [one for one in INNER if one != "0.0.0.0"])
def test_so_is_one_in_the_compatible_form(inner):
    assert objection(f"::{inner}") == objection(inner)


@pytest.mark.parametrize(
    "address",
    ["2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "64:ff9b:1::8.8.8.8", "::ffff:0:8.8.8.8", "fe80::5efe:8.8.8.8"],
)
def test_tunnels_and_translators_are_refused_whatever_they_carry(address):
    assert objection(address).startswith("special address")


@pytest.mark.parametrize(
    "address",
    [
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "2001:0:101:101:0:0:f7f7:f7f7",
        "2a00::5efe:8.8.8.8",
        "2a00::200:5efe:8.8.8.8",
    ],
)
def test_a_network_that_the_operator_refuses_is_found_inside_every_other_form(address):
    policy = read_policy(refuse=["8.8.8.0/24"])
    assert ipaddress.ip_address("8.8.8.8") in carried(ipaddress.ip_address(address))
    assert objection(address, Purpose.ACCOUNT, policy) == "the operator refuses this network"


# Names of metadata services.


@pytest.mark.parametrize("name", sorted(METADATA_NAMES))
@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_name_of_a_metadata_service_is_refused_however_it_is_written(name, purpose):
    for written in (name, name.upper(), f"{name}."):
        assert "metadata" in DialPolicy().objection_to_name(written, 80, purpose)
    assert DialPolicy().objection_to_name(f"x{name}.example.org", 80, purpose) == ""


def test_such_a_name_that_the_operator_allows_may_be_looked_up_for_that_purpose_and_port():
    policy = read_policy(allow_for={"webhook": ["metadata:80"]})
    assert policy.objection_to_name("metadata", 80, Purpose.WEBHOOK) == ""
    assert policy.objection_to_name("metadata", 81, Purpose.WEBHOOK)
    assert policy.objection_to_name("metadata", 80, Purpose.CALLBACK)


# The operator's lists.


@pytest.mark.parametrize("purpose", list(Purpose))
def test_an_entry_for_one_purpose_counts_for_that_purpose_alone(purpose):
    policy = read_policy(allow_for={purpose: ["169.254.7.0/24"]})
    assert [one for one in Purpose if not objection("169.254.7.7", one, policy)] == [purpose]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_every_purpose_has_its_setting_and_its_environment_name(monkeypatch, purpose):
    monkeypatch.setenv(purpose.setting, "10.0.0.0/8, hooks.internal:8080")
    lists = read_settings().dial_allow_by_purpose()
    assert set(lists) == set(Purpose)
    assert lists[purpose] == ("10.0.0.0/8", "hooks.internal:8080")
    assert {name for name, value in lists.items() if value} == {purpose}


@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_refuse_list_wins_over_every_allow_list(purpose):
    policy = read_policy(["10.0.0.0/8", "hooks.internal"], ["10.1.0.0/16"], {purpose: ["10.1.2.3", "hooks.internal"]})
    where = {"host": "hooks.internal", "port": 443}
    assert objection("10.1.2.3", purpose, policy, **where) == "the operator refuses this network"
    assert objection("10.2.2.3", purpose, policy, **where) == ""


@pytest.mark.parametrize("written", ["hooks.internal", "HOOKS.internal."])
@pytest.mark.parametrize("asked", ["hooks.internal", "Hooks.Internal", "hooks.internal."])
def test_an_allowed_name_may_be_private_and_is_compared_without_case_and_last_dot(written, asked):
    policy = read_policy(allow_for={"webhook": [written]})
    assert objection("10.1.2.3", policy=policy, host=asked, port=443) == ""
    assert objection("127.0.0.1", policy=policy, host=asked, port=8080) == ""
    assert objection("10.1.2.3", policy=policy, host="x.hooks.internal", port=443)
    assert objection("10.1.2.3", policy=policy, host="10.1.2.3", port=443)


@pytest.mark.parametrize("address", [*METADATA, "169.254.1.1", "224.0.0.1", "fe80::1", "2002:a00:1::"])
def test_whoever_answers_for_an_allowed_name_cannot_lead_it_to_a_special_address(address):
    policy = read_policy(allow_for={"webhook": ["hooks.internal"]})
    assert objection(address, policy=policy, host="hooks.internal", port=443)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("10.0.0.0/8", Allowed(network=ipaddress.ip_network("10.0.0.0/8"))),
        (" 10.1.2.3 ", Allowed(network=ipaddress.ip_network("10.1.2.3/32"))),
        ("10.1.2.3:8080", Allowed(network=ipaddress.ip_network("10.1.2.3/32"), port=8080)),
        ("10.0.0.0/8:443", Allowed(network=ipaddress.ip_network("10.0.0.0/8"), port=443)),
        ("fd00::/8", Allowed(network=ipaddress.ip_network("fd00::/8"))),
        ("[fd00::1]", Allowed(network=ipaddress.ip_network("fd00::1/128"))),
        ("[fd00::1]:8080", Allowed(network=ipaddress.ip_network("fd00::1/128"), port=8080)),
        ("[fd00::]/8:443", Allowed(network=ipaddress.ip_network("fd00::/8"), port=443)),
        ("hooks.internal", Allowed(name="hooks.internal")),
        ("Hooks.Internal.:8080", Allowed(name="hooks.internal", port=8080)),
        ("my_hooks:80", Allowed(name="my_hooks", port=80)),
    ],
)
def test_an_entry_is_a_network_or_a_name_with_a_port_or_without(text, allowed):
    assert parse_allowed([text], "dial_allow_webhook") == (allowed,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "private",
        "localhost",
        "*",
        "*.internal",
        "10.0.0.0/33",
        "10.0.0",
        "127.1",
        "0x7f.1:80",
        "hooks.internal:0",
        "hooks.internal:65536",
        "hooks.internal:",
        "hooks.internal:http",
        "http://hooks.internal/",
        "hooks.internal/path",
        "[hooks.internal]:80",
        "fd00::1:8080/129",
        "a b.internal",
        "ä.internal",
        "-a.internal",
    ],
)
def test_an_entry_that_is_neither_is_an_error_that_names_the_setting(text):
    with pytest.raises(InvalidSetting) as caught:
        read_policy(allow_for={"webhook": ["10.0.0.0/8", text]})
    assert caught.value.field == "dial_allow_webhook"


def test_a_port_of_an_entry_is_the_only_one_it_opens():
    policy = read_policy(allow_for={"webhook": ["10.1.2.3:8080", "[fd00::1]:8080"]})
    for address in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.3"):
        assert objection(address, policy=policy, port=8080) == ""
        assert objection(address, policy=policy, port=80)
