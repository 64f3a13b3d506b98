"""Who a bearer token stands for. Looked up once in a while, not for each request; its use is written in bundles."""

import asyncio
import time

from mailwright.connector.clock import now
from mailwright.connector.offices.parts import KnownToken, Parts
from mailwright.connector.offices.tokens import PREFIX, TokensOffice, access_of, token_hash
from mailwright.errors import StoreError, Unauthenticated
from mailwright.model.access import Access, Action
from mailwright.model.changes import TokensUsed
from mailwright.secret import Secret
from mailwright.store.commit import commit
from mailwright.store.queries.tokens import any_token, token_by_hash

#: a token that was revoked on another node works for this long at most
FRESH_SECONDS = 2.0
_FLUSH_SECONDS = 5.0
_MANY = 10_000
_HINT = "Authorization: Bearer mw_…"


class TokenDesk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._used: dict[str, int] = {}

    async def authenticate(self, secret: str) -> Access:
        """What a request with this token may do; its workspace is empty when that is for the request to say.
        Unauthenticated when there is no such token, or it is revoked or over."""
        if not secret.startswith(PREFIX):
            raise Unauthenticated(hint=_HINT)
        digest = token_hash(secret)
        known = self._parts.known_tokens.get(digest)
        if known is None or time.monotonic() - known.read_at > FRESH_SECONDS:
            known = await self._look_up(digest)
        token, at = known.token, now()
        if token.revoked_at is not None or token.expires_at.timestamp() * 1_000_000 <= at:
            raise Unauthenticated("the token is revoked or has expired", hint="make a new one")
        self._used[token.id] = at
        return access_of(token)

    async def _look_up(self, digest: bytes) -> KnownToken:
        # By its hash, in an index: how long that takes says nothing about the secret.
        token = await self._parts.database.read(lambda conn: token_by_hash(conn, digest))
        if token is None:
            self._parts.known_tokens.pop(digest, None)
            raise Unauthenticated(hint=_HINT)
        if len(self._parts.known_tokens) >= _MANY:
            self._parts.known_tokens.clear()
        known = self._parts.known_tokens[digest] = KnownToken(token, time.monotonic())
        return known

    async def first_token(self) -> Secret | None:
        """A token for everything, when there is none at all yet: the first start prints it."""
        if await self._parts.database.read(any_token):
            return None
        office = TokensOffice(self._parts, Access("first start", everywhere=True))
        made = await office.create("first start", [Action.ADMIN], workspace="", expires_in_days=365)
        return made.secret

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        used, self._used = self._used, {}
        if used:
            try:
                await commit(self._parts.database, [TokensUsed(used)])
            except StoreError:
                self._used = {**used, **self._used}
