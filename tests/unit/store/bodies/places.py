"""The places that bodies are kept at, and somebody who has rows that point at them."""

import base64
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import create_engine, text

from mailwright.store.bodies.directory import DirectoryBodies
from mailwright.store.bodies.postgres import PostgresBodies
from mailwright.store.keyring import Keyring, open_keyring
from mailwright.store.schema import body

#: twice the grace period
LONG_AGO_SECONDS = 7200


def keyring_of(*names: str) -> Keyring:
    """The same name gives the same key."""
    keys = " ".join(f"{name}:{base64.b64encode((name * 32)[:32].encode()).decode()}" for name in names)
    return open_keyring(Path("/nonexistent"), now=datetime.now(UTC), keys=keys)


@dataclass
class Rows:
    """What the database says: id → ref. Whoever put a body and told nobody has no row."""

    refs: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    moves: list[tuple[str, str, str]] = field(default_factory=list)

    async def is_live(self, pairs):
        self.asked += pairs
        return {ref for body_id, ref in pairs if self.refs.get(body_id) == ref}

    async def moved(self, moves):
        self.moves += moves
        for body_id, old, new in moves:
            if self.refs.get(body_id) == old:
                self.refs[body_id] = new

    async def put(self, store, bodies) -> None:
        refs = await store.put_many(list(bodies.items()))
        self.refs.update(zip(bodies, refs, strict=True))

    async def read(self, store) -> dict[str, object]:
        answers = await store.get_many(list(self.refs.items()))
        return dict(zip(self.refs, answers, strict=True))


class DirectoryPlace:
    def __init__(self, directory: Path) -> None:
        self.directory = directory / "bodies"

    def open(self, keyring: Keyring, **options) -> DirectoryBodies:
        return DirectoryBodies(self.directory, keyring, **options)

    def segments(self) -> list[Path]:
        return sorted(self.directory.iterdir())

    def age(self) -> None:
        for path in self.segments():
            status = path.stat()
            os.utime(path, (status.st_atime, status.st_mtime - LONG_AGO_SECONDS))

    def raw(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.segments())

    def holds(self, body_id: str) -> bool:
        return body_id.encode() in self.raw()


class PostgresPlace:
    def __init__(self, url: str, undo: ExitStack) -> None:
        self.engine = create_engine(url)
        undo.callback(self.engine.dispose)
        body.create(self.engine)

    def open(self, keyring: Keyring, **options) -> PostgresBodies:
        return PostgresBodies(self.engine, body, keyring, **options)

    def age(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(f"UPDATE body SET created_at = created_at - {LONG_AGO_SECONDS * 1_000_000}"))

    def raw(self) -> bytes:
        with self.engine.begin() as connection:
            return b"".join(connection.execute(text("SELECT sealed FROM body")).scalars())

    def holds(self, body_id: str) -> bool:
        with self.engine.begin() as connection:
            found = connection.execute(text("SELECT count(*) FROM body WHERE id = :id"), {"id": body_id})
            return found.scalar_one() > 0


def several(prefix: str, count: int, size: int = 200) -> dict[str, bytes]:
    return {f"{prefix}_{number}": os.urandom(size) for number in range(count)}
