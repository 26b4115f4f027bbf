"""Measures vpcflow beside its peers on this machine, prints tables and writes RESULTS.md.

The peers come with `pip install -r benchmarks/requirements.txt`. Without options all rows are measured, on
1,000,000 lines and in 7 runs; `--quick`, `--only ROW` and `--lines N` look at less and write nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import report
from measure import BenchError, Result, measure
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rows import ROWS, Row

RESULTS = Path(__file__).parent / "RESULTS.md"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures vpcflow beside its peers.")
    parser.add_argument(
        "--only", action="append", metavar="ROW", choices=[row.key for row in ROWS], help="a row"
    )
    parser.add_argument("--quick", action="store_true", help="fewer lines and runs, for a first look")
    parser.add_argument("--lines", type=int, help="lines of each file (1,000,000; quick: 100,000)")
    parser.add_argument("--runs", type=int, help="runs of each contender (7; quick: 3)")
    parser.add_argument("--without-ours", action="store_true", help="only the others, with no vpcflow built")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run's figures")
    parser.add_argument("-o", "--output", type=Path, help=f"report to write ({RESULTS.name} for a full run)")
    return parser.parse_args()


def chosen(only: list[str] | None, *, without_ours: bool) -> list[Row]:
    rows = [row for row in ROWS if not only or row.key in only]
    if not without_ours:
        return rows
    others = [(row, tuple(contender for contender in row.contenders if not contender.ours)) for row in rows]
    return [Row(r.key, r.title, r.version, r.output, rest, r.by) for r, rest in others if rest]


def show(console: Console, table: report.Table) -> None:
    pretty = Table(title=table.title, caption=table.note, title_justify="left", caption_justify="left")
    for at, heading in enumerate(table.headings):
        pretty.add_column(heading, justify="right" if table.numeric(at) else "left")
    for cells in table.cells:
        bold = any(cell.startswith("**") for cell in cells)
        pretty.add_row(*(cell.strip("*") for cell in cells), style="bold" if bold else None)
    console.print(pretty)


def warn(console: Console, *, without_ours: bool) -> None:
    """Says what would make the figures worthless."""
    if os.getloadavg()[0] > 0.5:
        console.print(
            f"[yellow]The machine is busy (load {os.getloadavg()[0]:.2f}): don't trust these figures."
        )
    if not without_ours:
        from vpcflow import _core

        if _core.build_profile != "release":
            console.print(f"[yellow]vpcflow is built for {_core.build_profile!r}, not for release.")


def main() -> int:
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 160)
    progress = Console(stderr=True)
    if not options.without_ours and importlib.util.find_spec("vpcflow") is None:
        console.print("vpcflow isn't installed here: build it first (make build), or use --without-ours")
        return 2
    lines = options.lines or (100_000 if options.quick else 1_000_000)
    runs = options.runs or (3 if options.quick else 7)
    warn(console, without_ours=options.without_ours)
    facts = report.machine()
    measured: list[tuple[Row, list[Result]]] = []
    try:
        with progress.status("") as status:
            for row in chosen(options.only, without_ours=options.without_ours):
                measured.append((row, measure(row, lines, runs, status.update)))
                show(console, report.table(*measured[-1]))
    except BenchError as error:
        console.print(f"[red]{escape(str(error))}")
        return 1
    tables = [report.table(row, results) for row, results in measured]
    if not options.without_ours:
        tables.insert(0, report.summary(measured))
        show(console, tables[0])
    full = not (options.quick or options.only or options.without_ours or options.lines)
    if output := options.output or (RESULTS if full else None):
        output.write_text(report.markdown(facts, lines, tables), encoding="utf-8")
        console.print(f"written: {output}")
    if options.json:
        figures = {
            row.key: {
                result.contender.name: [asdict(sample) for sample in result.samples] for result in results
            }
            for row, results in measured
        }
        options.json.write_text(json.dumps({"machine": facts, "lines": lines, "rows": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
