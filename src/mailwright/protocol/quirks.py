"""Every leniency towards servers that do not follow the standard, by name. What is not listed here is an error.

A quirk is added with the sentence of what is seen in the wild, and with a test that carries its name.
"""

from enum import StrEnum


class Quirk(StrEnum):
    #: reply lines end with a lone LF (RFC 5321 section 2.3.8 wants CRLF)
    BARE_LF_REPLY = "bare_lf_reply"
    #: a reply is the three digits alone, without a space (allowed to receivers by RFC 5321 section 4.2)
    CODE_WITHOUT_TEXT = "code_without_text"
    #: `AUTH=PLAIN LOGIN` in the EHLO answer, as servers before RFC 2554 wrote it
    AUTH_WITH_EQUALS = "auth_with_equals"
    #: EHLO refused with 5xx, HELO taken (RFC 5321 section 4.1.4)
    EHLO_REFUSED = "ehlo_refused"
    #: 354 after every recipient was refused; answered with a lone dot (RFC 2920 section 3.1)
    DATA_WITHOUT_RECIPIENTS = "data_without_recipients"
    #: SCRAM's last server message arrives inside the 235 reply instead of a challenge of its own
    SCRAM_FINAL_IN_SUCCESS = "scram_final_in_success"


DESCRIPTIONS: dict[Quirk, str] = {
    Quirk.BARE_LF_REPLY: "Reply lines that end with a lone line feed are understood.",
    Quirk.CODE_WITHOUT_TEXT: "A reply may be its three digits alone.",
    Quirk.AUTH_WITH_EQUALS: "`AUTH=` in the EHLO answer is read like `AUTH `.",
    Quirk.EHLO_REFUSED: "A server that refuses EHLO is tried with HELO, unless TLS or a sign-in is required.",
    Quirk.DATA_WITHOUT_RECIPIENTS: "A 354 after every recipient was refused is answered with an empty message.",
    Quirk.SCRAM_FINAL_IN_SUCCESS: "The proof of a SCRAM server may stand in its 235 reply.",
}
