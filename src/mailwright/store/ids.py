"""New identifiers, of this moment."""

import secrets
import time

from mailwright.model.ids import make_id


def new_id(prefix: str) -> str:
    return make_id(prefix, time.time_ns() // 1_000_000, secrets.randbits(74))
