"""Facts about the database as a whole."""

from sqlalchemy import Connection, select

from mailwright.store.schema import fact


def facts(conn: Connection, prefix: str = "") -> dict[str, str]:
    """Those whose names begin so."""
    statement = select(fact.c.name, fact.c.value).where(fact.c.name.startswith(prefix, autoescape=True))
    return {row.name: row.value for row in conn.execute(statement.order_by(fact.c.name))}
