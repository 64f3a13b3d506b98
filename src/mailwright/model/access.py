"""Who may do what: tokens, their scopes, and the access that a call acts with."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailwright.errors import AccessDenied
from mailwright.model.ids import DEFAULT_WORKSPACE


class Action(StrEnum):
    """What a token may be allowed to do. `admin` is everything, in all workspaces where the token names none."""

    SEND = "send"
    MESSAGES_READ = "messages:read"
    #: bodies and subjects of messages, beside their state
    MESSAGES_CONTENT = "messages:content"
    MESSAGES_MANAGE = "messages:manage"
    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_MANAGE = "accounts:manage"
    EVENTS_READ = "events:read"
    WEBHOOKS_MANAGE = "webhooks:manage"
    SUPPRESSIONS_MANAGE = "suppressions:manage"
    TOKENS_MANAGE = "tokens:manage"
    WORKSPACES_MANAGE = "workspaces:manage"
    AUDIT_READ = "audit:read"
    METRICS_READ = "metrics:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Access:
    """What one call may do. It is made at the edge, from a token or by the program that embeds us."""

    #: who acts, for the audit trail: a token's id, `library`, `cli`
    actor: str
    workspace: str = DEFAULT_WORKSPACE
    actions: frozenset[Action] = frozenset({Action.ADMIN})
    #: names of accounts it is limited to; None: all of the workspace
    accounts: frozenset[str] | None = None
    #: it may go to any workspace and manage them all; otherwise `admin` means this one
    everywhere: bool = False

    def allows(self, action: Action) -> bool:
        return action in self.actions or Action.ADMIN in self.actions

    def require(self, action: Action) -> None:
        if not self.allows(action):
            raise AccessDenied(f"the token has no scope {action}", hint="use a token that has it")

    def require_everywhere(self) -> None:
        self.require(Action.ADMIN)
        if not self.everywhere:
            raise AccessDenied("the token is for one workspace", hint="use a token for all workspaces")

    def sees(self, account: str) -> bool:
        return self.accounts is None or account in self.accounts


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without its secret, which is shown once and kept as a hash."""

    id: str
    name: str
    #: empty: all workspaces (needs `admin`)
    workspace: str
    actions: frozenset[Action]
    accounts: frozenset[str] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
