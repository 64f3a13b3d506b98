"""What is particular to bodies in PostgreSQL."""

import asyncio
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine, text

from mailwright.errors import BodyNotStored, StoreError
from mailwright.store.bodies import postgres as backend
from mailwright.store.bodies.postgres import PostgresBodies
from mailwright.store.schema import body
from tests.unit.store.bodies.places import PostgresPlace, keyring_of, several

pytestmark = pytest.mark.real


@pytest.fixture
def place(postgres):
    with ExitStack() as undo:
        yield PostgresPlace(postgres.fresh_database(), undo)


async def test_callers_at_once_share_a_transaction(place, store, rows):
    await asyncio.gather(*(rows.put(store, {body_id: body}) for body_id, body in several("msg", 200).items()))
    with place.engine.begin() as connection:
        transactions = connection.execute(text("SELECT count(DISTINCT xmin::text) FROM body")).scalar_one()
    assert transactions <= 3


async def test_a_sweep_of_many_pages_asks_about_every_body_once(place, store, rows, monkeypatch):
    monkeypatch.setattr(backend, "_PAGE", 7)
    bodies = several("msg", 40)
    await rows.put(store, bodies)
    rows.refs = {body_id: ref for body_id, ref in rows.refs.items() if body_id.endswith("3")}
    place.age()
    report = await store.sweep(rows.is_live, rows.moved)
    assert sorted(body_id for body_id, _ in rows.asked) == sorted(bodies)
    assert report.removed == 36
    assert report.freed_bytes > 36 * 200
    assert await rows.read(store) == {body_id: bodies[body_id] for body_id in rows.refs}


async def test_a_change_of_keys_goes_by_small_steps_and_misses_none(place, opened, rows, monkeypatch):
    monkeypatch.setattr(backend, "_RESEAL", 3)
    bodies = several("msg", 20)
    await rows.put(opened(keyring_of("one")), bodies)
    place.age()
    report = await opened(keyring_of("one", "two")).sweep(rows.is_live, rows.moved, thorough=True)
    assert (report.moved, report.removed, report.postponed) == (20, 0, 0)
    assert rows.moves == []
    assert await rows.read(opened(keyring_of("two"))) == bodies


async def test_a_database_that_is_away_is_a_clear_error_and_shows_nothing_of_what_was_put(keyring):
    engine = create_engine("postgresql+psycopg://nobody:hunter2@127.0.0.1:1/nothing")
    store = PostgresBodies(engine, body, keyring)
    with pytest.raises(BodyNotStored) as caught:
        await store.put_many([("msg_1", b"x")])
    assert str(caught.value) == "no body can be stored in the database: OperationalError"
    with pytest.raises(StoreError, match="cannot be asked for bodies: OperationalError"):
        await store.get("msg_1", "msg_1")
    await store.close()
    engine.dispose()


async def test_after_the_database_refused_once_the_next_body_is_stored(place, store, rows):
    with place.engine.begin() as connection:
        connection.execute(text("ALTER TABLE body RENAME TO away"))
    with pytest.raises(BodyNotStored, match="UndefinedTable"):
        await store.put_many([("msg_1", b"x")])
    with pytest.raises(StoreError, match="UndefinedTable"):
        await store.get("msg_1", "msg_1")
    with place.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO body"))
    await rows.put(store, {"msg_1": b"x"})
    assert await rows.read(store) == {"msg_1": b"x"}


async def test_after_the_server_ended_the_connections_the_next_question_is_answered(place, store, rows):
    await rows.put(store, {"msg_1": b"x"})
    with place.engine.connect() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
        connection.execute(text(f"{end} current_database()"))
    for _ in range(10):
        answers = await asyncio.gather(*(_try(store, rows) for _ in range(4)))
        if all(answer == {"msg_1": b"x"} for answer in answers):
            break
    else:
        pytest.fail("the store still asks over connections that are dead")


async def _try(store, rows):
    try:
        return await rows.read(store)
    except StoreError:
        return None
