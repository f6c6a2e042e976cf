"""Alembic scripts, one directory a store. `xpcs_dash.database.migrate` runs them."""
