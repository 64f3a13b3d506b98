import pytest

from mailwright.store.database import Database
from tests.unit.work.kernel import Bench


@pytest.fixture
async def bench(database_url):
    async with await Database.open(database_url) as database:
        yield await Bench.on(database)
