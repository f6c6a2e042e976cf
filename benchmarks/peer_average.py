"""Averages files with pyXpcsViewer as its Average tab does, and prints how long it took.

Run by the interpreter of the environment in which it is installed, which imports nothing of ours:
``python peer_average.py FOLDER OUT``. Each line on its standard input starts a round; see docs/benchmarks.md.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
#: What its Average tab averages when nothing is changed there.
FIELDS = ["g2", "g2_err", "g2_partial", "g2_partial_err", "saxs_1d", "saxs_2d"]


def main(folder: str, out: str) -> None:
    """Answer each line with the seconds that one average took."""
    import psutil
    from pyxpcsviewer.gui.control.average_toolbox import AverageToolbox

    files = sorted(str(path) for path in Path(folder).glob("*_results.hdf"))
    workers = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    print("ready", flush=True)
    for _ in sys.stdin:
        Path(out).unlink(missing_ok=True)
        toolbox = AverageToolbox(files, jid=1)
        begin = time.perf_counter()
        toolbox.do_average_multiprocess(
            save_path=out, avg_window=10, fields=list(FIELDS), num_workers=workers
        )
        print(time.perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    # its Qt may abort while the interpreter ends
    os._exit(0)
