"""vpcflow to ECS NDJSON."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import common  # noqa: F401  (puts benchmarks/ on the path)
from chunks import in_order
from harness import contend, counted

from vpcflow._core import Chunk


def document_lines(chunk: Chunk) -> tuple[int, bytes]:
    batch = chunk.parse()
    return len(batch), batch.to_ndjson()


def ndjson(source: str, target: str, threads: int = 1) -> int:
    records = 0
    with Path(target).open("wb", buffering=0) as out:
        for documents, data in in_order(document_lines, source, threads):
            out.write(data)
            records += documents
    return records


if __name__ == "__main__":
    contend({"one": (ndjson, counted), "two": (partial(ndjson, threads=2), counted)})
