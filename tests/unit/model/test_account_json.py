"""An account as JSON: nothing is lost, no secret gets out, and what is wrong is named."""

import json

import pytest
from hypothesis import given, strategies as st

from mailwright import (
    Account,
    InvalidAccount,
    InvalidInput,
    Mechanism,
    MissingCredential,
    Outgoing,
    PoolLimits,
    PortPolicy,
    Proxy,
    Security,
    Timeouts,
)
from mailwright.model.account_json import (
    SECRET_FIELDS,
    account_from_input,
    account_from_json,
    account_secrets,
    account_to_json,
    masked_account,
)

EVERYTHING = Account(
    "ann@bücher.example",
    Outgoing(
        "smtp.example.org",
        2525,
        security=Security.STARTTLS,
        username="ann",
        password="hunter2",
        mechanism=Mechanism.PLAIN,
        verify_trust=False,
        verify_hostname=False,
        ca_certificates="-----BEGIN CERTIFICATE-----",
        pinned_certificate="ab" * 32,
        allow_clear_text_password=True,
        port_25=PortPolicy.NEVER,
        proxy=Proxy("socks5", "proxy.example.org", 1080, "proxy-user", "proxy-word"),
        source_address="192.0.2.7",
        ehlo_name="client.example.org",
        timeouts=Timeouts(1.5, 2.5, 3.5, 4.5, 5.5),
        pool=PoolLimits(3, 40, 5.5),
        chunking=True,
    ),
    display_name="Ann",
    name="ann's",
)
WITH_TOKEN = Account("ann@example.org", Outgoing("smtp.example.org", username="ann", access_token="ya29.token"))
WITHOUT_SIGN_IN = Account("ann@example.org", Outgoing("localhost", 25))


def given_json(**outgoing):
    return {"address": "ann@example.org", "outgoing": {"host": "smtp.example.org", **outgoing}}


@pytest.mark.parametrize("account", [EVERYTHING, WITH_TOKEN, WITHOUT_SIGN_IN])
def test_an_account_comes_back_from_its_two_halves_as_it_was(account):
    stored = json.loads(json.dumps(account_to_json(account)))
    assert account_from_json(stored, account_secrets(account)) == account


_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@given(
    port=st.integers(1, 65535),
    security=st.sampled_from(Security),
    username=_TEXT,
    password=_TEXT.filter(bool),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    seconds=st.floats(0.001, 1e6),
    sessions=st.integers(1, 1000),
)
def test_whatever_the_values_are_they_come_back(port, security, username, password, flags, seconds, sessions):
    account = Account(
        "ann@example.org",
        Outgoing(
            "smtp.example.org",
            port,
            security=security,
            username=username,
            password=password if username else None,
            verify_trust=flags[0],
            verify_hostname=flags[1],
            allow_clear_text_password=flags[2],
            chunking=flags[3],
            timeouts=Timeouts(final_reply=seconds),
            pool=PoolLimits(sessions=sessions),
        ),
    )
    stored = json.loads(json.dumps(account_to_json(account)))
    assert account_from_json(stored, account_secrets(account)) == account


@pytest.mark.parametrize("account", [EVERYTHING, WITH_TOKEN])
def test_neither_the_stored_half_nor_the_shown_form_holds_a_secret(account):
    written = json.dumps([account_to_json(account), masked_account(account)])
    secrets = account_secrets(account).values()
    assert secrets
    assert not any(secret in written for secret in secrets)


def test_a_secret_that_is_set_shows_as_asterisks_and_one_that_is_not_as_null():
    shown = masked_account(EVERYTHING)["outgoing"]
    assert (shown["password"], shown["access_token"], shown["proxy"]["password"]) == ("***", None, "***")
    assert "password" not in account_to_json(EVERYTHING)["outgoing"]


@pytest.mark.parametrize("field", SECRET_FIELDS)
@pytest.mark.parametrize("mask", ["***", "********", "Secret(***)", " *** "])
def test_a_masked_value_that_is_posted_back_is_refused_and_named(field, mask):
    proxy = {"kind": "http", "host": "p.example", "port": 3128, "username": "u"}
    value = given_json(username="ann", proxy=proxy)
    *path, last = field.split(".")
    place = value
    for step in path:
        place = place[step]
    place[last] = mask
    with pytest.raises(InvalidAccount) as caught:
        account_from_input(value, EVERYTHING)
    assert caught.value.field == field
    assert "leave the field out" in caught.value.hint


@pytest.mark.parametrize("account", [EVERYTHING, WITH_TOKEN])
def test_what_was_shown_may_be_given_back_without_its_secrets_and_keeps_them(account):
    value = masked_account(account)
    del value["outgoing"]["password"], value["outgoing"]["access_token"]
    if value["outgoing"]["proxy"]:
        del value["outgoing"]["proxy"]["password"]
    value["display_name"] = "Ann Example"
    changed = account_from_input(value, account)
    assert account_secrets(changed) == account_secrets(account)
    assert changed.display_name == "Ann Example"


