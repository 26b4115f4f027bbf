"""What is measured against what. A row is one piece of work; its contenders are commands."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import contenders as who
from contenders import command, ours, python
from model import Contender, Limit, Row, Target

#: Contenders with more than this part of the lines take their time and are measured only on request.
HUGE_SHARE = 10

NDJSON = (
    ours("ndjson"),
    who.POLARS_NDJSON,
    who.DUCKDB_NDJSON,
    who.VRL_FUNCTION,
    who.VRL,
    who.HAND_MAPPING,
    who.FLOWLOGS_READER,
    who.HAND_MAPPING_IDS,
)
NDJSON_TARGETS = (Target((who.VRL.name,), 3.0), Target((who.POLARS_NDJSON.name,), 1.2))

#: Everything that a document says, and only what the others make.
TABLES = (who.POLARS_TABLE, who.PYARROW_TABLE, who.DUCKDB_TABLE)
ARROW = (ours("arrow"), *TABLES)
OWN_FIELDS = (who.OURS_OWN_FIELDS, *TABLES, who.SPLIT)
OWN_FIELDS_TARGETS = (
    Target((who.POLARS_TABLE.name, who.PYARROW_TABLE.name), 1.3),
    Target((who.SPLIT.name,), 0.6),
)

ALONE = replace(ours("ndjson", "vpcflow from text, one thread"), yardstick=True)
GZIP = (ours("ndjson", "vpcflow, two threads", threads=2, reads="gzip"), who.GUNZIP, ALONE)
GZIP_TARGETS = (Target((who.GUNZIP.name, ALONE.name), at_most=1.15),)

FROM_TEXT = replace(ours("ndjson", "vpcflow from text"), yardstick=True)
PARQUET = (ours("ndjson", reads="parquet"), who.DUCKDB_PARQUET, who.POLARS_PARQUET, FROM_TEXT)
PARQUET_TARGETS = (Target((FROM_TEXT.name,), 1.0),)

STORE = (who.OURS_STORE, who.DUCKDB_FILE, who.DUCKDB_STORE)
STORE_TARGETS = (Target((who.DUCKDB_FILE.name, who.DUCKDB_STORE.name), 1.5),)

INDEX = (command("one core", cores=1), command("two cores"))
INDEX_TARGETS = (Target(("one core",), 1.8, subject="two cores"),)

#: 1 MB, 100 MB, 1 GB and 10 GB of the million lines' 258 MB.
SIZES = (
    command("a small file", share=0.0039),
    command("100 times that", share=0.388),
    command("1,000 times that", share=3.88),
    command("10,000 times that", share=38.8),
)

PLAIN_PYTHON = replace(
    command("python -c pass", "start-python", cores=1), version="", ours=False, yardstick=True
)
STARTS = (
    PLAIN_PYTHON,
    command("import vpcflow", "start-import", cores=1),
    command("vpcflow --help", "start-help", cores=1),
)
START_LIMITS = (
    Limit(60, "import vpcflow", over=PLAIN_PYTHON.name),
    Limit(120, "vpcflow --help", over=PLAIN_PYTHON.name),
)

#: Whether a loss of a tenth shows: ours, ours once more, and ours with a tenth more to do.
SENSITIVITY = (
    ours("ndjson"),
    ours("ndjson", "vpcflow once more"),
    replace(ours("ndjson", "vpcflow, 10 % slower"), command=python("ours_slower", "ten")),
)


def threads(form: str) -> tuple[Contender, ...]:
    return (ours(form, "one thread"), ours(form, "two threads", threads=2))


def both(
    key: str,
    title: str,
    output: Literal["ndjson", "store", "memory", "none"],
    contenders: tuple[Contender, ...],
    *targets: Target | Limit,
    by: Literal["cpu", "wall"] = "cpu",
) -> tuple[Row, Row]:
    """A row for version 2 and one for version 5."""
    two = Row(f"{key}-v2", f"v2 {title}", 2, output, contenders, by, targets)
    return two, replace(two, key=f"{key}-v5", title=f"v5 {title}", version=5)


TWO_CORES = Target(("one thread",), 1.8, subject="two threads")
OWN_THREADS = (
    replace(who.OURS_OWN_FIELDS, name="one thread"),
    replace(who.OURS_OWN_FIELDS, name="two threads", command=who.python("ours_arrow", "own-two"), cores=2),
)
OWN, EVERY = "typed Arrow, the log's own fields", "typed Arrow, every ECS field"
ROWS = (
    *both("ndjson", "text to ECS NDJSON, one core", "ndjson", NDJSON, *NDJSON_TARGETS),
    *both("fields", f"text to {OWN}, one core", "memory", OWN_FIELDS, *OWN_FIELDS_TARGETS),
    *both("arrow", f"text to {EVERY}, one core", "memory", ARROW),
    *both(
        "threads-ndjson", "text to ECS NDJSON, two cores", "ndjson", threads("ndjson"), TWO_CORES, by="wall"
    ),
    *both("threads-fields", f"text to {OWN}, two cores", "memory", OWN_THREADS, TWO_CORES, by="wall"),
    *both("threads-arrow", f"text to {EVERY}, two cores", "memory", threads("arrow"), TWO_CORES, by="wall"),
    *both("gzip", "text in gzip to ECS NDJSON, two cores", "ndjson", GZIP, *GZIP_TARGETS, by="wall"),
    Row("parquet-v5", "v5 Parquet to ECS NDJSON, one core", 5, "ndjson", PARQUET, targets=PARQUET_TARGETS),
    *both("store", "text to the Parquet store, one core", "store", STORE, *STORE_TARGETS),
    *both("index", "text to ECS NDJSON with `vpcflow index`", "ndjson", INDEX, *INDEX_TARGETS, by="wall"),
    Row(
        "memory",
        "Peak memory of `vpcflow index` with v5 text to NDJSON on standard output, by size of the file",
        5,
        "ndjson",
        SIZES,
        "peak",
        (Limit(100),),
    ),
    Row("start", "Starting up, one core", 2, "none", STARTS, "start", START_LIMITS),
    Row("sensitivity", "Whether a loss of a tenth shows", 2, "ndjson", SENSITIVITY, special=True),
)
