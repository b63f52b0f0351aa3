"""Runs migrations on the connection that db.engine.migrate brings, inside its transaction."""

from alembic import context

from db.migrations import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
