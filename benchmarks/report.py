"""Tables of what was measured, for the terminal and for RESULTS.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import targets
from measure import Result
from model import KINDS, Row

RATES = ("lines/s", "lowest to highest", "MB/s", "µs a line", "peak MB", "B a record", "of ours")
HEADINGS = {
    "cpu": RATES,
    "wall": RATES,
    "peak": ("peak MB", "lowest to highest", "file MB"),
    "start": ("ms", "lowest to highest", "more than the first"),
}
MEANINGS = {
    "cpu": "Lines a CPU second, user and system, all threads.",
    "wall": "Lines a second of wall time.",
    "peak": "Largest resident size of the whole process, Python included.",
    "start": "Wall time of a process from its start to its end; each run is the mean of ten.",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One row of the benchmark as a table: cells are text, the first column is the contender."""

    title: str
    note: str
    headings: tuple[str, ...]
    cells: list[tuple[str, ...]]

    def numeric(self, at: int) -> bool:
        return all(cells[at][:1].isdigit() or not cells[at] for cells in self.cells)

    def markdown(self) -> str:
        rule = ["--:" if self.numeric(at) else "---" for at in range(len(self.headings))]
        rows = (self.headings, rule, *self.cells)
        return f"## {self.title}\n\n{self.note}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def ranked(row: Row, results: list[Result]) -> list[Result]:
    """Best first; sizes of a file and kinds of a start are no contest and stay as they are."""
    if row.by in {"peak", "start"}:
        return results
    return sorted(results, key=lambda result: median(result.figures(row.by)), reverse=True)


def spread(figures: Sequence[float], form: str) -> str:
    return f"{min(figures):{form}} to {max(figures):{form}}"


def figures(row: Row, result: Result, results: list[Result]) -> tuple[str, ...]:
    """The cells of a contender between its version and what it writes."""
    found, ours = result.figures(row.by), targets.subject(results)
    if row.by == "peak":
        megabytes = [figure / 1e6 for figure in found]
        return f"{median(megabytes):.1f}", spread(megabytes, ".1f"), f"{result.input_bytes / 1e6:,.1f}"
    if row.by == "start":
        more = targets.added(result, results[0], row)
        return f"{median(found):.1f}", spread(found, ".1f"), f"{more:.1f}" if result is not results[0] else ""
    rate, ratio = median(found), ""
    if ours is not None:
        ratios = result.ratios(ours, row.by)
        ratio = f"{median(ratios):.2f}" + (f" ({spread(ratios, '.2f')})" if result is not ours else "")
    return (
        f"{rate:,.0f}",
        spread(found, ",.0f"),
        f"{rate * result.input_bytes / result.samples[0].records / 1e6:,.0f}",
        f"{1e6 / rate:.2f}",
        f"{median(sample.peak for sample in result.samples) / 1e6:.0f}",
        f"{result.output_bytes:.0f}" if result.output_bytes else "",
        ratio,
    )


def table(row: Row, results: list[Result], missing: Sequence[str] = ()) -> Table:
    cells, place = [], 0
    for result in ranked(row, results):
        contender = result.contender
        counts = row.by in {"cpu", "wall"} and not contender.yardstick
        place += counts
        name = f"**{contender.name}**" if contender.ours else contender.name
        number = str(place) if counts else ""
        cells.append((number, name, contender.version, *figures(row, result, results), contender.writes))
    kinds = dict.fromkeys(result.contender.writes for result in results if result.contender.writes)
    notes = [
        f"{MEANINGS[row.by]} Medians of {len(results[0].samples)} runs.",
        *(f"{kind}: {KINDS[kind]}." for kind in kinds),
        *(f"Target: {sentence}." for sentence in targets.said(row, results)),
        *(f"Not measured: {reason}." for reason in missing),
    ]
    return Table(row.title, " ".join(notes), ("", "contender", "version", *HEADINGS[row.by], "result"), cells)


def summary(measured: list[tuple[Row, list[Result]]]) -> Table:
    """Our place in each row, how far the best of the others is, and what was to be reached."""
    cells = []
    for row, results in measured:
        ours = targets.subject(results)
        if ours is None:
            continue
        order = [result for result in ranked(row, results) if not result.contender.yardstick]
        others = [result for result in order if not result.contender.ours]
        rate = place = best = ""
        if row.by in {"cpu", "wall"}:
            rate = f"{median(ours.figures(row.by)):,.0f}"
        if rate and others:
            place = f"{order.index(ours) + 1} of {len(order)}"
            other, less = others[0].contender, ours.contender.writes
            kind = f" ({other.writes})" if other.writes != less else ""
            best = f"{ours.ratio(others[0], row.by):.2f} times {other.name}{kind}"
        reached = "; ".join(targets.said(row, results))
        cells.append((row.key, row.title, rate, place, best, reached))
    return Table(
        "Where vpcflow stands",
        "Ratios are medians over rounds; in a round every contender runs once. In brackets: what a peer "
        "writes, where that is less, and the target.",
        ("row", "work", "our lines/s", "our rank", "to the best of the others", "what was to be reached"),
        cells,
    )


def machine() -> list[str]:
    """What it ran on, a fact an item."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    pairs = [line.split(":", 1) for line in info.splitlines() if ":" in line]
    cpu = {name.strip(): value.strip() for name, value in reversed(pairs)}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{cpu.get('model name', '?')}, {os.cpu_count()} cores, {float(cpu.get('cpu MHz', 'nan')):.0f} MHz, "
        f"{memory:.0f} GiB",
        f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average before {os.getloadavg()[0]:.2f}",
    ]


def markdown(facts: list[str], lines: int, tables: list[Table]) -> str:
    return (
        "# Benchmark results\n\n"
        "Made by `python benchmarks/bench.py`; every full run overwrites it. Each run of a contender is a\n"
        "process of its own, pinned to its cores; starting up (imports) is not counted, but where a real\n"
        f"command is measured. The input is a file of {lines:,} lines that `benchmarks/generate.py` makes;\n"
        "slow contenders get a part of it. Text goes to /dev/null, columns stay in memory, Parquet files go\n"
        "to the disk. Before that each contender's output was read back from a short run: every record has\n"
        "to be there, and the sum of the bytes. README.md says more.\n\n"
        + "".join(f"- {fact}\n" for fact in facts)
        + "\n"
        + "\n".join(table.markdown() for table in tables)
    )
