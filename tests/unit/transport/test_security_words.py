"""The words for encryption, and the switches of other systems translated into them (checklist 12, 15 to 19, 22)."""

import pytest

from mailwright.errors import InvalidAccount
from mailwright.model.account import Outgoing, Timeouts
from mailwright.model.security import PortPolicy, Security


@pytest.mark.parametrize(
    ("port", "security"),
    [(465, Security.IMPLICIT), (587, Security.STARTTLS), (25, Security.OPPORTUNISTIC), (2525, Security.STARTTLS)],
)
def test_a_port_stands_for_a_way_of_encrypting_when_nobody_says_otherwise(port, security):
    assert Security.for_port(port) is security
    assert Outgoing("smtp.example.org", port).security is security


@pytest.mark.parametrize(
    ("use_tls", "port", "security"),
    [
        (True, 587, Security.STARTTLS),
        (True, 25, Security.STARTTLS),
        (True, 2525, Security.STARTTLS),
        (True, 465, Security.IMPLICIT),
        (False, 465, Security.IMPLICIT),
        (False, 587, Security.OPPORTUNISTIC),
        (False, 25, Security.OPPORTUNISTIC),
    ],
)
def test_one_switch_is_refined_by_the_port(use_tls, port, security):
    """Checklist 15 and 18."""
    assert Security.from_switch(use_tls, port) is security


@pytest.mark.parametrize(
    ("option", "security"),
    [
        ("tls", Security.IMPLICIT),
        ("starttls", Security.STARTTLS),
        ("none", Security.NONE),
        ("STARTTLS", Security.STARTTLS),
        (" Tls ", Security.IMPLICIT),
    ],
)
def test_the_option_has_three_values(option, security):
    """Checklist 16."""
    assert Security.from_option(option) is security


def test_the_option_is_tls_when_it_is_left_out():
    assert Security.from_option() is Security.IMPLICIT


@pytest.mark.parametrize("option", ["", "ssl", "on", "true"])
def test_another_value_of_the_option_is_an_error_that_lists_the_three(option):
    with pytest.raises(InvalidAccount, match="tls, starttls, none") as caught:
        Security.from_option(option)
    assert caught.value.field == "tlsOption"


@pytest.mark.parametrize(
    ("ssl", "tls", "security"),
    [
        (False, False, Security.OPPORTUNISTIC),
        (False, True, Security.STARTTLS),
        (True, False, Security.IMPLICIT),
        (True, True, Security.IMPLICIT),
    ],
)
def test_two_switches_in_all_four_positions(ssl, tls, security):
    """Checklist 17 and 19: off still upgrades where the server offers it."""
    assert Security.from_ssl_and_tls(ssl, tls) is security


def test_both_switches_are_off_when_nobody_says_otherwise():
    assert Security.from_ssl_and_tls() is Security.OPPORTUNISTIC


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("port", [25, 465, 587, 2525])
def test_what_an_account_says_wins_over_its_port(security, port):
    assert Outgoing("smtp.example.org", port, security=security).security is security
    assert Outgoing("smtp.example.org", port, security=security.value).security is security


def test_an_unknown_word_is_an_error_that_lists_those_that_are_known():
    with pytest.raises(InvalidAccount, match="implicit, starttls, opportunistic, none") as caught:
        Outgoing("smtp.example.org", security="ssl")
    assert caught.value.field == "security"


@pytest.mark.parametrize(
    ("given", "port"), [(None, 587), ("", 587), (465, 465), ("465", 465), (" 2525 ", 2525), (1, 1), ("65535", 65535)]
)
def test_a_port_is_587_when_it_is_left_out_and_may_be_text(given, port):
    """Checklist 12."""
    assert Outgoing("smtp.example.org", given).port == port


def test_a_port_that_is_left_out_is_465_where_tls_begins_at_once():
    assert Outgoing("smtp.example.org", security="implicit").port == 465


@pytest.mark.parametrize("given", [0, -1, 65536, "0", "70000", "smtp", "25.5", "5 87"])
def test_what_is_no_port_is_an_error(given):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("smtp.example.org", given)
    assert caught.value.field == "port"


@pytest.mark.parametrize("given", ["", "  ", "smtp://mail.example.org", "mail.example.org:25", "a b", "mail\r\nQUIT"])
def test_a_host_is_required_and_is_a_name_alone(given):
    """Checklist 12."""
    with pytest.raises(InvalidAccount) as caught:
        Outgoing(given)
    assert caught.value.field == "host"


def test_one_timeout_in_milliseconds_is_20_seconds_for_connecting_and_reading():
    """Checklist 22."""
    seconds = Timeouts.of_milliseconds()
    assert (seconds.connect, seconds.greeting, seconds.tls, seconds.reply) == (20, 20, 20, 20)
    assert Outgoing("smtp.example.org", timeout_ms=1500).timeouts == Timeouts(1.5, 1.5, 1.5, 1.5)


@pytest.mark.parametrize("milliseconds", [0, -1])
def test_a_timeout_is_greater_than_nothing(milliseconds):
    """Checklist 22."""
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("smtp.example.org", timeout_ms=milliseconds)
    assert caught.value.field == "timeout_ms"


def test_the_wait_for_the_final_reply_is_not_shortened_by_the_one_timeout():
    assert Outgoing("smtp.example.org", timeout_ms=1).timeouts.final_reply == Timeouts().final_reply == 600


def test_port_25_is_for_local_servers_when_nobody_says_otherwise():
    assert Outgoing("smtp.example.org").port_25 is PortPolicy.LOCAL
    with pytest.raises(InvalidAccount, match="local, always, never"):
        Outgoing("smtp.example.org", port_25="sometimes")
