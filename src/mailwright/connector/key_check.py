"""Whether the keys are those that this database was made with: known at start, not at the first read."""

from mailwright.model.changes import SetFact
from mailwright.store.commit import commit
from mailwright.store.database import Database
from mailwright.store.keyring import Keyring
from mailwright.store.queries.facts import facts

_PREFIX = "key/"


async def check_keys(database: Database, keyring: Keyring) -> None:
    """KeyringError when a key is missing or another one stands under its id."""
    known = await database.read(lambda conn: facts(conn, _PREFIX))
    keyring.check({name.removeprefix(_PREFIX): value for name, value in known.items()})
    new = [SetFact(_PREFIX + id, value) for id, value in keyring.fingerprints().items() if _PREFIX + id not in known]
    if new:
        await commit(database, new)
