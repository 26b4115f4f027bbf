"""What is measured against what. A row is one piece of work; its contenders are commands."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

PEERS = Path(__file__).parent / "peers"

#: Readers that would start a thread a core are told to use one; `peers/` does the same where it takes a call.
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a row's work; what its command has to print stands in `harness.py`.

    Attributes:
        name: how the tables call it.
        command: program and arguments; INPUT and OUTPUT are added.
        version: of what does the work, for the report.
        writes: what its result is beside ours; `KINDS` says what the words mean.
        ours: whether it is vpcflow. The first such contender is what the ratios are to.
        cores: how many it is pinned to.
        share: part of the row's lines that it gets; slow ones are given fewer, rates are per line.
    """

    name: str
    command: tuple[str, ...]
    version: str = ""
    writes: str = ""
    ours: bool = False
    cores: int = 1
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work, done by several contenders on the same file.

    Attributes:
        key: for `--only`.
        title: heading of its table.
        version: of the records in the file, 2 or 5.
        output: whether the result goes to a file (its lines are then checked) or stays in memory.
        by: what the ranking is by: lines a CPU second, lines a second, or least memory.
    """

    key: str
    title: str
    version: Literal[2, 5]
    output: Literal["ndjson", "memory"]
    contenders: tuple[Contender, ...]
    by: Literal["cpu", "wall", "peak"] = "cpu"


#: The words of `Contender.writes`.
KINDS = {
    "ECS + id": "every field of docs/, with the community id; each number and address is validated",
    "ECS, trusting": "the same fields but the community id; lines are trusted, a bad one stops it",
    "ECS + id, trusting": "the same fields with the community id; lines are trusted, a bad one stops it",
    "flat, checked": "the log's own fields under ECS names, texts that repeat as dictionaries; each number "
    "and address is validated",
    "flat": "the log's own fields under their own names; addresses are text and not validated",
}


def installed(package: str) -> str:
    """Version of an installed distribution."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def python(program: str, work: str) -> tuple[str, ...]:
    """The command of a contender in `peers/`."""
    return (sys.executable, str(PEERS / f"{program}.py"), work)


def ours(form: str, name: str = "vpcflow", *, threads: int = 1, share: float = 1.0) -> Contender:
    """vpcflow to `ndjson` or `arrow`, pinned to a core for each thread."""
    command = python(f"ours_{form}", "one" if threads == 1 else "two")
    return Contender(name, command, installed("vpcflow"), "ECS + id", ours=True, cores=threads, share=share)


NDJSON = (
    ours("ndjson"),
    Contender(
        "hand-written Python mapping + orjson",
        python("hand_mapping", "ndjson"),
        installed("orjson"),
        "ECS, trusting",
    ),
    Contender(
        "hand-written mapping + communityid",
        python("hand_mapping", "ndjson-communityid"),
        installed("communityid"),
        "ECS + id, trusting",
        share=0.1,
    ),
    Contender(
        "Polars read_csv, write_ndjson",
        python("polars_reader", "ndjson"),
        installed("polars"),
        "flat",
    ),
    Contender(
        "DuckDB read_csv, COPY TO json",
        python("duckdb_reader", "ndjson"),
        installed("duckdb"),
        "flat",
    ),
    Contender(
        "flowlogs-reader + orjson",
        python("flowlogs_records", "ndjson"),
        installed("flowlogs-reader"),
        "flat",
        share=0.2,
    ),
)

TABLES = (
    Contender("Polars read_csv", python("polars_reader", "arrow"), installed("polars"), "flat"),
    Contender("pyarrow.csv", python("pyarrow_reader", "arrow"), installed("pyarrow"), "flat"),
    Contender("DuckDB read_csv", python("duckdb_reader", "arrow"), installed("duckdb"), "flat"),
)

#: Everything that a document says, and only what the others make.
ARROW = (ours("arrow"), *TABLES)
OWN_FIELDS = (
    Contender("vpcflow", python("ours_arrow", "own"), installed("vpcflow"), "flat, checked", ours=True),
    *TABLES,
)


def threads(form: str) -> tuple[Contender, ...]:
    return (ours(form, "one thread"), ours(form, "two threads", threads=2))


ROWS = (
    Row("ndjson-v2", "v2 text to ECS NDJSON, one core", 2, "ndjson", NDJSON),
    Row("ndjson-v5", "v5 text to ECS NDJSON, one core", 5, "ndjson", NDJSON),
    Row("fields-v2", "v2 text to typed Arrow, the log's own fields, one core", 2, "memory", OWN_FIELDS),
    Row("fields-v5", "v5 text to typed Arrow, the log's own fields, one core", 5, "memory", OWN_FIELDS),
    Row("arrow-v2", "v2 text to typed Arrow, every ECS field, one core", 2, "memory", ARROW),
    Row("arrow-v5", "v5 text to typed Arrow, every ECS field, one core", 5, "memory", ARROW),
    Row("threads-ndjson-v2", "v2 text to ECS NDJSON, two cores", 2, "ndjson", threads("ndjson"), "wall"),
    Row("threads-ndjson-v5", "v5 text to ECS NDJSON, two cores", 5, "ndjson", threads("ndjson"), "wall"),
    Row("threads-arrow-v2", "v2 text to typed Arrow, two cores", 2, "memory", threads("arrow"), "wall"),
    Row("threads-arrow-v5", "v5 text to typed Arrow, two cores", 5, "memory", threads("arrow"), "wall"),
    Row(
        "memory",
        "Peak memory of v5 text to ECS NDJSON, by size of the file",
        5,
        "ndjson",
        (
            ours("ndjson", "a hundredth of the file", share=0.01),
            ours("ndjson", "a tenth", share=0.1),
            ours("ndjson", "the whole"),
        ),
        "peak",
    ),
)
