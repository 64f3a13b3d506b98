"""The two messages of the race, and the files in which the other processes find them.

small: 2 KB, text and HTML, not all ASCII. large: the same with 72 000 bytes attached (100 KB on the wire).
Message `number` names its number in the recipient, subject, a header, both bodies and the attachment, so that no
client can send what it made before.
"""

import base64
import json
import random
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

SENDER_NAME = "Jörg Sender"
SENDER = "sender@example.com"
RECEIVER_NAME = "René Receiver"
SUBJECT = "Your weekly report is ready: café"
FILENAME = "rapport-été.pdf"
ATTACHMENT_BYTES = 72_000
#: width of a reference, so that a ready message can be renumbered in place
REFERENCE_DIGITS = 10

_words = random.Random(7)
_VOCABULARY = ("account", "invoice", "meeting", "report", "weekly", "update", "customer", "order", "shipped", "please")
_VOCABULARY += ("review", "attached", "thanks", "regards", "café", "naïve", "über")


def _paragraph() -> str:
    return " ".join(_words.choice(_VOCABULARY) for _ in range(18))


TEXT = "Hello René,\n\n" + "\n\n".join(_paragraph() for _ in range(4)) + "\n\n. a leading dot\n.\nBest regards\n"
HTML = (
    "<html><head><style>p{margin:0}</style></head><body><h1>Hello René</h1>"
    + "\n".join(f"<p>{_paragraph()}</p>" for _ in range(5))
    + "\n"
)
ATTACHMENT = _words.randbytes(ATTACHMENT_BYTES)


def recipient(number: int) -> str:
    return f"rcpt{number}@example.com"


def reference(number: int) -> str:
    return f"{number:0{REFERENCE_DIGITS}d}"


def text(number: int) -> str:
    return f"{TEXT}Reference {reference(number)}\n"


def html(number: int) -> str:
    return f"{HTML}<p>Reference {reference(number)}</p></body></html>\n"


def attachment(number: int) -> bytes:
    return reference(number).encode() + ATTACHMENT[REFERENCE_DIGITS:]


def standard_library_message(number: int, *, large: bool) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = f"{SENDER_NAME} <{SENDER}>"
    message["To"] = f"{RECEIVER_NAME} <{recipient(number)}>"
    message["Subject"] = f"{SUBJECT} {number}"
    message["Date"] = "Thu, 20 Nov 2025 11:22:33 +0000"
    message["Message-ID"] = f"<{reference(number)}.abcdef@example.com>"
    message["X-Token"] = reference(number)
    message.set_content(text(number))
    message.add_alternative(html(number), subtype="html")
    if large:
        message.add_attachment(attachment(number), maintype="application", subtype="pdf", filename=FILENAME)
    return message


def ready_messages(*, large: bool, count: int) -> list[bytes]:
    """Finished bytes, each with its own X-Token."""
    whole = standard_library_message(0, large=large).as_bytes()
    before, mark, after = whole.partition(b"X-Token: " + reference(0).encode())
    assert mark
    return [b"%bX-Token: %b%b" % (before, reference(number).encode(), after) for number in range(count)]


def write_files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, large in (("small", False), ("large", True)):
        ready = ready_messages(large=large, count=1)[0]
        (folder / f"{name}.eml").write_bytes(ready)
        # With its leading dots doubled (RFC 5321 section 4.5.2), for a client that does nothing but write.
        (folder / f"{name}.wire").write_bytes(ready.replace(b"\r\n.", b"\r\n.."))
    parts = {
        "subject": SUBJECT,
        "text": TEXT,
        "html": HTML,
        "attachment": base64.b64encode(ATTACHMENT).decode(),
        "filename": FILENAME,
        "senderName": SENDER_NAME,
        "sender": SENDER,
        "receiverName": RECEIVER_NAME,
        "referenceDigits": REFERENCE_DIGITS,
    }
    (folder / "parts.json").write_text(json.dumps(parts))
