"""Tables of what was measured, for the terminal and for RESULTS.md."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from measure import Result
from rows import KINDS, Row

HEADINGS = {
    "cpu": ("lines/s", "lowest to highest", "MB/s", "µs a line", "peak MB", "B a record", "of ours"),
    "wall": ("lines/s", "lowest to highest", "MB/s", "µs a line", "peak MB", "B a record", "of ours"),
    "peak": ("peak MB", "lowest to highest", "file MB"),
}
MEANINGS = {
    "cpu": "Lines a CPU second, user and system, all threads.",
    "wall": "Lines a second of wall time.",
    "peak": "Largest resident size of the whole process, Python included.",
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
    """Best first; sizes of a file are no contest and stay as they are."""
    if row.by == "peak":
        return results
    return sorted(results, key=lambda result: median(result.rates(row.by)), reverse=True)


def base(results: list[Result]) -> Result | None:
    return next((result for result in results if result.contender.ours), None)


def table(row: Row, results: list[Result]) -> Table:
    ours = base(results)
    cells = []
    for place, result in enumerate(ranked(row, results), 1):
        contender, rates = result.contender, result.rates(row.by)
        name = f"**{contender.name}**" if contender.ours else contender.name
        if row.by == "peak":
            figures = (
                f"{median(rates) / 1e6:.1f}",
                f"{min(rates) / 1e6:.1f} to {max(rates) / 1e6:.1f}",
                f"{result.input_bytes / 1e6:.1f}",
            )
        else:
            rate = median(rates)
            figures = (
                f"{rate:,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"{rate * result.input_bytes / result.samples[0].records / 1e6:,.0f}",
                f"{1e6 / rate:.2f}",
                f"{median(sample.peak for sample in result.samples) / 1e6:.0f}",
                f"{result.output_bytes:.0f}" if result.output_bytes else "",
                f"{result.ratio(ours, row.by):.2f}" if ours else "",
            )
        cells.append((str(place), name, contender.version, *figures, contender.writes))
    headings = ("", "contender", "version", *HEADINGS[row.by], "result")
    note = f"{MEANINGS[row.by]} Medians of {len(results[0].samples)} runs."
    kinds = dict.fromkeys(result.contender.writes for result in results if result.contender.writes)
    return Table(row.title, " ".join([note, *(f"{kind}: {KINDS[kind]}." for kind in kinds)]), headings, cells)


def summary(measured: list[tuple[Row, list[Result]]]) -> Table:
    """Our place in each row, and how far the best of the others is."""
    cells = []
    for row, results in measured:
        ours = base(results)
        if ours is None or row.by == "peak":
            continue
        order = ranked(row, results)
        others = [result for result in order if not result.contender.ours]
        rate = f"{median(ours.rates(row.by)):,.0f}"
        if others:
            place = f"{order.index(ours) + 1} of {len(order)}"
            best = f"{1 / others[0].ratio(ours, row.by):.2f} times {others[0].contender.name}"
        else:
            place, best = "", f"{results[-1].ratio(ours, row.by):.2f} times with two threads"
        cells.append((row.key, row.title, rate, place, best))
    return Table(
        "Where vpcflow stands",
        "Ratios are medians over rounds; in a round every contender runs once.",
        ("row", "work", "our lines/s", "our rank", "to the best of the others"),
        cells,
    )


def machine() -> list[str]:
    """What it ran on, a fact an item."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "?"
    )
    megahertz = next(
        (line.split(":")[1].strip() for line in info.splitlines() if line.startswith("cpu MHz")), "?"
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        f"{model}, {os.cpu_count()} cores, {float(megahertz):.0f} MHz, {memory:.0f} GiB",
        f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average before {os.getloadavg()[0]:.2f}",
    ]


def markdown(facts: list[str], lines: int, tables: list[Table]) -> str:
    return (
        "# Benchmark results\n\n"
        "Made by `python benchmarks/bench.py`; every full run overwrites it. Each run of a contender is a\n"
        "process of its own, pinned to its cores; starting up (imports) is not counted. The input is a file\n"
        f"of {lines:,} lines that `benchmarks/generate.py` makes; slow contenders get a part of it. Text\n"
        "goes to /dev/null, columns stay in memory. Before that each contender's output was read back from\n"
        "a short run: every record has to be there, and the sum of the bytes.\n\n"
        + "".join(f"- {fact}\n" for fact in facts)
        + "\n"
        + "\n".join(table.markdown() for table in tables)
    )
