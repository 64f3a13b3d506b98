"""What an account may be, and what it says when it may not."""

import pytest

from mailwright import (
    Account,
    CheckReport,
    InvalidAccount,
    Mechanism,
    MissingCredential,
    Outgoing,
    PoolLimits,
    PortPolicy,
    Proxy,
    ProxyKind,
    Secret,
    Security,
    SignIn,
    Timeouts,
)


@pytest.mark.parametrize(("given", "port"), [(None, 587), ("", 587), (2525, 2525), ("2525", 2525), (" 465 ", 465)])
def test_the_port_is_a_number_or_its_text_and_587_by_default(given, port):
    assert Outgoing("mail.example.org", given).port == port


@pytest.mark.parametrize("given", [0, -1, 65536, "0", "smtp", "587;", "5 87", 5.5, "\uff11\uff12"])
def test_any_other_port_is_an_error_that_names_the_field(given):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("mail.example.org", given)
    assert caught.value.field == "port"


@pytest.mark.parametrize("given", ["", "  ", "smtp://mail.example.org", "mail.example.org:25", "a b", "-x", "a..b"])
def test_a_host_is_required_and_is_a_name_alone(given):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing(given)
    assert caught.value.field == "host"


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("MAIL.Example.ORG.", "mail.example.org"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_is_a_name_or_an_address_in_any_usual_form(given, host):
    assert Outgoing(given).host == host


def test_security_follows_the_port_unless_it_is_said():
    assert Outgoing("m.example", 465).security is Security.IMPLICIT
    assert Outgoing("m.example", 587).security is Security.STARTTLS
    assert Outgoing("m.example", security="implicit").port == 465
    assert Outgoing("m.example", 25).security is Security.OPPORTUNISTIC
    assert Outgoing("m.example", 465, security="none").security is Security.NONE


def test_no_credentials_are_no_sign_in():
    assert Outgoing("m.example").sign_in is None
    assert Outgoing("m.example", username="", password="").sign_in is None


def test_user_name_and_password_sign_in():
    sign_in = Outgoing("m.example", username="ann", password="secret").sign_in
    assert sign_in == SignIn("ann", Secret("secret"))


@pytest.mark.parametrize(
    ("credentials", "field"),
    [
        ({"username": "ann"}, "password"),
        ({"password": "secret"}, "username"),
        ({"access_token": "token"}, "username"),
        ({"username": "ann", "password": ""}, "password"),
    ],
)
def test_half_a_credential_is_an_error_before_anything_is_connected(credentials, field):
    """Checklist 6: a sign-in is attempted when either is set; the missing half is named."""
    with pytest.raises(MissingCredential) as caught:
        Outgoing("m.example", **credentials)
    assert caught.value.field == field


def test_password_and_token_exclude_each_other():
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example", username="ann", password="secret", access_token="token")
    assert caught.value.field == "access_token"


@pytest.mark.parametrize("field", ["username", "password", "access_token"])
def test_a_secret_is_printed_nowhere(field):
    values = {"username": "ann", "password": "hush-hush"}
    if field == "access_token":
        values = {"username": "ann", "access_token": "hush-hush"}
    outgoing = Outgoing("m.example", **values)
    account = Account("ann@example.org", outgoing)
    assert "hush-hush" not in f"{outgoing!r} {account!r} {outgoing} {account}"


@pytest.mark.parametrize("unknown", [{"security": "ssl"}, {"mechanism": "NTLM"}, {"port_25": "maybe"}])
def test_a_word_that_is_not_known_is_an_error_that_lists_those_that_are(unknown):
    ((field, value),) = unknown.items()
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example", **unknown)
    assert caught.value.field == field
    known = {"security": Security, "mechanism": Mechanism, "port_25": PortPolicy}[field]
    assert all(word in caught.value.message for word in known)
    assert value.lower() in caught.value.message.lower()


def test_the_timeout_is_20000_milliseconds_unless_it_is_said():
    """Checklist 22; conflict 34: connecting and greeting take 20 s at most, an answer 60 s."""
    timeouts = Outgoing("m.example").timeouts
    assert (timeouts.connect, timeouts.greeting, timeouts.reply) == (20.0, 20.0, 60.0)
    said = Outgoing("m.example", timeout_ms=1500).timeouts
    assert (said.connect, said.greeting, said.tls, said.reply) == (1.5, 1.5, 1.5, 1.5)
    assert said.final_reply == 600.0, "giving up early after the dot is what makes duplicates"


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_timeout_is_greater_than_0(wrong):
    with pytest.raises(InvalidAccount):
        Outgoing("m.example", timeout_ms=wrong)
    with pytest.raises(InvalidAccount):
        Timeouts(connect=wrong)
    with pytest.raises(InvalidAccount):
        PoolLimits(sessions=wrong)


@pytest.mark.parametrize("pin", ["xyz", "ab" * 31, "ab" * 33])
def test_a_pinned_certificate_is_a_sha_256(pin):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example", pinned_certificate=pin)
    assert caught.value.field == "pinned_certificate"


def test_a_pinned_certificate_is_taken_in_any_usual_spelling():
    spelled = ":".join(["AB"] * 32)
    assert Outgoing("m.example", pinned_certificate=spelled).pinned_certificate == "ab" * 32


def test_a_source_address_is_an_address():
    assert Outgoing("m.example", source_address="127.0.0.5").source_address == "127.0.0.5"
    with pytest.raises(InvalidAccount):
        Outgoing("m.example", source_address="eth0")


def test_the_full_name_is_that_of_the_account_else_that_of_its_address():
    """Checklist 26."""
    outgoing = Outgoing("m.example")
    assert Account("ann@example.org", outgoing, display_name="Ann Example").display_name == "Ann Example"
    assert Account("Ann <ann@example.org>", outgoing).display_name == "Ann"
    assert Account("ann@example.org", outgoing).name == "ann@example.org"


def test_a_changed_copy_keeps_everything_else():
    one = Outgoing("m.example", 2525, username="ann", password="secret", ehlo_name="me.example", chunking=True)
    other = one.changed(port=465)
    assert (other.port, other.sign_in, other.ehlo_name, other.chunking) == (465, one.sign_in, "me.example", True)
    assert one.changed() == one
    assert hash(one.changed()) == hash(one)


# Scope ids of IPv6: any text may follow the %.


@pytest.mark.parametrize("address", ["fe80::1%eth0", "[2606:4700::1%x]", "2606:4700::1%x\r\nRCPT TO:<eve@example.net>"])
def test_an_address_has_no_scope(address):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing(address)
    assert caught.value.field == "host"
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example", source_address=address.strip("[]"))
    assert caught.value.field == "source_address"


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "smtp://ann:hunter2@m.example"},
        {"host": "ann:hunter2@m.example"},
        {"port": "hunter2@m.example"},
        {"port": "//ann:hunter2@m.example"},
        {"security": "//hunter2"},
        {"source_address": "ann:hunter2@127.0.0.1"},
    ],
)
def test_a_password_in_a_url_is_not_repeated_by_the_error(wrong):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing(**{"host": "m.example", **wrong})
    assert "hunter2" not in f"{caught.value!s} {caught.value!r} {caught.value.to_json()}"
    assert caught.value.__cause__ is None


