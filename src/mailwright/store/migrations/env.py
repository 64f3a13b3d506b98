"""Alembic's way in. It runs on the connection of `store.migrate`, which holds the lock and the transaction."""

from alembic import context

from mailwright.store.migrate import VERSION_TABLE
from mailwright.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
