"""Addresses that get no more mail, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SuppressionReason(StrEnum):
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Suppression:
    workspace: str
    #: in lower case
    address: str
    #: the list that was left; empty: all mail of the workspace
    list: str
    reason: SuppressionReason
    created_at: datetime
    #: the message that led to it; empty when none did
    message: str = ""
    note: str = ""