def test_without_a_stored_account_a_password_that_is_left_out_is_missing():
    with pytest.raises(MissingCredential) as caught:
        account_from_input(given_json(username="ann"))
    assert caught.value.field == "outgoing.password"


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_secret_is_taken_away_by_null_or_an_empty_text(nothing):
    value = masked_account(WITH_TOKEN)
    value["outgoing"] |= {"access_token": nothing, "username": ""}
    assert account_from_input(value, WITH_TOKEN).outgoing.sign_in is None
    value["outgoing"]["username"] = "ann"
    with pytest.raises(MissingCredential):
        account_from_input(value, WITH_TOKEN)


def test_a_new_password_takes_the_place_of_a_token_and_the_other_way_round():
    with_password = account_from_input(given_json(username="ann", password="new"), WITH_TOKEN)
    assert account_secrets(with_password) == {"outgoing.password": "new"}
    with_token = account_from_input(given_json(username="ann", access_token="t"), with_password)
    assert account_secrets(with_token) == {"outgoing.access_token": "t"}


@pytest.mark.parametrize(
    "change",
    [
        {"host": "smtp.attacker.example"},
        {"port": 2526},
        {"security": "none"},
        {"username": "bob"},
        {"verify_trust": False},
        {"verify_hostname": False},
        {"ca_certificates": "-----BEGIN CERTIFICATE-----"},
        {"pinned_certificate": "cd" * 32},
        {"allow_clear_text_password": True},
        {"proxy": {"kind": "http", "host": "proxy.attacker.example", "port": 3128}},
    ],
)
def test_a_stored_password_is_not_sent_to_another_server_or_with_less_protection(change):
    before = account_from_input(given_json(port=587, username="ann", password="hunter2"))
    value = given_json(**{"port": 587, "username": "ann", **change})
    with pytest.raises(MissingCredential) as caught:
        account_from_input(value, before)
    assert caught.value.field == "outgoing.password"
    value["outgoing"]["password"] = "hunter2"
    assert account_secrets(account_from_input(value, before)) == {"outgoing.password": "hunter2"}


@pytest.mark.parametrize("change", [{"host": "proxy.attacker.example"}, {"port": 1081}, {"username": "other"}])
def test_a_stored_password_of_a_proxy_is_not_sent_to_another_one(change):
    proxy = {"kind": "socks5", "host": "p.example", "port": 1080, "username": "u"}
    before = account_from_input(given_json(proxy={**proxy, "password": "word"}))
    assert account_secrets(account_from_input(given_json(proxy=proxy), before)) == {"outgoing.proxy.password": "word"}
    with pytest.raises(MissingCredential) as caught:
        account_from_input(given_json(proxy={**proxy, **change}), before)
    assert caught.value.field == "outgoing.proxy.password"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"outgoing": {"host": "h.example"}}, "address"),
        ({"address": "ann@example.org"}, "outgoing"),
        ({"address": "ann@example.org", "outgoing": "h.example"}, "outgoing"),
        ({"address": "ann", "outgoing": {"host": "h.example"}}, "address"),
        ({"address": "ann@example.org", "outgoing": {}}, "outgoing.host"),
        ({**given_json(), "adress": "x"}, "adress"),
        (given_json(hots="x"), "outgoing.hots"),
        (given_json(port=True), "outgoing.port"),
        (given_json(port=70000), "outgoing.port"),
        (given_json(port=5.5), "outgoing.port"),
        (given_json(security="tls1"), "outgoing.security"),
        (given_json(verify_trust="no"), "outgoing.verify_trust"),
        (given_json(verify_trust=0), "outgoing.verify_trust"),
        (given_json(username=["ann"]), "outgoing.username"),
        (given_json(mechanism="PLAIN"), "outgoing.mechanism"),
        (given_json(proxy=[]), "outgoing.proxy"),
        (given_json(proxy={"kind": "http", "host": "p"}), "outgoing.proxy.port"),
        (given_json(proxy={"kind": "ftp", "host": "p", "port": 1}), "outgoing.proxy.kind"),
        (given_json(timeouts={"reply": 0}), "outgoing.timeouts.reply"),
        (given_json(timeouts={"reply": float("inf")}), "outgoing.timeouts.reply"),
        (given_json(timeouts={"relpy": 1}), "outgoing.timeouts.relpy"),
        (given_json(pool={"sessions": 1.5}), "outgoing.pool.sessions"),
        (given_json(pool={"sessions": 0}), "outgoing.pool.sessions"),
    ],
)
@pytest.mark.parametrize("existing", [None, WITHOUT_SIGN_IN])
def test_an_error_names_the_field_by_its_whole_path(value, field, existing):
    with pytest.raises(InvalidInput) as caught:
        account_from_input(value, existing)
    assert caught.value.field == field


def test_null_is_as_good_as_left_out():
    value = given_json(port=None, security=None, proxy=None, timeouts=None, mechanism=None)
    assert account_from_input({**value, "display_name": None}) == account_from_input(given_json())
