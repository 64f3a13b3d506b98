"""API tokens: 256 random bits, shown once, kept as a hash."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mailwright.connector.calls import NewToken
from mailwright.connector.clock import now
from mailwright.connector.offices.desk import OfficePart, page_size
from mailwright.errors import AccessDenied, InvalidInput, NotFound
from mailwright.model.access import Access, Action, ApiToken
from mailwright.model.changes import PutToken, RevokeToken
from mailwright.model.page import Page
from mailwright.secret import Secret
from mailwright.store.ids import new_id
from mailwright.store.queries.tokens import token_by_id, token_page
from mailwright.store.queries.workspaces import workspace_by_name

#: so that a token is recognised wherever it turns up, by people and by scanners for leaked secrets
PREFIX = "mw_"
MAX_DAYS = 3650


def token_hash(secret: str) -> bytes:
    # 256 random bits cannot be guessed from their hash: nothing slower is needed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class TokensOffice(OfficePart):
    async def create(
        self,
        name: str,
        actions: Sequence[Action],
        *,
        workspace: str | None = None,
        accounts: Sequence[str] | None = None,
        expires_in_days: int = 90,
    ) -> NewToken:
        self._access.require(Action.TOKENS_MANAGE)
        wanted = frozenset(map(Action, actions))
        home = self._workspace if workspace is None else workspace
        self._check(name, wanted, home, accounts, expires_in_days)
        if home and await self._read(lambda conn: workspace_by_name(conn, home)) is None:
            raise NotFound(f"there is no workspace {home!r}", field="workspace")
        secret = PREFIX + secrets.token_urlsafe(32)
        at = datetime.now(UTC)
        token = ApiToken(
            id=new_id("tok"),
            name=name,
            workspace=home,
            actions=wanted,
            accounts=frozenset(accounts) if accounts is not None else self._access.accounts,
            created_at=at,
            expires_at=at + timedelta(days=expires_in_days),
        )
        details = {"name": name, "workspace": home, "actions": sorted(wanted)}
        await self._commit(PutToken(token, token_hash(secret)), self._audited("token.create", token.id, details))
        return NewToken(token, Secret(secret))

    def _check(
        self, name: str, wanted: frozenset[Action], home: str, accounts: Sequence[str] | None, days: int
    ) -> None:
        access = self._access
        if not name.strip() or len(name) > 100:
            raise InvalidInput("a token has a name of 1 to 100 characters", field="name")
        if not wanted:
            raise InvalidInput("a token allows at least one action", field="actions")
        if not 1 <= days <= MAX_DAYS:
            raise InvalidInput(f"a token is good for 1 to {MAX_DAYS} days", field="expires_in_days")
        if Action.ADMIN not in access.actions and not wanted <= access.actions:
            raise AccessDenied("nobody gives away more than they have", field="actions")
        if home != self._workspace:
            access.require_everywhere()
        if not home and Action.ADMIN not in wanted:
            raise InvalidInput("a token for all workspaces needs the scope admin", field="workspace")
        if access.accounts is not None and (accounts is None or not set(accounts) <= access.accounts):
            raise AccessDenied("nobody gives away more accounts than they have", field="accounts")

    async def list(self, *, cursor: str = "", limit: int = 50) -> Page[ApiToken]:
        self._access.require(Action.TOKENS_MANAGE)
        return await self._read(
            lambda conn: token_page(
                conn, None if self._access.everywhere else self._workspace, cursor=cursor, limit=page_size(limit)
            )
        )

    async def revoke(self, id: str) -> None:
        self._access.require(Action.TOKENS_MANAGE)
        token = await self._read(lambda conn: token_by_id(conn, id))
        mine = token is not None and (token.workspace == self._workspace or self._access.everywhere)
        if not mine:
            raise NotFound("there is no such token", field="id")
        await self._commit(RevokeToken(id, now()), self._audited("token.revoke", id))
        self._parts.known_tokens.clear()


def access_of(token: ApiToken) -> Access:
    return Access(
        actor=token.id,
        workspace=token.workspace,
        actions=token.actions,
        accounts=token.accounts,
        everywhere=not token.workspace,
    )
