"""From the greeting to a session that takes mail, as conversations."""

import pytest

from mailwright.errors import (
    AuthNeedsTls,
    AuthNotOffered,
    InvalidAccount,
    ProtocolViolation,
    ServiceRefused,
    SignInRefused,
    TlsFailed,
    TlsNotOffered,
)
from mailwright.model.account import Mechanism, Outgoing, SignIn
from mailwright.protocol.sasl.client import choose
from mailwright.reply import Phase
from mailwright.secret import Secret
from tests.conversations.transcript import base64, converse


def server(**options):
    return Outgoing("mail.example.org", **{"security": "opportunistic", **options})


def test_a_server_without_extensions_is_ready_after_ehlo():
    opened = converse(
        server(security="none"),
        """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250 mail.example.org
        """,
    )
    assert not opened.capabilities.pipelining
    assert not opened.encrypted


def test_starttls_forgets_what_was_offered_before_it():
    """RFC 3207 section 4.2: what was said in clear text may have been said by somebody in between."""
    opened = converse(
        server(security="starttls"),
        """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250-CHUNKING
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        C: <TLS>
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 PIPELINING
        """,
    )
    assert opened.encrypted
    assert opened.capabilities.pipelining
    assert not opened.capabilities.chunking


def test_starttls_asked_for_and_not_offered_is_a_failure_never_clear_text():
    with pytest.raises(TlsNotOffered) as caught:
        converse(
            server(security="starttls"),
            """
            S: 220 mail.example.org
            C: EHLO client.example
            S: 250-mail.example.org
            S: 250 PIPELINING
            """,
        )
    assert caught.value.phase is Phase.STARTTLS


@pytest.mark.parametrize("security", ["starttls", "opportunistic"])
def test_starttls_offered_and_refused_is_a_failure_even_when_opportunistic(security):
    with pytest.raises(TlsFailed) as caught:
        converse(
            server(security=security),
            """
            S: 220 mail.example.org
            C: EHLO client.example
            S: 250-mail.example.org
            S: 250 STARTTLS
            C: STARTTLS
            S: 454 4.7.0 TLS not available
            """,
        )
    assert caught.value.reply.code == 454
    assert caught.value.temporary


def test_opportunistic_upgrades_where_it_can_and_goes_on_where_it_cannot():
    offered = """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        C: <TLS>
        C: EHLO client.example
        S: 250 mail.example.org
        """
    not_offered = """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250 mail.example.org
        """
    assert converse(server(security="opportunistic"), offered).encrypted
    assert not converse(server(security="opportunistic"), not_offered).encrypted


def test_security_none_never_upgrades_even_when_offered():
    opened = converse(
        server(security="none"),
        """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 STARTTLS
        """,
    )
    assert not opened.encrypted


def test_quirk_ehlo_refused_falls_back_to_helo():
    opened = converse(
        server(security="opportunistic"),
        """
        S: 220 old.example.org
        C: EHLO client.example
        S: 502 command not implemented
        C: HELO client.example
        S: 250 old.example.org
        """,
    )
    assert opened.capabilities.keywords == ()


def test_ehlo_refused_is_final_where_tls_is_required():
    with pytest.raises(ServiceRefused) as caught:
        converse(
            server(security="starttls"),
            """
            S: 220 old.example.org
            C: EHLO client.example
            S: 502 command not implemented
            """,
        )
    assert caught.value.phase is Phase.EHLO


@pytest.mark.parametrize(("code", "temporary"), [(421, True), (450, True), (554, False)])
def test_a_server_that_does_not_greet_us_is_told_with_its_words(code, temporary):
    with pytest.raises(ServiceRefused) as caught:
        converse(server(security="none"), f"S: {code} 4.3.2 not now")
    assert caught.value.phase is Phase.GREETING
    assert caught.value.temporary is temporary
    assert caught.value.reply.text.endswith("not now")


PLAIN_ANN = base64("␀ann␀secret")


def test_plain_sends_everything_in_one_line():
    opened = converse(
        server(username="ann", password="secret"),
        f"""
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 AUTH LOGIN PLAIN
        C: AUTH PLAIN {PLAIN_ANN}
        S: 235 2.7.0 welcome
        """,
        encrypted=True,
    )
    assert opened.signed_in_by is Mechanism.PLAIN


