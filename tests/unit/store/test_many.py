"""Many rows by one statement, whatever their number."""

import pytest
from sqlalchemy import text

from mailwright.store.many import Given, insert_rows, with_given

GIVEN = Given((("name", "text"), ("value", "text")))


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 15, 16, 17, 31, 128, 200])
async def test_every_row_is_written_once_however_many_there_are(database, count):
    rows = [(f"name {number}", f"value {number}") for number in range(count)]

    def write(connection, _items):
        insert_rows(connection, "fact", ("name", "value"), rows)
        return [None]

    await database.write(write, None)
    written = await database.read(
        lambda connection: connection.execute(text("SELECT name, value FROM fact WHERE name LIKE 'name %'")).all()
    )
    assert sorted(map(tuple, written)) == sorted(rows)


@pytest.mark.parametrize("count", [0, 1, 3, 16, 20])
async def test_a_statement_sees_the_rows_it_was_given_and_no_other(database, count):
    rows = [(f"name {number}", None) for number in range(count)]

    def look(connection, _items):
        return [with_given(connection, GIVEN, "SELECT name, value FROM given", rows)]

    found = await database.write(look, None)
    assert sorted(map(tuple, found)) == sorted(rows)
