"""Run every benchmark and print name, value, unit, target: ``python -m benchmarks [--quick] [NAME ...]``."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="benchmarks to run, by the part of their file name after bench_"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and smaller sets")
    given = parser.parse_args()
    found = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    chosen = [name for name in found if not given.names or name.removeprefix("bench_") in given.names]
    if not chosen:
        parser.error(f"no such benchmark; there are {', '.join(n.removeprefix('bench_') for n in found)}")

    print(f"# {platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'name':58} {'value':>12} {'unit':10} {'target':18} met")
    missed = 0
    for name in chosen:
        begin = time.perf_counter()
        for result in importlib.import_module(f"benchmarks.{name}").run(given.quick):
            missed += result.ok is False
            verdict = {True: "yes", False: "NO", None: "-"}[result.ok]
            row = f"{result.name:58} {result.value:12.4g} {result.unit:10} {result.target:18} {verdict}"
            print(f"{row}  {result.note}", flush=True)
        print(f"# {name}: {time.perf_counter() - begin:.0f} s", flush=True)
    print(f"# {missed} targets missed" if missed else "# all targets met")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