def test_login_answers_two_questions_whatever_their_wording():
    opened = converse(
        server(username="ann", password="secret", mechanism="login"),
        """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 AUTH LOGIN
        C: AUTH LOGIN
        S: 334 «user?»
        C: «ann»
        S: 334
        C: «secret»
        S: 235 ok
        """,
        encrypted=True,
    )
    assert opened.signed_in_by is Mechanism.LOGIN


def test_cram_md5_answers_the_example_of_rfc_2195():
    opened = converse(
        server(username="tim", password="tanstaaftanstaaf"),
        """
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 AUTH CRAM-MD5
        C: AUTH CRAM-MD5
        S: 334 «<1896.697170952@postoffice.reston.mci.net>»
        C: «tim b913a602c7eda7a495b4e6e7334d3890»
        S: 235 ok
        """,
    )
    assert opened.signed_in_by is Mechanism.CRAM_MD5


SCRAM_START = """
    S: 220 mail.example.org
    C: EHLO client.example
    S: 250-mail.example.org
    S: 250 AUTH SCRAM-SHA-256 PLAIN
    C: AUTH SCRAM-SHA-256 «n,,n=user,r=rOprNGfwEbeRWgbNEkqO»
    S: 334 «r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096»
    C: «c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=»
"""


def test_scram_sha_256_speaks_the_example_of_rfc_7677():
    opened = converse(
        server(username="user", password="pencil"),
        SCRAM_START
        + """
        S: 334 «v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=»
        C:
        S: 235 ok
        """,
    )
    assert opened.signed_in_by is Mechanism.SCRAM_SHA_256


def test_quirk_scram_final_in_success():
    opened = converse(
        server(username="user", password="pencil"),
        SCRAM_START + "S: 235 «v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=»",
    )
    assert opened.signed_in_by is Mechanism.SCRAM_SHA_256


def test_a_scram_server_that_does_not_prove_itself_is_not_believed():
    with pytest.raises(ProtocolViolation, match="without proving"):
        converse(server(username="user", password="pencil"), SCRAM_START + "S: 235 2.7.0 welcome")


def test_a_scram_server_that_proves_the_wrong_thing_is_not_believed():
    with pytest.raises(ProtocolViolation, match="does not know the password"):
        converse(server(username="user", password="pencil"), SCRAM_START + "S: 334 «v=AAAAAAAAAAA=»")


@pytest.mark.parametrize(
    ("challenge", "what"),
    [
        ("r=other,s=QSXCR+Q6sek8bf92,i=4096", "nonce"),
        ("r=rOprNGfwEbeRWgbNEkqO,s=QSXCR+Q6sek8bf92,i=4096", "nonce"),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QSXCR+Q6sek8bf92,i=999999999", "iteration"),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=QSXCR+Q6sek8bf92,i=0", "iteration"),
        ("r=rOprNGfwEbeRWgbNEkqOx,s=***,i=4096", "base64"),
    ],
)
def test_a_scram_challenge_that_is_wrong_is_refused(challenge, what):
    script = "\n".join(SCRAM_START.strip().splitlines()[:5])
    with pytest.raises(ProtocolViolation, match=what):
        converse(server(username="user", password="pencil"), f"{script}\nS: 334 «{challenge}»")


def test_scram_is_preferred_because_the_server_never_sees_the_password():
    sign_in = SignIn("ann", Secret("secret"))
    chosen = choose(sign_in, ["LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256"], clear_text_allowed=True)
    assert chosen is Mechanism.SCRAM_SHA_256


def test_xoauth2_sends_the_token_and_hears_why_it_is_refused():
    message = "«user=ann@example.org␁auth=Bearer token␁␁»"
    script = f"""
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 AUTH XOAUTH2
        C: AUTH XOAUTH2 {message}
    """
    account = server(username="ann@example.org", access_token="token")
    assert converse(account, script + "S: 235 2.7.0 ok", encrypted=True).signed_in_by is Mechanism.XOAUTH2
    with pytest.raises(SignInRefused, match="status 401") as caught:
        converse(
            account,
            script
            + """
            S: 334 «{"status":"401","schemes":"bearer"}»
            C:
            S: 535 5.7.8 not accepted
            """,
            encrypted=True,
        )
    assert "token" in caught.value.hint


