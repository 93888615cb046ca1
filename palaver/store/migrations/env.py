"""Where Alembic meets our connection; it is run by ``store.migrate`` only."""

from __future__ import annotations

from alembic import context

from palaver.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
