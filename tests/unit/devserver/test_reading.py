"""A caught mail for people to read: whatever the bytes are, something is shown."""

from email.message import EmailMessage

from hypothesis import given, strategies as st

from mailwright.devserver.reading import Part, read


def test_a_usual_mail_is_taken_apart():
    mail = EmailMessage()
    mail["From"] = "Jörg Müller <joerg@example.com>"
    mail["Subject"] = "Grüße, eine ziemlich lange Betreffzeile, die gefaltet wird, weil sie nicht auf eine Zeile passt"
    mail.set_content("schönen Tag\n")
    mail.add_alternative("<p>schönen Tag</p>\n", subtype="html")
    mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="Rechnung für März.pdf")
    readable = read(mail.as_bytes().replace(b"\n", b"\r\n"))
    assert readable.header("from") == "Jörg Müller <joerg@example.com>"
    assert readable.header("Subject").startswith("Grüße, eine ziemlich lange")
    assert "\n" not in readable.header("Subject")
    assert (readable.text, readable.html) == ("schönen Tag\n", "<p>schönen Tag</p>\n")
    assert readable.parts == (Part("Rechnung für März.pdf", "application/pdf", 5),)
    assert readable.header("nothing") == ""


def test_raw_utf8_in_headers_is_read():
    assert read("Subject: Grüße 你好\r\n\r\n".encode()).header("Subject") == "Grüße 你好"


def test_text_in_an_unknown_charset_is_shown_all_the_same():
    raw = b"Subject: =?no-such?q?abc?=\r\nContent-Type: text/plain; charset=no-such\r\n\r\ncaf\xc3\xa9\r\n"
    assert read(raw).text == "café\n"
    assert "abc" in read(raw).header("Subject")


def test_a_second_text_is_a_part():
    raw = (
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n'
        b'--x\r\nContent-Disposition: attachment; filename="a.txt"\r\n\r\nthree\r\n--x--\r\n'
    )
    readable = read(raw)
    assert readable.text == "one"
    assert [(part.name, part.content_type) for part in readable.parts] == [("", "text/plain"), ("a.txt", "text/plain")]


_hostile = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: text/plain; charset=\xff\r\n",
        b"Content-Type: text/plain; charset*=x'y'%FF%00\r\n",
        b"Content-Type: text/html; name*0*=utf-16''%00\r\n",
        b"Content-Disposition: attachment; filename*=no-such''%E4\r\n",
        b"Content-Disposition: attachment; filename*1=x; filename*0*=''%ff\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: x-uuencode\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: text/plain; charset=idna\r\n",
        b"Content-Type: text/plain; charset=hex\r\n",
        b"Content-Type: text/plain; charset=utf-7\r\n",
        b"Subject: =?utf-8?b?=ff?=\r\n",
        b"Subject: =?utf-8?b?YQ=?= =?hex?q?zz?=\r\n",
        b"Subject: =?utf-16?q?a?=\r\n",
        b"Subject: =?idna?q?xn--?=\r\n",
        b"From: =?utf-8?q?=ED=A0=80?= \xed\xa0\x80\r\n",
        b"\r\n",
        b"--x\r\n",
        b"--x--\r\n",
        b"begin 644 x\r\n",
    ]
)


@given(st.lists(_hostile | st.binary(max_size=40), max_size=12).map(b"".join))
def test_no_bytes_make_reading_fail(raw):
    readable = read(raw)
    shown = [readable.text, readable.html, *(text for header in readable.headers for text in header)]
    for text in [*shown, *(part.name for part in readable.parts)]:
        # What is shown can be written to any terminal and into JSON.
        text.encode()
