"""What a benchmark is made of: rows, their contenders, and what ours is meant to reach beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: How a contender's input is stored; `inputs.py` makes each from the same lines.
Form = Literal["text", "gzip", "parquet"]
#: Lines a CPU second, lines a second, least memory, or milliseconds to start.
By = Literal["cpu", "wall", "peak", "start"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a row's work; what its command has to print stands in `harness.py`.

    Attributes:
        name: how the tables call it.
        command: program and arguments; INPUT and OUTPUT are added.
        version: of what does the work, for the report.
        writes: what its result is beside ours; `KINDS` says what the words mean.
        ours: whether it is vpcflow. The first such contender is what the ratios are to.
        yardstick: whether it only shows what a part of the work costs; it has no rank.
        cores: how many it is pinned to.
        share: part of the row's lines that it gets; slow ones are given fewer, rates are per line.
        reads: how its input is stored.
        crate: package in peers/rust that has to be built first.
    """

    name: str
    command: tuple[str, ...]
    version: str = ""
    writes: str = ""
    ours: bool = False
    yardstick: bool = False
    cores: int = 1
    share: float = 1.0
    reads: Form = "text"
    crate: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What ours is meant to reach beside others in the row.

    Attributes:
        others: names of contenders; the fastest of them counts, or with `at_most` the slowest.
        at_least: times its rate.
        at_most: times its time, instead.
        subject: which of ours, if not the first.
    """

    others: tuple[str, ...]
    at_least: float | None = None
    at_most: float | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """What ours may take at most.

    Attributes:
        most: MB for memory, milliseconds for starting.
        subject: which contender; none is each of ours.
        over: contender whose figure is taken off first.
    """

    most: float
    subject: str = ""
    over: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work, done by several contenders on the same lines.

    Attributes:
        key: for `--only`.
        title: heading of its table.
        version: of the records in the file, 2 or 5.
        output: what OUTPUT is and how the result is checked: a file of lines, a folder of Parquet files, or
            nothing, because the result stays in memory or there is none.
        contenders: whom it is measured for.
        by: what the ranking is by.
        targets: what ours is meant to reach.
        special: measured only when it is asked for.
    """

    key: str
    title: str
    version: Literal[2, 5]
    output: Literal["ndjson", "store", "memory", "none"]
    contenders: tuple[Contender, ...]
    by: By = "cpu"
    targets: tuple[Target | Limit, ...] = ()
    special: bool = False


#: The words of `Contender.writes`.
KINDS = {
    "ECS + id": "every field of docs/, with the community id; each number and address is validated",
    "ECS, trusting": "the same fields but the community id; lines are trusted, a bad one stops it",
    "ECS + id, trusting": "the same fields with the community id; lines are trusted, a bad one stops it",
    "flat, checked": "the log's own fields under ECS names, texts that repeat as dictionaries; each number "
    "and address is validated",
    "flat": "the log's own fields under their own names; addresses are text and not validated",
    "flat, as stored": "the file's columns as they are, times as seconds and absent texts as `-`",
    "store": "the columns of vpcflow's Parquet store, zstd level 1; each number and address is validated",
    "store, less": "the same columns and compression but the community id and the lines' places in the "
    "file; addresses are text and not validated",
    "nothing": "a yardstick that makes nothing",
}
