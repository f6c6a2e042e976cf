"""Bring a database to the present schema with Alembic. The supervisor alone imports this module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from xpcs_dash.database.schema import Store

__all__ = ["head_of", "stamp", "upgrade"]

#: Key of `Config.attributes` under which a migration finds what it was given.
FACTS = "xpcs_dash"


def upgrade(
    db: sa.Connection, store: Store, to: str = "head", facts: Mapping[str, Any] | None = None
) -> None:
    """Run the scripts that are missing, in the caller's transaction: all of them or none.

    Parameters
    ----------
    to : schema to stop at.
    facts : what scripts ask for; each says in its first lines what that is.
    """
    scripts = _scripts(store, facts)

    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(to, revision)

    _run(db, store, scripts, steps, to)


def stamp(db: sa.Connection, store: Store, schema: str) -> None:
    """Say which schema a database has, without changing its tables."""
    scripts = _scripts(store, None)

    def steps(revision: Any, _context: Any) -> Any:
        return scripts._stamp_revs(schema, revision)

    _run(db, store, scripts, steps, schema)


def head_of(store: Store) -> str:
    """The schema of the last script."""
    return str(_scripts(store, None).get_current_head())


def _scripts(store: Store, facts: Mapping[str, Any] | None) -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations" / store.name))
    config.attributes[FACTS] = dict(facts or {})
    scripts = ScriptDirectory.from_config(config)
    scripts.xpcs_dash_config = config  # type: ignore[attr-defined]
    return scripts


def _run(db: sa.Connection, store: Store, scripts: ScriptDirectory, steps: Any, to: str) -> None:
    config: Config = scripts.xpcs_dash_config  # type: ignore[attr-defined]
    with EnvironmentContext(config, scripts, fn=steps, destination_rev=to) as context:
        context.configure(connection=db, target_metadata=store.metadata, version_table=store.version_table)
        context.run_migrations()
