"""Runs contenders: a process for each run, pinned to its cores, in turns so that drift hits all alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import generate
import inputs
import verify
from model import By, Contender, Row

CORES = sorted(os.sched_getaffinity(0))
#: Readers that would start a thread a core are told to use one; `peers/` does the same where it takes a call.
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


class BenchError(Exception):
    """A contender failed, or did not do the work."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, as `harness.py` has it."""

    records: int
    nbytes: int | None
    cpu: float
    wall: float
    peak: int


@dataclass(slots=True)
class Result:
    """The runs of a contender."""

    contender: Contender
    input_bytes: int
    output_bytes: float | None  # a record, of the checked run
    samples: list[Sample] = field(default_factory=list)

    def figures(self, by: By) -> list[float]:
        """Lines a second of each run; bytes held for `peak`; milliseconds for `start`."""
        if by == "peak":
            return [float(sample.peak) for sample in self.samples]
        if by == "start":
            return [1e3 * sample.wall / sample.records for sample in self.samples]
        return [sample.records / getattr(sample, by) for sample in self.samples]

    def ratios(self, base: Result, by: By) -> list[float]:
        """This contender's figure to the base's in the same round, of each round."""
        return [a / b for a, b in zip(self.figures(by), base.figures(by), strict=True)]

    def ratio(self, base: Result, by: By) -> float:
        return median(self.ratios(base, by))


def once(contender: Contender, source: Path, target: str) -> Sample:
    """One run of a contender in a fresh process."""
    # The affinity is inherited. The last core: the first one serves most interrupts.
    os.sched_setaffinity(0, CORES[-contender.cores :])
    try:
        with subprocess.Popen(
            [*contender.command, str(source), target],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (ONE_THREAD if contender.cores == 1 else {}),
        ) as process:
            out, err = process.communicate()
    finally:
        os.sched_setaffinity(0, CORES)
    if process.returncode != 0:
        last = err.strip().splitlines()[-1:] or ["no message"]
        raise BenchError(f"{contender.name} failed with status {process.returncode}: {last[0]}")
    said = json.loads(out.splitlines()[-1])
    return Sample(said["records"], said["bytes"], said["cpu"], said["wall"], said["peak"])


@contextmanager
def output() -> Iterator[Path]:
    """A name for a result that is thrown away afterwards, be it a file or a folder."""
    target = generate.DATA / f".{os.getpid()}.out"
    try:
        yield target
    finally:
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


def check(contender: Contender, row: Row, source: Path, expected: verify.Expected) -> float | None:
    """Runs a contender once for its result, which must hold every record; returns bytes written a record."""
    size = None
    with output() as target:
        sample = once(contender, source, str(target))
        if row.output == "none":
            return None
        if row.output == "memory" or contender.writes == "nothing":
            found = verify.Expected(sample.records, sample.nbytes)
        else:
            found = verify.store(target) if row.output == "store" else verify.ndjson(target)
            size = verify.size(target) / max(expected.records, 1)
    if not expected.agrees(found):
        raise BenchError(f"{contender.name} in {row.key}: expected {expected}, found {found}")
    return size


def run(result: Result, row: Row, source: Path, wanted: int) -> None:
    """One run that counts."""
    contender = result.contender
    if row.output == "store":
        with output() as target:
            sample = once(contender, source, str(target))
    else:
        sample = once(contender, source, os.devnull)
    if sample.records != wanted and row.output != "none":
        raise BenchError(f"{contender.name} in {row.key}: {sample.records} records instead of {wanted}")
    result.samples.append(sample)


def measure(row: Row, lines: int, runs: int, say: Callable[[str], None]) -> list[Result]:
    """Checks each contender of a row, then runs them in turns."""
    results, sources, wanted = [], [], []
    few = min(lines, 20_000)
    expected = verify.Expected.of(inputs.cached(row.version, few))
    for contender in row.contenders:
        say(f"{row.key}: checking {contender.name}")
        size = check(contender, row, inputs.cached(row.version, few, contender.reads), expected)
        count = max(int(lines * contender.share), 1)
        source = inputs.cached(row.version, count, contender.reads)
        with source.open("rb", buffering=0) as file:  # into the page cache
            while file.read(1 << 20):
                pass
        sources.append(source)
        wanted.append(count)
        results.append(Result(contender, source.stat().st_size, size))
    for turn in range(runs):
        for place in range(len(results)):
            at = (turn + place) % len(results)  # whoever comes first in a round is another one each time
            say(f"{row.key}: run {turn + 1} of {runs}, {results[at].contender.name}")
            run(results[at], row, sources[at], wanted[at])
    return results
