"""A database with our tables, SQLite and PostgreSQL in turn, and a connection whose work is rolled back after a test.

The tables are made once: that takes longer than all the tests.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine

from mailwright.store.schema import metadata
from tests.unit.store.queries.given import Given


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('queries') / 'mailwright.db'}")
        metadata.create_all(engine)
        yield engine
        engine.dispose()
        return
    server = request.getfixturevalue("postgres_server").with_own_databases()
    engine = create_engine(server.fresh_database())
    metadata.create_all(engine)
    yield engine
    engine.dispose()
    server.drop_databases()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def given(conn: Connection) -> Given:
    return Given(conn)
