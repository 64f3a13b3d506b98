from contextlib import ExitStack

import pytest

from tests.unit.store.bodies.places import DirectoryPlace, PostgresPlace, Rows, keyring_of


@pytest.fixture(params=["directory", pytest.param("postgres", marks=pytest.mark.real)])
def place(request, tmp_path):
    """Somewhere empty. Opened several times it is what several processes share."""
    if request.param == "directory":
        yield DirectoryPlace(tmp_path)
        return
    postgres = request.getfixturevalue("postgres")
    with ExitStack() as undo:
        yield PostgresPlace(postgres.fresh_database(), undo)


@pytest.fixture
async def opened(place):
    """Opens a store over the place; all are closed at the end."""
    stores = []

    def open_store(keyring, **options):
        stores.append(place.open(keyring, **options))
        return stores[-1]

    yield open_store
    for store in stores:
        await store.close()


@pytest.fixture
def keyring():
    return keyring_of("one")


@pytest.fixture
def store(opened, keyring):
    return opened(keyring)


@pytest.fixture
def rows():
    return Rows()
