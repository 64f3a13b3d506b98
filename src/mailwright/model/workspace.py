"""The tenant. Every row belongs to one, and nothing crosses."""

import re
from dataclasses import dataclass
from datetime import datetime

from mailwright.errors import InvalidInput

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class SafeMode:
    """Staging: nobody gets mail by accident. Off when both parts are empty."""

    #: everything goes to this address instead
    redirect_to: str = ""
    #: addresses and @domains that may get mail; others are refused when the message is accepted
    allow: tuple[str, ...] = ()

    @property
    def on(self) -> bool:
        return bool(self.redirect_to or self.allow)


@dataclass(frozen=True, slots=True)
class Workspace:
    #: its name, which is how everybody calls it
    id: str
    description: str
    created_at: datetime
    safe_mode: SafeMode = SafeMode()
    version: int = 1


def workspace_name(text: str) -> str:
    if not _NAME.match(text):
        raise InvalidInput(
            "a workspace is called by 1 to 63 small letters, digits, dots, hyphens and underscores", field="workspace"
        )
    return text
