"""Measures how soon a store of 20 million flows answers, beside the same SQL in DuckDB alone.

python benchmarks/answers.py                        writes RESULTS-answers.md
python benchmarks/answers.py --only top-talkers --runs 3

A run is a process from its start to its end: the command as a user types it, and the `duckdb` command line
with the statements that the command's engine makes. The store comes from big_store.py, and is in the page
cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import big_store

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS-answers.md"
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is asked.

    Attributes:
        command: of vpcflow.
        seconds, peak: what it may take at most; peak in MB.
        by_hand: the statement that somebody would write who knows the files, where it is one.
        asked: what is called the same SQL.
        before: Python that is run before the command says what it asks DuckDB.
    """

    key: str
    what: str
    command: tuple[str, ...]
    seconds: float
    peak: float | None = None
    by_hand: str | None = None
    asked: str = "the same SQL in duckdb"
    before: str = ""


@dataclass(slots=True)
class Runs:
    """Wall seconds, CPU seconds and peak MB of each run."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def works(store: Path, folder: Path) -> list[Work]:
    day = datetime.now(UTC).date() - timedelta(days=1)
    talkers = f"""
        SELECT "source.ip", "destination.ip", sum("source.bytes") AS bytes, sum("source.packets") AS packets,
          count(*) AS flows
        FROM read_parquet('{store}/date=*/*.parquet', hive_partitioning = true) WHERE date = '{day}'
          AND "source.ip" IS NOT NULL AND "destination.ip" IS NOT NULL
        GROUP BY ALL ORDER BY bytes DESC, 1, 2 LIMIT 10"""
    whole = ("--since", f"{day}", "--until", f"{day + timedelta(days=1)}")
    by_hour = ("--dry-run", "--state", str(folder / "none.db"))
    page = ("--last", "30d", "-o", str(folder / "report.html"))
    what = "`alerts run` with all shipped rules over the last hour"
    return [
        Work(
            "top-talkers",
            "`query top-talkers` over a day",
            ("query", "top-talkers", *whole),
            1,
            None,
            talkers,
        ),
        Work("alerts", what, ("alerts", "run", *by_hour), 2),
        Work(
            "report",
            "`report` over all 30 days",
            ("report", *page),
            10,
            1000,
            # What vpcflow asks are tables that its core makes, which duckdb's command line hasn't got.
            asked="the same questions of the files in duckdb (one run)",
            before="from vpcflow.report import build; build._read_ahead = lambda engine, *_: engine",
        ),
    ]


def script(command: Sequence[str], before: str = "") -> str | None:
    """What the command asks DuckDB, as its command line takes it; None for a command that isn't there."""
    code = f"""
import json, sys
from click.testing import CliRunner
from vpcflow.cli import main
from vpcflow.query import rows, store
{before}
asked, fetch = ["SET TimeZone = 'UTC'", store._IP_HEX], rows.fetch
rows.fetch = lambda connection, sql: (asked.append(sql), fetch(connection, sql))[1]
done = CliRunner().invoke(main, {list(command)!r})
json.dump([done.exit_code, done.output, asked], sys.stdout)
"""
    # In a process of its own: what this one holds would count as the first memory of those it starts.
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    status, said, asked = json.loads(out)
    if "No such command" in said:
        return None
    if status not in (0, 1):
        raise SystemExit(f"vpcflow {' '.join(command)}: {said}")
    # Rows are made and thrown away: no time goes into showing them.
    return ".output /dev/null\n" + "".join(f"{one};\n" for one in asked)


def once(runs: Runs, command: Sequence[str], stdin: Path | None = None) -> None:
    """A process from its start to its end."""
    with (stdin or Path(os.devnull)).open("rb") as source, tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)[:200]}: {errors.read().decode()[-500:]}")
    runs.wall.append(wall)
    runs.cpu.append(usage.ru_utime + usage.ru_stime)
    runs.peak.append(usage.ru_maxrss / 1000)


def measure(work: Work, store: Path, runs: int, folder: Path, duckdb: Path) -> list[Runs] | None:
    """The command, its statements in DuckDB alone, and the statement by hand; in turns."""
    command = (*work.command, "--from", str(store))
    asked = script(command, work.before)
    if asked is None:
        return None
    ours = Runs(f"vpcflow {work.command[0]}"), [str(BIN / "vpcflow"), *command], None
    contenders = [ours]
    for name, text in ((work.asked, asked), ("SQL by hand in duckdb", work.by_hand)):
        if text is not None:
            file = folder / f"{name.replace(' ', '-')}.sql"
            file.write_text(text if text is asked else f".output /dev/null\n{text};\n", encoding="utf-8")
            contenders.append((Runs(name), [str(duckdb)], file))
    for _ in range(runs):
        for one, line, stdin in contenders:
            if not (work.before and one.wall and one is not contenders[0][0]):
                once(one, line, stdin)
    return [one for one, _, _ in contenders]


