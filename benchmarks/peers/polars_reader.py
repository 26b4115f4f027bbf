"""Polars' CSV reader into typed columns, and on to flat NDJSON; its Parquet reader to that."""

from __future__ import annotations

import common
import polars
from harness import contend, counted


def table(source: str, _: str) -> polars.DataFrame:
    schema = {
        name: polars.Int32
        if name in common.INT32
        else polars.Int64
        if name in common.INT64 or name in common.TIMES
        else polars.String
        for name in common.names(source)
    }
    frame = polars.read_csv(source, separator=" ", quote_char=None, null_values="-", schema=schema)
    seconds = (polars.col(name) * 1000 for name in common.TIMES)
    return frame.with_columns(column.cast(polars.Datetime("ms", "UTC")) for column in seconds)


def ndjson(source: str, target: str) -> int:
    frame = table(source, target)
    frame.write_ndjson(target)
    return frame.height


def parquet(source: str, target: str) -> int:
    frame = polars.read_parquet(source)
    frame.write_ndjson(target)
    return frame.height


def count(frame: polars.DataFrame) -> tuple[int, int]:
    return frame.height, frame["bytes"].sum()


if __name__ == "__main__":
    contend({"arrow": (table, count), "ndjson": (ndjson, counted), "parquet": (parquet, counted)})