def test_oauthbearer_is_preferred_and_ends_a_refusal_as_rfc_7628_says():
    account = server(username="ann@example.org", access_token="token")
    message = "«n,a=ann@example.org,␁auth=Bearer token␁␁»"
    with pytest.raises(SignInRefused, match="invalid_token"):
        converse(
            account,
            f"""
            S: 220 mail.example.org
            C: EHLO client.example
            S: 250-mail.example.org
            S: 250 AUTH XOAUTH2 OAUTHBEARER
            C: AUTH OAUTHBEARER {message}
            S: 334 «{{"status":"invalid_token"}}»
            C: AQ==
            S: 535 5.7.8 not accepted
            """,
            encrypted=True,
        )


def test_a_token_too_long_for_one_line_waits_for_the_servers_question():
    """RFC 4954 section 4: an AUTH command has at most 12288 octets."""
    token = "x" * 10_000
    converse(
        server(username="ann", access_token=token),
        f"""
        S: 220 mail.example.org
        C: EHLO client.example
        S: 250-mail.example.org
        S: 250 AUTH XOAUTH2
        C: AUTH XOAUTH2
        S: 334
        C: «user=ann␁auth=Bearer {token}␁␁»
        S: 235 ok
        """,
        encrypted=True,
    )


GREETED = """
    S: 220 mail.example.org
    C: EHLO client.example
    S: 250-mail.example.org
"""


def test_credentials_without_an_offer_to_use_them_are_an_error_and_nothing_is_skipped_silently():
    """Checklist 6 and the pain of credentials that look used and are not."""
    with pytest.raises(AuthNotOffered):
        converse(server(username="ann", password="secret"), GREETED + "S: 250 PIPELINING", encrypted=True)


def test_a_password_does_not_travel_in_clear_text_to_a_server_elsewhere():
    account = server(security="none", username="ann", password="secret")
    with pytest.raises(AuthNeedsTls):
        converse(account, GREETED + "S: 250 AUTH PLAIN LOGIN")


@pytest.mark.parametrize(
    ("options", "given"), [({"allow_clear_text_password": True}, {}), ({}, {"local": True}), ({}, {"encrypted": True})]
)
def test_a_password_travels_where_it_is_safe_or_the_account_says_so(options, given):
    account = server(security="none", username="ann", password="secret", **options)
    converse(account, GREETED + f"S: 250 AUTH PLAIN\nC: AUTH PLAIN {PLAIN_ANN}\nS: 235 ok", **given)


def test_a_forced_mechanism_that_is_not_offered_names_both_sides():
    account = server(username="ann", password="secret", mechanism="CRAM-MD5")
    with pytest.raises(AuthNotOffered, match="the server offers PLAIN; this account can use CRAM-MD5"):
        converse(account, GREETED + "S: 250 AUTH PLAIN", encrypted=True)


def test_a_mechanism_that_cannot_use_the_credential_is_a_mistake_in_the_account():
    account = server(username="ann", access_token="token", mechanism="PLAIN")
    with pytest.raises(InvalidAccount, match="PLAIN cannot use an access token"):
        converse(account, GREETED + "S: 250 AUTH PLAIN", encrypted=True)


def test_quirk_auth_with_equals():
    converse(
        server(username="ann", password="secret"),
        GREETED + f"S: 250-AUTH=PLAIN\nS: 250 AUTH=LOGIN\nC: AUTH PLAIN {PLAIN_ANN}\nS: 235 ok",
        encrypted=True,
    )


def test_a_refused_password_keeps_the_servers_words_and_shows_no_secret():
    account = server(username="ann", password="secret")
    with pytest.raises(SignInRefused) as caught:
        converse(account, GREETED + f"S: 250 AUTH PLAIN\nC: AUTH PLAIN {PLAIN_ANN}\nS: 535 5.7.8 wrong", encrypted=True)
    error = caught.value
    assert (error.reply.code, error.reply.enhanced, error.reply.text) == (535, "5.7.8", "wrong")
    assert error.reply.command == "AUTH PLAIN ***"
    assert "secret" not in repr(error) + str(error) + str(error.to_json())
    assert PLAIN_ANN not in repr(error) + str(error) + str(error.to_json())


def test_421_in_the_middle_of_the_sign_in_is_the_server_going_away():
    with pytest.raises(ServiceRefused) as caught:
        converse(
            server(username="ann", password="secret"),
            GREETED + f"S: 250 AUTH PLAIN\nC: AUTH PLAIN {PLAIN_ANN}\nS: 421 4.7.0 too many",
            encrypted=True,
        )
    assert caught.value.phase is Phase.AUTH
