"""vpcflow to its Parquet store: OUTPUT is the store's folder."""

from __future__ import annotations

import common  # noqa: F401  (puts benchmarks/ on the path)
from harness import contend, counted

from vpcflow._core import Reader, StoreWriter


def store(source: str, target: str) -> int:
    writer = StoreWriter(target, source)
    records = 0
    for chunk in Reader(source):
        batch = chunk.parse()
        writer.write(batch)
        records += len(batch)
    writer.commit()
    return records


if __name__ == "__main__":
    contend({"store": (store, counted)})
