"""The audit trail: append-only, each entry bound to the one before by its hash."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntry:
    number: int
    at: datetime
    actor: str
    workspace: str
    #: such as account.create, token.revoke, message.release
    action: str
    target: str
    details: Mapping[str, Any]
    previous_hash: str
    hash: str