def lines_of(work: Work, measured: list[Runs]) -> list[str]:
    """Rows of the table; the first is ours."""
    ours = measured[0]
    targets = [f"under {work.seconds:g} s: {_met(median(ours.wall) < work.seconds)}"]
    if work.peak is not None:
        targets.append(f"under {work.peak:,.0f} MB: {_met(max(ours.peak) < work.peak)}")
    best = min(median(one.wall) for one in measured[1:])
    targets.append(f"within 1.3 times DuckDB alone: {_met(median(ours.wall) < 1.3 * best)}")
    return [
        f"| {work.what if one is ours else ''} | {one.name} | {median(one.wall):.2f} | {min(one.wall):.2f} to"
        f" {max(one.wall):.2f} | {median(one.cpu):.2f} | {max(one.peak):,.0f} |"
        f" {median(ours.wall) / median(one.wall):.2f} | {'; '.join(targets) if one is ours else ''} |"
        for one in measured
    ]


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(description="How soon a store of many flows answers.")
    parser.add_argument("--store", type=Path, help="one of big_store.py, of today; default: made in data/")
    parser.add_argument("--flows", type=int, default=20_000_000, help="of the store that is made")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", action="append", metavar="WORK", help="top-talkers, alerts, report")
    arguments = parser.parse_args()
    duckdb = BIN / "duckdb"
    if not duckdb.exists():
        raise SystemExit("the duckdb command line isn't there: pip install -r benchmarks/requirements.txt")
    now, load = datetime.now(UTC), os.getloadavg()[0]
    store = arguments.store or big_store.DATA / f"store-{arguments.flows}"
    if not (store / f"date={now:%Y-%m-%d}").exists():
        if store.exists() and arguments.store:
            raise SystemExit(f"{store}: has no flows of today; make it anew")
        shutil.rmtree(store, ignore_errors=True)
        subprocess.run(
            [sys.executable, HERE / "big_store.py", "--flows", str(arguments.flows), "-o", store], check=True
        )
    table, missing = [], []
    with tempfile.TemporaryDirectory(prefix="vpcflow-answers-") as folder:
        for work in works(store.resolve(), Path(folder)):
            if arguments.only and work.key not in arguments.only:
                continue
            measured = measure(work, store.resolve(), arguments.runs, Path(folder), duckdb)
            if measured is None:
                missing.append(f"vpcflow has no command {work.command[0]} here: {work.what} was left out.")
                continue
            table += lines_of(work, measured)
            sys.stderr.write("".join(f"{line}\n" for line in lines_of(work, measured)))
    version = subprocess.run(
        [duckdb, "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    python = subprocess.run(
        [sys.executable, "-c", "import duckdb; print(duckdb.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    text = HEAD.format(
        flows=sum(1 for _ in store.glob("date=*/*.parquet")),
        runs=arguments.runs,
        version=version,
        python=python,
        cores=len(os.sched_getaffinity(0)),
        cpython=platform.python_version(),
        now=now,
        load=load,
    )
    text += "".join(f"{line}\n" for line in table) + "".join(f"\n{line}\n" for line in missing)
    if arguments.only:
        sys.stdout.write(text)
    else:
        RESULTS.write_text(text, encoding="utf-8")


HEAD = """# How soon questions are answered

Made by `make bench-answers`; every full run overwrites it. The store is that of `benchmarks/big_store.py`: 20
million flows over 30 days in {flows} files. A run is a process from start to end, with the files in memory;
medians of {runs} runs, in turns. *The same SQL in duckdb* is all that the command asks its engine,
given to DuckDB's command line at once; *by hand* is what somebody would write who knows the files.

- {cores} cores, CPython {cpython}, DuckDB {python} in vpcflow, {version} on the command line
- {now:%Y-%m-%d %H:%M} UTC, load average before {load:.2f}

| work | | s | lowest to highest | CPU s | peak MB | ours to it | what was to be reached |
| --- | --- | --: | --: | --: | --: | --: | --- |
"""

if __name__ == "__main__":
    main()
