"""Runs contenders: a process for each run, pinned to its cores, in turns so that drift hits all alike."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import generate
from rows import ONE_THREAD, Contender, Row

CORES = sorted(os.sched_getaffinity(0))


class BenchError(Exception):
    """A contender failed, or did not do the work."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What every contender must have read from a file."""

    records: int
    nbytes: int

    @classmethod
    def of(cls, path: Path) -> Expected:
        records = nbytes = 0
        with path.open(encoding="ascii") as lines:
            at = next(lines).split().index("bytes")
            for line in lines:
                value = line.split(" ", at + 1)[at]
                records += 1
                nbytes += int(value) if value != "-" else 0
        return cls(records, nbytes)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run."""

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

    def rates(self, by: str) -> list[float]:
        """Lines a second of each run; for `peak` the bytes held."""
        if by == "peak":
            return [float(sample.peak) for sample in self.samples]
        return [sample.records / getattr(sample, by) for sample in self.samples]

    def ratio(self, base: Result, by: str) -> float:
        """Median over the rounds of this contender's rate to the base's in the same round."""
        return median(a / b for a, b in zip(self.rates(by), base.rates(by), strict=True))


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


def check(contender: Contender, row: Row, source: Path, expected: Expected) -> float | None:
    """Runs a contender once for its result, which must hold every record; returns bytes written a record."""
    if row.output == "memory":
        sample = once(contender, source, os.devnull)
        found, size = Expected(sample.records, sample.nbytes or 0), None
    else:
        target = source.with_name(f".{os.getpid()}.out")
        try:
            once(contender, source, str(target))
            found, size = written(target), target.stat().st_size / max(expected.records, 1)
        finally:
            target.unlink(missing_ok=True)
    if found != expected:
        raise BenchError(f"{contender.name} in {row.key}: expected {expected}, found {found}")
    return size


def written(path: Path) -> Expected:
    """Records and bytes of an NDJSON file, of ECS documents or of flat ones."""
    import orjson

    records = nbytes = 0
    with path.open("rb") as lines:
        for line in lines:
            document = orjson.loads(line)
            records += 1
            nbytes += document.get("network", document).get("bytes") or 0
    return Expected(records, nbytes)


def measure(row: Row, lines: int, runs: int, say: Callable[[str], None]) -> list[Result]:
    """Checks each contender of a row, then runs them in turns."""
    results, sources = [], {}
    small = generate.cached(row.version, min(lines, 20_000))
    expected = Expected.of(small)
    for contender in row.contenders:
        say(f"{row.key}: checking {contender.name}")
        size = check(contender, row, small, expected)
        source = generate.cached(row.version, max(int(lines * contender.share), 1))
        with source.open("rb", buffering=0) as file:  # into the page cache
            while file.read(1 << 20):
                pass
        sources[contender.name] = source
        results.append(Result(contender, source.stat().st_size, size))
    for turn in range(runs):
        # Whoever comes first in a round is another one each time.
        for at in range(len(results)):
            result = results[(turn + at) % len(results)]
            contender = result.contender
            say(f"{row.key}: run {turn + 1} of {runs}, {contender.name}")
            sample = once(contender, sources[contender.name], os.devnull)
            wanted = max(int(lines * contender.share), 1)
            if sample.records != wanted:
                raise BenchError(
                    f"{contender.name} in {row.key}: {sample.records} records instead of {wanted}"
                )
            result.samples.append(sample)
    return results
