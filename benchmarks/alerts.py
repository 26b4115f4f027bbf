"""Measures `vpcflow alerts run` over a store: the command as a user types it, and each rule by itself.

python benchmarks/alerts.py benchmarks/data/store-20000000
python benchmarks/alerts.py STORE --runs 9

The first run finds no state and looks at an hour; the second one goes on from it. big_store.py makes a store.
The page cache is warm: each is run once before it is measured.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from vpcflow.alerts.evaluate import evaluate, looks_back
from vpcflow.alerts.rules import load_all
from vpcflow.kibana.assets import folder
from vpcflow.query.flows import open_flows


def command(store: Path, state: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of one run."""
    program = [Path(sys.executable).with_name("vpcflow"), "alerts", "run", "--from", store, "--state", state]
    before = time.perf_counter()
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        said = process.stderr.read() if process.stderr else b""
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - before
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said.decode())
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def rules(store: Path) -> dict[str, float]:
    """Wall seconds of each rule over the last hour, the opening of the store's days included."""
    took = {}
    now = datetime.now(UTC)
    with open_flows(store) as engine:
        for rule in load_all(folder() / "rules"):
            before = time.perf_counter()
            evaluate(rule, engine, now, looks_back(rule, now - timedelta(hours=1)), by_owner=False)
            took[rule.name] = time.perf_counter() - before
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("store", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    measured: dict[str, list[tuple[float, float, float]]] = {"first run": [], "next run": []}
    with tempfile.TemporaryDirectory() as place:
        for number in range(given.runs + 1):
            for which, runs in measured.items():
                one = command(given.store, Path(place) / f"{number}.db")
                if number:
                    runs.append(one)
                print(f"{which}: {one[0]:.2f} s", file=sys.stderr)
    print(f"| medians of {given.runs} | wall | CPU | peak |\n| --- | --: | --: | --: |")
    for which, runs in measured.items():
        wall, cpu, peak = (median(values) for values in zip(*runs, strict=True))
        print(f"| {which} | {wall:.2f} s | {cpu:.2f} s | {peak:.0f} MB |")
    print("\n| rule | wall |\n| --- | --: |")
    for name, seconds in sorted(rules(given.store).items(), key=lambda one: -one[1]):
        print(f"| {name} | {seconds:.3f} s |")


if __name__ == "__main__":
    main()
