"""vpcflow to typed Arrow columns. pyarrow only holds them, as the other table readers' results are held."""

from __future__ import annotations

from functools import partial

import common  # noqa: F401  (puts benchmarks/ on the path)
import pyarrow
import pyarrow.compute
from chunks import in_order
from harness import contend

from vpcflow._core import Chunk


def columns(chunk: Chunk) -> pyarrow.Table:
    return pyarrow.table(chunk.parse())


def arrow(source: str, _: str, threads: int = 1) -> list[pyarrow.Table]:
    return list(in_order(columns, source, threads))


def count(tables: list[pyarrow.Table]) -> tuple[int, int]:
    sums = (pyarrow.compute.sum(table["network.bytes"]).as_py() or 0 for table in tables)
    return sum(table.num_rows for table in tables), sum(sums)


if __name__ == "__main__":
    contend({"one": (arrow, count), "two": (partial(arrow, threads=2), count)})
