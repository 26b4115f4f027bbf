"""The short form: ratios to one peer, measured in one run, beside those that a full run has recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import targets
from contenders import POLARS_NDJSON, POLARS_TABLE
from measure import measure
from model import Row
from rows import ROWS

FILE = Path(__file__).parent / "recorded.json"
KEYS = ("ndjson-v2", "ndjson-v5", "fields-v2", "fields-v5")
PEERS = frozenset({POLARS_NDJSON.name, POLARS_TABLE.name})
LINES = 200_000
RUNS = 7
#: A ratio that is less than this part of the recorded one is a loss; machines differ by less.
FLOOR = 0.75
#: How often a loss is measured again.
AGAIN = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row's ratio, beside the recorded one."""

    key: str
    ratio: float
    recorded: float

    @property
    def lost(self) -> bool:
        return self.ratio < FLOOR * self.recorded

    def __str__(self) -> str:
        part = self.ratio / self.recorded
        line = f"{self.key}: {self.ratio:.2f} times Polars, {part:.0%} of the recorded {self.recorded:.2f}"
        return f"{line}: more than {1 - FLOOR:.0%} under it" if self.lost else line


def short_rows() -> list[Row]:
    """The rows with ours and the one peer."""
    rows = {row.key: row for row in ROWS}
    return [
        replace(
            rows[key],
            contenders=tuple(one for one in rows[key].contenders if one.ours or one.name in PEERS),
            targets=(),
        )
        for key in KEYS
    ]


def ratio(row: Row, runs: int, say: Say) -> float:
    """How many times the peer's rate ours is."""
    results = measure(row, LINES, runs, say)
    ours = targets.subject(results)
    peer = next(result for result in results if not result.contender.ours)
    assert ours is not None
    return ours.ratio(peer, row.by)


def compare(
    recorded: Mapping[str, float], measured: Callable[[str], float], say: Say = lambda _: None
) -> list[Verdict]:
    """Each row's verdict. A loss is measured again: the machine may have been at something else."""
    verdicts = []
    for key, expected in recorded.items():
        verdict = Verdict(key, measured(key), expected)
        for _ in range(AGAIN):
            if verdict.lost:
                say(f"{verdict}; once more")
                verdict = Verdict(key, measured(key), expected)
        verdicts.append(verdict)
    return verdicts


def check(say: Say, tell: Say) -> list[Verdict]:
    """Measures the short form; `say` is told of each run, `tell` of what is measured once more."""
    rows = {row.key: row for row in short_rows()}
    ratios = json.loads(FILE.read_text(encoding="utf-8"))["ratios"]
    return compare(ratios, lambda key: ratio(rows[key], RUNS, say), tell)


def record(facts: list[str], profile: str, say: Say) -> None:
    """Measures the short form, with more runs, and writes the file."""
    peer = f"Polars {POLARS_TABLE.version}"
    ratios = {row.key: round(ratio(row, 2 * RUNS + 1, say), 3) for row in short_rows()}
    content = {"lines": LINES, "to": peer, "build": profile, "machine": facts, "ratios": ratios}
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
