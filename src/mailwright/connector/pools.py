"""One pool of sessions for each server and sign-in, made when it is first asked for."""

import asyncio

from mailwright.model.account import Outgoing
from mailwright.transport.dial import Dialler
from mailwright.transport.smtp_pool import SmtpPool
from mailwright.transport.tls import TlsContexts

#: with more pools than this, those that nobody uses are forgotten
_MANY_POOLS = 256


class Pools:
    def __init__(self, dialler: Dialler, contexts: TlsContexts, ehlo_name: str) -> None:
        self._dialler = dialler
        self._contexts = contexts
        self._ehlo_name = ehlo_name
        self._pools: dict[Outgoing, SmtpPool] = {}
        # Hashing an account costs as much as sending a command; the same object is the usual case.
        self._by_identity: dict[int, tuple[Outgoing, SmtpPool]] = {}

    def pool(self, outgoing: Outgoing) -> SmtpPool:
        known = self._by_identity.get(id(outgoing))
        if known is not None:
            return known[1]
        pool = self._pools.get(outgoing)
        if pool is None:
            self._forget_unused()
            pool = self._pools[outgoing] = SmtpPool(outgoing, self._dialler, self._contexts, self._ehlo_name)
        if len(self._by_identity) > _MANY_POOLS:
            self._by_identity.clear()
        self._by_identity[id(outgoing)] = (outgoing, pool)
        return pool

    def _forget_unused(self) -> None:
        if len(self._pools) > _MANY_POOLS:
            self._by_identity.clear()
            self._pools = {outgoing: pool for outgoing, pool in self._pools.items() if not pool.unused}

    async def close(self) -> None:
        """Lets messages under way finish, says goodbye to the servers."""
        self._by_identity.clear()
        try:
            await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        finally:
            for pool in self._pools.values():
                pool.abort()
            self._pools.clear()
