"""pyarrow's CSV reader into typed columns."""

from __future__ import annotations

import common
import pyarrow
import pyarrow.compute
import pyarrow.csv
from harness import contend


def table(source: str, _: str) -> pyarrow.Table:
    types = {
        name: pyarrow.int32()
        if name in common.INT32
        else pyarrow.int64()
        if name in common.INT64 or name in common.TIMES
        else pyarrow.string()
        for name in common.names(source)
    }
    read = pyarrow.csv.read_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, null_values=["-"], strings_can_be_null=True
        ),
    )
    for name in common.TIMES:
        at = read.schema.get_field_index(name)
        read = read.set_column(at, name, read.column(at).cast(pyarrow.timestamp("s", "UTC")))
    return read


def count(read: pyarrow.Table) -> tuple[int, int]:
    return read.num_rows, pyarrow.compute.sum(read["bytes"]).as_py()


if __name__ == "__main__":
    pyarrow.set_cpu_count(1)
    # Its own choice, mimalloc, takes up to twice its best time when the kernel has no large pages ready.
    # This one is as fast every time, within a tenth of that best.
    pyarrow.set_memory_pool(pyarrow.jemalloc_memory_pool())
    contend({"arrow": (table, count)})