def test_a_port_of_a_million_digits_is_no_port():
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example", "9" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_a_secret_given_as_text_becomes_a_secret():
    proxy = Proxy("socks5", "p.example", 1080, "ann", "hush-hush")
    sign_ins = SignIn("ann", "hush-hush"), SignIn("ann", access_token="hush-hush", mechanism="xoauth2")
    assert (proxy.password, sign_ins[0].password, sign_ins[1].access_token) == (Secret("hush-hush"),) * 3
    assert sign_ins[1].mechanism is Mechanism.XOAUTH2
    assert "hush-hush" not in f"{proxy!r} {sign_ins!r} {Outgoing('m.example', proxy=proxy, sign_in=sign_ins[0])!r}"


def test_a_proxy_is_written_in_any_usual_form():
    assert Proxy("HTTP", "[::1]", " 3128 ") == Proxy(ProxyKind.HTTP, "::1", 3128)
    assert Proxy("socks5", "Bücher.example.", "1080").host == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "ftp"}, "proxy.kind"),
        ({"host": ""}, "proxy.host"),
        ({"host": "p.example\r\nX: y"}, "proxy.host"),
        ({"host": "::1%x\r\n"}, "proxy.host"),
        ({"port": 0}, "proxy.port"),
        ({"port": "65536"}, "proxy.port"),
        ({"username": "a\nb"}, "proxy.username"),
        ({"username": "a\ud800"}, "proxy.username"),
        ({"username": "a", "password": "\0"}, "proxy.password"),
        ({"username": "a", "password": Secret("b\r")}, "proxy.password"),
        ({"password": "b"}, "proxy.username"),
    ],
)
def test_a_proxy_that_cannot_work_names_the_field(wrong, field):
    with pytest.raises(InvalidAccount) as caught:
        Proxy(**{"kind": "http", "host": "p.example", "port": 3128, **wrong})
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["username", "password"])
def test_a_credential_that_has_no_bytes_is_refused_before_it_is_needed(field):
    with pytest.raises(InvalidAccount) as caught:
        SignIn(**{"username": "ann", "password": "secret", field: "half \ud800"})
    assert caught.value.field == field


