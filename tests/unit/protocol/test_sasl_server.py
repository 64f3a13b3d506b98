"""The server's half of the sign-in mechanisms, with the examples of the standards."""

import pytest

from mailwright.errors import InvalidSetting
from mailwright.model.account import Mechanism
from mailwright.protocol.sasl.server import Circumstances, Users, Verdict, begin, decode_response, read_users
from mailwright.secret import Secret

USERS = read_users(["ann:secret", "jörg:pässwörd", "a,b=c:secret"], ["ann:t0ken"])


def run(mechanism, responses, users=USERS, circumstances=None):
    """Challenges that came, and the verdict (None when the exchange is not over)."""
    exchange = begin(mechanism, users, circumstances or Circumstances("NONCE", b"salt-salt-salt-s", "host.example"))
    challenges = [next(exchange)]
    for response in responses:
        try:
            challenges.append(exchange.send(response))
        except StopIteration as stop:
            return challenges, stop.value
    return challenges, None


# RFC 7677 section 3.
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
RFC_7677 = Circumstances(SERVER_NONCE, decode_response(b"W22ZaJ0SNY7soEsUEjb6gQ==") or b"", "localhost")
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
WITHOUT_PROOF = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
PROOF = b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
PENCIL = Users({"user": Secret("pencil")})


def test_scram_sha_256_speaks_the_example_of_rfc_7677():
    challenges, verdict = run(Mechanism.SCRAM_SHA_256, [FIRST, WITHOUT_PROOF + PROOF, b""], PENCIL, RFC_7677)
    assert challenges == [
        b"",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ]
    assert verdict == Verdict("user", accepted=True)


@pytest.mark.parametrize(
    "final",
    [
        WITHOUT_PROOF + PROOF.replace(b"dHzb", b"dHzc"),
        WITHOUT_PROOF.replace(b"biws", b"eSws") + PROOF,
        WITHOUT_PROOF[:-1] + b"1" + PROOF,
        WITHOUT_PROOF + b",p=",
        b"nonsense",
        b"\xff\xfe",
        b"",
    ],
)
def test_scram_refuses_a_final_message_that_proves_nothing(final):
    challenges, verdict = run(Mechanism.SCRAM_SHA_256, [FIRST, final], PENCIL, RFC_7677)
    assert len(challenges) == 2
    assert verdict is not None
    assert (verdict.user, verdict.accepted) == ("user", False)


@pytest.mark.parametrize("first", [b"", b"user", b"p=tls-unique,,n=user,r=x", b"n,,n=user", b"n,,r=x,n=user", b"\xff"])
def test_scram_refuses_a_first_message_that_is_none(first):
    assert run(Mechanism.SCRAM_SHA_256, [first])[1] == Verdict("", accepted=False, malformed=True)


def test_scram_refuses_a_user_whom_nobody_knows_without_telling_so_before_the_proof():
    challenges, verdict = run(Mechanism.SCRAM_SHA_256, [FIRST, WITHOUT_PROOF + PROOF], USERS, RFC_7677)
    assert challenges[1].startswith(b"r=")
    assert verdict == Verdict("user", accepted=False)


def test_scram_names_are_unescaped():
    _, verdict = run(Mechanism.SCRAM_SHA_256, [b"n,,n=a=2Cb=3Dc,r=x", b"c=biws,r=xNONCE,p=AAAA"])
    assert verdict == Verdict("a,b=c", accepted=False)


def test_cram_md5_speaks_the_example_of_rfc_2195():
    circumstances = Circumstances("1896.697170952", b"", "postoffice.reston.mci.net")
    response = b"tim b913a602c7eda7a495b4e6e7334d3890"
    users = Users({"tim": Secret("tanstaaftanstaaf")})
    challenges, verdict = run(Mechanism.CRAM_MD5, [response], users, circumstances)
    assert challenges == [b"<1896.697170952@postoffice.reston.mci.net>"]
    assert verdict == Verdict("tim", accepted=True)
    assert run(Mechanism.CRAM_MD5, [response], users)[1] == Verdict("tim", accepted=False)
    assert run(Mechanism.CRAM_MD5, [response])[1] == Verdict("tim", accepted=False)


