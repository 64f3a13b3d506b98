"""Who holds what for long: one watcher for each mailbox, one sweeper for all.

A lease that was not renewed in time may be taken by anybody, with a higher token. The token is the fence: what its
holder writes is written under the condition that the token is still this one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, TextClause, bindparam, text

from mailwright.store.database import Database
from mailwright.work.clock import DATABASE_CLOCK, SECOND, steady_clock

# A lease that was given back stays as a row, so that its token goes on from there.
_ACQUIRE = """\
INSERT INTO lease (resource, holder, token, until) VALUES (:resource, :holder, 1, CLOCK + :ttl_us)
ON CONFLICT (resource) DO UPDATE SET holder = excluded.holder, token = lease.token + 1, until = excluded.until
WHERE lease.until <= CLOCK RETURNING token"""

_RENEW = """\
UPDATE lease SET until = CLOCK + :ttl_us WHERE holder = :holder AND resource IN :resources RETURNING resource, token"""

_RELEASE = """\
UPDATE lease SET holder = '', until = 0 WHERE resource = :resource AND token = :token AND holder = :holder
RETURNING resource"""

_HELD = "SELECT resource, holder FROM lease WHERE until > CLOCK"


class Lease(NamedTuple):
    resource: str
    token: int
    #: `clock.steady_clock()` when it ends, a little early
    deadline: float


class _Acquiring(NamedTuple):
    resource: str
    ttl_us: int
    now: int


class _Renewing(NamedTuple):
    resources: tuple[str, ...]
    ttl_us: int
    now: int


class Leases:
    """Of one holder, such as a running process. `now` is read on SQLite only."""

    def __init__(
        self,
        database: Database,
        holder: str,
        *,
        database_clock: str = DATABASE_CLOCK,
        steady: Callable[[], float] = steady_clock,
    ) -> None:
        clock = ":now" if database.dialect == "sqlite" else database_clock
        self._database = database
        self._holder = holder
        self._steady = steady
        self._acquiring, self._releasing = _statement(_ACQUIRE, clock), _statement(_RELEASE, clock)
        self._renewing = _statement(_RENEW, clock).bindparams(bindparam("resources", expanding=True))
        self._holding = _statement(_HELD, clock)

    async def acquire(self, resource: str, *, ttl_seconds: float, now: int) -> Lease | None:
        """None: somebody holds it, perhaps we ourselves."""
        deadline = self._steady() + ttl_seconds
        token = await self._database.write(self._acquire, _Acquiring(resource, round(ttl_seconds * SECOND), now))
        return None if token is None else Lease(resource, token, deadline)

    async def renew(self, leases: Sequence[Lease], *, ttl_seconds: float, now: int) -> list[Lease | None]:
        """Each with its new deadline; None: it is lost."""
        if not leases:
            return []
        deadline = self._steady() + ttl_seconds
        resources = tuple(lease.resource for lease in leases)
        tokens = await self._database.write(self._renew, _Renewing(resources, round(ttl_seconds * SECOND), now))
        return [
            lease._replace(deadline=deadline) if tokens.get(lease.resource) == lease.token else None for lease in leases
        ]

    async def release(self, lease: Lease) -> bool:
        """False: it was lost before."""
        return await self._database.write(self._release, lease)

    async def holders(self, *, now: int) -> dict[str, str]:
        """Who holds what: everything that is not free."""

        def look(conn: Connection) -> dict[str, str]:
            return dict(tuple(row) for row in conn.execute(self._holding, {"now": now}))

        return await self._database.read(look)

    def _acquire(self, conn: Connection, several: Sequence[_Acquiring]) -> list[int | None]:
        # In one order for everybody, so that two who want the same do not wait for each other.
        tokens: dict[int, int | None] = {}
        for place in sorted(range(len(several)), key=lambda place: several[place].resource):
            wanted = {**several[place]._asdict(), "holder": self._holder}
            tokens[place] = conn.execute(self._acquiring, wanted).scalar_one_or_none()
        return [tokens[place] for place in range(len(several))]

    def _renew(self, conn: Connection, several: Sequence[_Renewing]) -> list[dict[str, int]]:
        return [
            dict(tuple(row) for row in conn.execute(self._renewing, {**wanted._asdict(), "holder": self._holder}))
            for wanted in several
        ]

    def _release(self, conn: Connection, leases: Sequence[Lease]) -> list[bool]:
        return [
            conn.execute(
                self._releasing, {"resource": lease.resource, "token": lease.token, "holder": self._holder}
            ).first()
            is not None
            for lease in leases
        ]


def _statement(spelled: str, clock: str) -> TextClause:
    return text(spelled.replace("CLOCK", clock))
