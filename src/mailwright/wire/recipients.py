"""Addresses as callers write them."""

from typing import Annotated

from msgspec import Meta

from mailwright.wire.base import Wire


class AddressIn(Wire):
    """A mailbox with the name that people see."""

    address: Annotated[str, Meta(max_length=500, description="Such as ann@example.org.")]
    name: Annotated[str, Meta(max_length=500, description="Shown beside the address.")] = ""


#: text may hold several, separated by commas or semicolons, and groups (RFC 5322 section 3.4)
RecipientsIn = str | list[str | AddressIn]


def as_recipients(value: RecipientsIn | None) -> str | list[str | dict[str, str]] | None:
    """In the form that `Message` reads."""
    if value is None or isinstance(value, str):
        return value
    return [item if isinstance(item, str) else {"address": item.address, "name": item.name} for item in value]
