"""What the benchmark of questions calls met. What it measures is not for a test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def answers():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import answers
    finally:
        sys.path.remove(str(BENCHMARKS))
    return answers


@pytest.mark.parametrize(
    ("ours", "peak", "theirs", "verdict"),
    [
        (0.9, 800, 0.8, "under 1 s: met; under 1,000 MB: met; within 1.3 times DuckDB alone: met"),
        (1.1, 800, 0.9, "under 1 s: missed; under 1,000 MB: met; within 1.3 times DuckDB alone: met"),
        (0.9, 1200, 0.1, "under 1 s: met; under 1,000 MB: missed; within 1.3 times DuckDB alone: missed"),
    ],
)
def test_targets_are_of_medians_and_of_the_highest_peak(answers, ours, peak, theirs, verdict) -> None:
    work = answers.Work("key", "`query` of a day", ("query",), 1, peak=1000)
    runs = [
        answers.Runs("vpcflow query", wall=[ours, ours * 9, ours / 9], cpu=[1.0] * 3, peak=[1, peak, 2]),
        answers.Runs("the same SQL in duckdb", wall=[theirs] * 3, cpu=[1.0] * 3, peak=[50] * 3),
    ]
    first, second = answers.lines_of(work, runs)
    assert first.startswith(f"| `query` of a day | vpcflow query | {ours:.2f} |")
    assert first.endswith(f"| 1.00 | {verdict} |")
    assert f"| {ours / theirs:.2f} |" in second


def test_a_command_that_is_not_there_is_left_out(answers, tmp_path: Path) -> None:
    assert answers.script(("nosuchcommand", "--from", str(tmp_path))) is None
