"""Measures vpcflow beside its peers on this machine, prints tables and writes RESULTS.md.

The peers come with `pip install -r benchmarks/requirements.txt` and, in Rust, with Cargo. Without options all
rows are measured, on 1,000,000 lines and in 7 runs; `--quick`, `--only ROW` and `--lines N` look at less and
write nothing. `--check` is the short form: it compares a few ratios with those in recorded.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import crates
import enrichment
import recorded
import report
from measure import BenchError, Result, measure
from model import Contender, Row
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rows import HUGE_SHARE, ROWS

RESULTS = Path(__file__).parent / "RESULTS.md"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures vpcflow beside its peers.")
    keys = [row.key for row in ROWS]
    parser.add_argument("--only", action="append", metavar="ROW", choices=keys, help=", ".join(keys))
    parser.add_argument("--quick", action="store_true", help="fewer lines and runs, for a first look")
    parser.add_argument("--lines", type=int, help="lines of each file (1,000,000; quick: 100,000)")
    parser.add_argument("--runs", type=int, help="runs of each contender (7; quick: 3)")
    parser.add_argument("--huge", action="store_true", help="memory with 10 GB too, which takes its time")
    parser.add_argument("--without-ours", action="store_true", help="only the others, with no vpcflow built")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run's figures")
    parser.add_argument("-o", "--output", type=Path, help=f"report to write ({RESULTS.name} for a full run)")
    short = parser.add_mutually_exclusive_group()
    short.add_argument("--check", action="store_true", help="short form: has a ratio fallen by a quarter?")
    short.add_argument("--record", action="store_true", help=f"only write {recorded.FILE.name} for --check")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Row]:
    def wanted(contender: Contender) -> bool:
        return (options.huge or contender.share < HUGE_SHARE) and not (
            options.without_ours and contender.ours
        )

    rows = [row for row in ROWS if (row.key in options.only if options.only else not row.special)]
    rows = [replace(row, contenders=tuple(filter(wanted, row.contenders))) for row in rows]
    return [row for row in rows if row.contenders]


def available(row: Row) -> tuple[Row, list[str]]:
    """The row with what can be built here, and why something can't."""
    there, missing = [], []
    for contender in row.contenders:
        try:
            if contender.crate:
                crates.build(contender.crate)
            there.append(contender)
        except crates.UnavailableError as error:
            missing.append(f"{contender.name} ({error})")
    return replace(row, contenders=tuple(there)), missing


def show(console: Console, table: report.Table) -> None:
    pretty = Table(title=table.title, caption=table.note, title_justify="left", caption_justify="left")
    for at, heading in enumerate(table.headings):
        pretty.add_column(heading, justify="right" if table.numeric(at) else "left")
    for cells in table.cells:
        bold = any(cell.startswith("**") for cell in cells)
        pretty.add_row(*(cell.strip("*") for cell in cells), style="bold" if bold else None)
    console.print(pretty)


def build_profile() -> str:
    from vpcflow import _core

    return _core.build_profile


def warn(console: Console, *, without_ours: bool) -> None:
    """Says what would make the figures worthless."""
    if os.getloadavg()[0] > 0.5:
        console.print(
            f"[yellow]The machine is busy (load {os.getloadavg()[0]:.2f}): don't trust these figures."
        )
    if not without_ours and build_profile() != "release":
        console.print(f"[yellow]vpcflow is built for {build_profile()!r}, not for release.")


def check(console: Console, progress: Console) -> int:
    """The short form; 1 when a ratio has fallen."""
    with progress.status("") as status:
        verdicts = recorded.check(status.update, console.print)
    for verdict in verdicts:
        console.print(f"{'[red]LOST' if verdict.lost else '[green]kept'}[/] {verdict}")
    return int(any(verdict.lost for verdict in verdicts))


def run(options: argparse.Namespace, console: Console, progress: Console) -> None:
    lines = options.lines or (100_000 if options.quick else 1_000_000)
    runs = options.runs or (3 if options.quick else 7)
    facts = report.machine()
    measured: list[tuple[Row, list[Result]]] = []
    tables: list[report.Table] = []
    full = not (options.quick or options.only or options.without_ours or options.lines)
    with progress.status("") as status:
        for row in chosen(options):
            status.update(f"{row.key}: building its peers")
            there, missing = available(row)
            measured.append((there, measure(there, lines, runs, status.update)))
            tables.append(report.table(*measured[-1], missing))
            show(console, tables[-1])
        if full:
            tables.append(enrichment.measure(lines, runs, status.update))
            show(console, tables[-1])
            recorded.record(facts, build_profile(), status.update)
    if not options.without_ours:
        tables.insert(0, report.summary(measured))
        show(console, tables[0])
    if output := options.output or (RESULTS if full else None):
        output.write_text(report.markdown(facts, lines, tables), encoding="utf-8")
        console.print(f"written: {output}")
    if options.json:
        figures = {
            row.key: {one.contender.name: [asdict(sample) for sample in one.samples] for one in results}
            for row, results in measured
        }
        options.json.write_text(json.dumps({"machine": facts, "lines": lines, "rows": figures}, indent=1))


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 160)
    progress = Console(stderr=True)
    if not options.without_ours and importlib.util.find_spec("vpcflow") is None:
        console.print("vpcflow isn't installed here: build it first (make build), or use --without-ours")
        return 2
    warn(console, without_ours=options.without_ours)
    try:
        if options.check:
            return check(console, progress)
        if options.record:
            with progress.status("") as status:
                recorded.record(report.machine(), build_profile(), status.update)
        else:
            run(options, console, progress)
    except BenchError as error:
        console.print(f"[red]{escape(str(error))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
