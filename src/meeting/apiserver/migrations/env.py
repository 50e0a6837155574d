"""Alembic's environment: runs the revisions over the connection it is given. See `meeting.apiserver.migrations`."""

from alembic import context

from meeting.apiserver.migrations import BESIDE, schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema(),
    user_module_prefix="schema.",
    render_as_batch=True,  # SQLite alters a table by copying it
    include_name=lambda name, kind, _parents: not (kind == "table" and name in BESIDE),
)
with context.begin_transaction():
    context.run_migrations()