# Changing the sign-in by its parts.


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mechanism": "plain"}, SignIn("ann", "old", mechanism=Mechanism.PLAIN)),
        ({"username": "bob"}, SignIn("bob", "old", mechanism=Mechanism.LOGIN)),
        ({"password": "new"}, SignIn("ann", "new", mechanism=Mechanism.LOGIN)),
        ({"access_token": "t", "mechanism": None}, SignIn("ann", access_token="t")),
        ({"sign_in": None}, None),
        ({"sign_in": None, "username": "bob", "password": "new"}, SignIn("bob", "new")),
        ({"sign_in": SignIn("bob", "new")}, SignIn("bob", "new")),
    ],
)
def test_a_changed_copy_signs_in_as_it_was_told(changes, expected):
    one = Outgoing("m.example", username="ann", password="old", mechanism="LOGIN")
    changed = one.changed(**changes)
    assert changed.sign_in == expected
    assert changed.changed(sign_in=one.sign_in) == one


def test_a_new_password_takes_the_place_of_a_token():
    assert SignIn("ann", access_token="t").changed(password="p") == SignIn("ann", "p")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mechanism": "PLAIN"}, "mechanism"),
        ({"username": "ann"}, "password"),
        ({"password": "secret"}, "username"),
        ({"sign_in": SignIn("ann", "secret"), "mechanism": "PLAIN"}, "mechanism"),
        ({"sign_in": SignIn("ann", "secret"), "username": "bob"}, "sign_in"),
    ],
)
def test_a_part_of_a_sign_in_that_does_not_fit_is_an_error_and_never_nothing(changes, field):
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example").changed(**changes)
    assert caught.value.field == field
    with pytest.raises(InvalidAccount) as caught:
        Outgoing("m.example", **changes)
    assert caught.value.field == field


# What is odd but may be meant.


@pytest.mark.parametrize(
    ("port", "security", "advice"),
    [
        (587, "implicit", "set security to starttls"),
        (25, "implicit", "set security to starttls"),
        (465, "starttls", "set security to implicit"),
        (465, "none", "set security to implicit"),
        (465, "opportunistic", "set security to implicit"),
    ],
)
def test_a_port_that_contradicts_the_encryption_is_a_warning_that_says_what_to_do(port, security, advice):
    (warning,) = Outgoing("m.example", port, security=security).warnings
    assert f"on port {port} " in warning
    assert advice in warning


@pytest.mark.parametrize(
    ("port", "security"),
    [(465, None), (587, None), (25, None), (587, "none"), (2525, "implicit"), (2465, "none")],
)
def test_a_usual_port_is_no_warning(port, security):
    assert Outgoing("m.example", port, security=security).warnings == ()


def test_a_report_carries_the_warnings():
    assert CheckReport("a", "b", ()).to_json()["warnings"] == []
    assert CheckReport("a", "b", (), warnings=("odd",)).to_json()["warnings"] == ["odd"]
