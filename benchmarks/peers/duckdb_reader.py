"""DuckDB's CSV reader into typed columns as an Arrow table, and on to flat NDJSON."""

from __future__ import annotations

from typing import Any

import common
import duckdb
import pyarrow.compute
from harness import contend, counted


def select(source: str) -> str:
    types = {
        name: "INTEGER"
        if name in common.INT32
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


def table(source: str, _: str) -> Any:
    return connect().sql(select(source)).to_arrow_table()


def ndjson(source: str, target: str) -> int:
    return connect().execute(f"COPY ({select(source)}) TO '{target}' (FORMAT json)").fetchall()[0][0]


def count(read: Any) -> tuple[int, int]:
    return read.num_rows, pyarrow.compute.sum(read["bytes"]).as_py()


if __name__ == "__main__":
    contend({"arrow": (table, count), "ndjson": (ndjson, counted)})
