"""Several processes on one new database."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from xpcs_dash.database.engine import create_tables, open_engine, writing

START = """
import sys, time
from pathlib import Path
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.record import Record
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
catalogue = Catalogue(sys.argv[1])
Record(sys.argv[1].replace("catalogue", "record"), Path(sys.argv[3]))
"""


def test_processes_that_start_together_create_the_tables_once(tmp_path: Path) -> None:
    url, at = f"sqlite:///{tmp_path / 'state' / 'catalogue.sqlite'}", time.time() + 4.0
    command = [sys.executable, "-c", START, url, str(at), str(tmp_path)]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert ends == [("", 0)] * 6
    for name, wanted in (("catalogue", {"files"}), ("record", {"fits", "jobs"})):
        engine = open_engine(url.replace("catalogue", name))
        assert wanted <= set(sa.inspect(engine).get_table_names())
        engine.dispose()


def test_a_writer_waits_for_another_writer_rather_than_fail(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'c.sqlite'}")
    metadata = sa.MetaData()
    table = sa.Table("t", metadata, sa.Column("n", sa.Integer))
    create_tables(engine, metadata)

    def add() -> None:
        for _ in range(25):
            with writing(engine) as db:
                # read before write: what a deferred transaction fails at
                seen = db.scalar(sa.select(sa.func.count()).select_from(table))
                db.execute(table.insert().values(n=seen))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as db:
        assert sorted(db.scalars(sa.select(table.c.n))) == list(range(100))
    engine.dispose()
