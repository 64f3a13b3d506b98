"""The client's half of a sign-in with servers that mean harm: endless questions, costly ones, and echoes."""

from base64 import b64encode

import pytest

from mailwright.errors import ProtocolViolation
from mailwright.model.account import Mechanism, SignIn
from mailwright.protocol.sasl.client import MAX_SCRAM_ITERATIONS, make, mask
from mailwright.reply import Phase
from mailwright.secret import Secret

PASSWORD = SignIn("ann", Secret("s3cret-word"))
TOKEN = SignIn("ann@example.org", access_token=Secret("ya29.a-long-token"))
NONCE = "rOprNGfwEbeRWgbNEkqO"
#: RFC 7677 section 3, with its user and password
SCRAM = SignIn("user", Secret("pencil"))
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


# Endless questions.


@pytest.mark.parametrize(
    ("mechanism", "sign_in", "challenges"),
    [
        (Mechanism.PLAIN, PASSWORD, [b""]),
        (Mechanism.LOGIN, PASSWORD, [b"Username:", b"Password:"]),
        (Mechanism.CRAM_MD5, PASSWORD, [b"<1@mail.example.org>"]),
        (Mechanism.OAUTHBEARER, TOKEN, [b"{}"]),
        (Mechanism.XOAUTH2, TOKEN, [b"{}"]),
        (Mechanism.SCRAM_SHA_256, SCRAM, [SERVER_FIRST, SERVER_FINAL]),
    ],
)
def test_a_mechanism_answers_as_many_challenges_as_it_has_and_no_more(mechanism, sign_in, challenges):
    client = make(mechanism, sign_in, NONCE)
    for challenge in challenges:
        client.answer(challenge)
    with pytest.raises(ProtocolViolation, match=f"more than {mechanism} has to answer") as caught:
        client.answer(challenges[-1])
    assert caught.value.phase is Phase.AUTH


def test_plain_answers_nothing_but_the_empty_challenge():
    with pytest.raises(ProtocolViolation):
        make(Mechanism.PLAIN, PASSWORD, NONCE).answer(b"Password:")


# Costly questions.


@pytest.mark.parametrize(
    "count", ["9" * 5000, str(MAX_SCRAM_ITERATIONS + 1), "600001", "0", "-1", "+1", "4096 ", "", "٤"]
)
def test_an_iteration_count_that_is_no_small_number_is_a_violation(count):
    client = make(Mechanism.SCRAM_SHA_256, SCRAM, NONCE)
    with pytest.raises(ProtocolViolation, match="iteration count"):
        client.answer(f"r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={count}".encode())


def test_the_greatest_iteration_count_is_computed():
    client = make(Mechanism.SCRAM_SHA_256, SCRAM, NONCE)
    answer = client.answer(f"r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={MAX_SCRAM_ITERATIONS}".encode())
    assert answer.startswith(b"c=biws,")


# What the server says of a refused token.


@pytest.mark.parametrize("mechanism", [Mechanism.OAUTHBEARER, Mechanism.XOAUTH2])
@pytest.mark.parametrize(
    ("challenge", "status"),
    [
        (b'{"status": "invalid_token"}', "invalid_token"),
        (b'{"status": 401}', "401"),
        (b'{"status": "a\\r\\nb\\u001b[31m\\u2028c"}', "a b\\x1b[31m c"),
        (b'{"status": "' + b"x" * 5000 + b'"}', "x" * 80),
        (b'{"status": ["a"]}', ""),
        (b'{"status": null}', ""),
        (b"{}", ""),
        (b"[1]", ""),
        (b"not json", ""),
        (b"\xff\xfe\xff", ""),
        (b"9" * 5000, ""),
        (b"[" * 200_000, ""),
        (b'{"status":' * 200_000, ""),
    ],
    ids=range(13),
)
def test_the_status_of_a_refusal_is_one_short_line_whatever_the_server_says(mechanism, challenge, status):
    client = make(mechanism, TOKEN, NONCE)
    client.answer(challenge)
    assert client.refusal == status


# Echoes.


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


PLAIN_MESSAGE = encoded("\0ann\0s3cret-word")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"syntax error: AUTH PLAIN {PLAIN_MESSAGE}", "syntax error: AUTH PLAIN ***"),
        (f"cannot decode {encoded(PLAIN_MESSAGE)}", "cannot decode ***"),
        ("wrong password s3cret-word for ann", "wrong password *** for ann"),
        (f"wrong password ({encoded('s3cret-word')})", "wrong password (***)"),
        (f"line too long: {PLAIN_MESSAGE[:12]}...", "line too long: ***..."),
        (f"unknown: {PLAIN_MESSAGE[:10]}\n{PLAIN_MESSAGE[10:]}", "unknown: ***\n***"),
        ("Authentication credentials invalid (PLAIN)", "Authentication credentials invalid (PLAIN)"),
        ("nichts verstanden: \udcff", "nichts verstanden: \udcff"),
    ],
)
def test_what_a_server_repeats_of_a_sign_in_is_masked_and_the_rest_is_kept(said, shown):
    assert mask(said, PASSWORD, [f"AUTH PLAIN {PLAIN_MESSAGE}\r\n".encode()]) == shown


def test_the_answers_to_challenges_are_masked_and_the_name_of_the_mechanism_is_not():
    sent = [b"AUTH LOGIN\r\n", f"{encoded('ann')}\r\n".encode(), f"{encoded('s3cret-word')}\r\n".encode(), b"\r\n"]
    said = f"LOGIN failed: {encoded('ann')} {encoded('s3cret-word')} ="
    assert mask(said, PASSWORD, sent) == "LOGIN failed: *** *** ="


def test_a_token_is_masked_like_a_password():
    message = encoded("user=ann@example.org\x01auth=Bearer ya29.a-long-token\x01\x01")
    said = f"bad token ya29.a-long-token in {message}"
    assert mask(said, TOKEN, [f"AUTH XOAUTH2 {message}\r\n".encode()]) == "bad token *** in ***"


def test_an_empty_initial_response_masks_nothing():
    assert mask("a = b", PASSWORD, [b"AUTH PLAIN =\r\n"]) == "a = b"
