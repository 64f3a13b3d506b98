"""The header of a message, without what describes its body."""

from datetime import datetime
from urllib.parse import quote

from mailwright.mime.custom import custom_fields
from mailwright.mime.fields import (
    address_field,
    checked_identifier,
    date_field,
    folded,
    identifier_field,
    mailbox_field,
    text_field,
)
from mailwright.model.account import Account
from mailwright.model.address import Address
from mailwright.model.message import Message, Priority, Unsubscribe

# RFC 4021 names Importance; the two others are what mail programs read.
_PRIORITY_FIELDS = {
    Priority.HIGH: ("X-Priority: 1 (Highest)", "X-MSMail-Priority: High", "Importance: High"),
    Priority.NORMAL: (),
    Priority.LOW: ("X-Priority: 5 (Lowest)", "X-MSMail-Priority: Low", "Importance: Low"),
}


def header_fields(message: Message, account: Account, *, author: Address, now: datetime, message_id: str) -> list[str]:
    """In the order in which people expect to read them. Bcc is in the envelope only: no field ever names it."""
    fields = [date_field(message.date or now), _from_field(message, account, author)]
    if message.reply_to:
        fields.append(address_field("Reply-To", message.reply_to, "reply_to"))
    if message.to:
        fields.append(address_field("To", message.to, "to"))
    if message.cc:
        fields.append(address_field("Cc", message.cc, "cc"))
    elif not message.to:
        # RFC 5322 appendix A.1.3: an empty group says that there are recipients, and not who.
        fields.append("To: undisclosed-recipients:;")
    if message.subject:
        fields.append(text_field("Subject", message.subject, "subject"))
    fields.append(identifier_field("Message-ID", (message_id,), "message_id"))
    if message.in_reply_to or message.references:
        fields += _thread_fields(message)
    fields += _PRIORITY_FIELDS[message.priority]
    if message.auto_submitted is not None:
        fields.append(f"Auto-Submitted: {message.auto_submitted.value}")
    if message.unsubscribe is not None:
        fields += _unsubscribe_fields(message.unsubscribe)
    fields += custom_fields(message)
    fields.append("MIME-Version: 1.0")
    return fields


def _thread_fields(message: Message) -> list[str]:
    fields = []
    if message.in_reply_to:
        fields.append(identifier_field("In-Reply-To", (message.in_reply_to,), "in_reply_to"))
    # RFC 5322 section 3.6.4: an answer without further history refers to what it answers.
    references = message.references or (message.in_reply_to,)
    fields.append(identifier_field("References", references, "references"))
    return fields


def _from_field(message: Message, account: Account, author: Address) -> str:
    """The name beside the address: the message's, else that of its own From, else the account's full name."""
    if message.from_name:
        return mailbox_field("From", author, message.from_name, "from_name")
    if author.name:
        return mailbox_field("From", author, author.name, "from")
    return mailbox_field("From", author, account.display_name, "account.display_name")


def _unsubscribe_fields(unsubscribe: Unsubscribe) -> list[str]:
    """RFC 2369 section 3.2, the preferred way first; RFC 8058 section 3.1 for the one-click form."""
    ways = []
    if unsubscribe.url:
        ways.append(f"<{checked_identifier(unsubscribe.url, 'unsubscribe.url')}>")
    if unsubscribe.mailto is not None:
        # RFC 6068 section 2: what is not plain in an address is percent-encoded in its URI.
        uri = quote(unsubscribe.mailto.spec, safe="@!$'*+-._~")
        ways.append(f"<mailto:{checked_identifier(uri, 'unsubscribe.mailto')}>")
    fields = [folded("List-Unsubscribe", [f"{way}," for way in ways[:-1]] + ways[-1:])]
    if unsubscribe.one_click:
        fields.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    return fields
