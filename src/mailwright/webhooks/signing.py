"""Signatures as Standard Webhooks 1.0.0 has them: receivers verify them with a library of their language.

Signed are the id, the time and the body, with HMAC-SHA256 (RFC 2104), once with each live secret: while a secret is
being rotated, a receiver that knows either one is content.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime

from mailwright.model.webhook import SigningSecret


def signed_headers(id: str, body: bytes, secrets: Iterable[SigningSecret], now: datetime) -> dict[str, str]:  # noqa: A002
    """`id` is the event's: the same at every attempt, so that a receiver knows what it has seen. The time is that of
    the attempt: receivers refuse what is older than some minutes, which stops who recorded one."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret.key, signed) for secret in secrets),
    }


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
