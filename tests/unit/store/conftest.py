import pytest

from mailwright.store.database import Database


@pytest.fixture
async def database(database_url):
    """Empty but for its tables, over SQLite and over PostgreSQL."""
    async with await Database.open(database_url) as opened:
        yield opened
