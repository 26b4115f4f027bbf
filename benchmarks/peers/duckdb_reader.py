"""DuckDB's readers: CSV into typed columns as an Arrow table and to flat NDJSON, Parquet to flat NDJSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import common
import duckdb
import pyarrow.compute
from harness import contend, counted


def select(source: str, integers: Collection[str] = common.INT32) -> str:
    """SQL that reads a log; what is neither one of `integers` nor counted or a time is text."""
    types = {
        name: "INTEGER"
        if name in integers
        else "BIGINT"
        if name in common.INT64 or name in common.TIMES
        else "VARCHAR"
        for name in common.names(source)
    }
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    times = ", ".join(f'make_timestamp("{name}" * 1000000) AS "{name}"' for name in common.TIMES)
    return (
        f"SELECT * REPLACE ({times}) FROM read_csv('{source}', delim = ' ', header = true, quote = '',"
        f" escape = '', nullstr = '-', auto_detect = false, columns = {{{columns}}})"
    )


def connect() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def copy(query: str, target: str, options: str) -> int:
    """Writes what a query finds, and returns how many rows that was."""
    return connect().execute(f"COPY ({query}) TO '{target}' ({options})").fetchall()[0][0]


def table(source: str, _: str) -> Any:
    return connect().sql(select(source)).to_arrow_table()


def ndjson(source: str, target: str) -> int:
    return copy(select(source), target, "FORMAT json")


def parquet(source: str, target: str) -> int:
    return copy(f"FROM read_parquet('{source}')", target, "FORMAT json")


def count(read: Any) -> tuple[int, int]:
    return read.num_rows, pyarrow.compute.sum(read["bytes"]).as_py()


if __name__ == "__main__":
    contend({"arrow": (table, count), "ndjson": (ndjson, counted), "parquet": (parquet, counted)})