@pytest.mark.parametrize(
    ("mechanism", "responses", "user", "accepted"),
    [
        (Mechanism.PLAIN, [b"\0ann\0secret"], "ann", True),
        (Mechanism.PLAIN, [b"somebody\0ann\0secret"], "ann", True),
        (Mechanism.PLAIN, ["\0jörg\0pässwörd".encode()], "jörg", True),
        (Mechanism.PLAIN, [b"\0ann\0Secret"], "ann", False),
        (Mechanism.PLAIN, [b"\0ann\0"], "ann", False),
        (Mechanism.PLAIN, [b"\0bob\0secret"], "bob", False),
        (Mechanism.LOGIN, [b"ann", b"secret"], "ann", True),
        (Mechanism.LOGIN, [b"ann", b""], "ann", False),
        (Mechanism.LOGIN, [b"ann", b"\xff"], "ann", False),
        (Mechanism.XOAUTH2, [b"user=ann\x01auth=Bearer t0ken\x01\x01"], "ann", True),
        (Mechanism.XOAUTH2, [b"user=ann\x01auth=Bearer old\x01\x01", b""], "ann", False),
        (Mechanism.XOAUTH2, [b"user=bob\x01auth=Bearer t0ken\x01\x01", b""], "bob", False),
        (Mechanism.OAUTHBEARER, [b"n,a=ann,\x01auth=Bearer t0ken\x01\x01"], "ann", True),
        (Mechanism.OAUTHBEARER, [b"n,a=ann,\x01host=h\x01port=25\x01auth=Bearer t0ken\x01\x01"], "ann", True),
        (Mechanism.OAUTHBEARER, [b"n,a=ann,\x01auth=Bearer old\x01\x01", b"\x01"], "ann", False),
    ],
)
def test_who_signs_in_and_who_does_not(mechanism, responses, user, accepted):
    assert run(mechanism, responses)[1] == Verdict(user, accepted)


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        (Mechanism.PLAIN, b""),
        (Mechanism.PLAIN, b"ann\0secret"),
        (Mechanism.PLAIN, b"\0\0secret"),
        (Mechanism.PLAIN, b"\0ann\0sec\0ret"),
        (Mechanism.PLAIN, b"\0\xff\0secret"),
        (Mechanism.CRAM_MD5, b"digest"),
        (Mechanism.XOAUTH2, b"user=ann\x01auth=Bearer t0ken\x01"),
        (Mechanism.XOAUTH2, b"auth=Bearer t0ken\x01\x01"),
        (Mechanism.OAUTHBEARER, b"n,a=ann,\x01auth=t0ken\x01\x01"),
        (Mechanism.OAUTHBEARER, b"n,a=ann\x01auth=Bearer t0ken\x01\x01"),
        (Mechanism.OAUTHBEARER, b"\x01"),
    ],
)
def test_a_message_that_is_none_is_told_apart_from_a_wrong_password(mechanism, response):
    assert run(mechanism, [response])[1] == Verdict("", accepted=False, malformed=True)


@pytest.mark.parametrize("mechanism", [Mechanism.XOAUTH2, Mechanism.OAUTHBEARER])
def test_a_refused_token_is_explained_in_a_challenge(mechanism):
    message = {
        Mechanism.XOAUTH2: b"user=ann\x01auth=Bearer old\x01\x01",
        Mechanism.OAUTHBEARER: b"n,a=ann,\x01auth=Bearer old\x01\x01",
    }[mechanism]
    challenges, verdict = run(mechanism, [message])
    assert verdict is None
    assert b'"status": "401"' in challenges[1]


@pytest.mark.parametrize(
    ("mechanism", "responses"),
    [
        (Mechanism.PLAIN, [b"\0x\0y"]),
        (Mechanism.LOGIN, [b"x", b"y"]),
        (Mechanism.CRAM_MD5, [b"x 00"]),
        (Mechanism.XOAUTH2, [b"user=x\x01auth=Bearer y\x01\x01"]),
        (Mechanism.OAUTHBEARER, [b"n,a=x,\x01auth=Bearer y\x01\x01"]),
    ],
)
def test_without_a_list_everybody_may_sign_in(mechanism, responses):
    assert run(mechanism, responses, Users())[1] == Verdict("x", accepted=True)


@pytest.mark.parametrize("text", ["ann", ":secret", "ann:", ""])
def test_a_user_is_a_name_and_a_password(text):
    with pytest.raises(InvalidSetting):
        read_users([text], [])


def test_a_password_may_have_colons_and_is_not_printed():
    users = read_users(["ann:a:b:c"], [])
    assert users.password_fits("ann", "a:b:c")
    assert "a:b:c" not in repr(users)


def test_a_list_of_tokens_alone_lets_no_password_in():
    users = read_users([], ["ann:t0ken"])
    assert not users.password_fits("ann", "t0ken")
    assert users.token_fits("ann", "t0ken")
    assert not users.token_fits("bob", "t0ken")
