"""vpcflow to ECS NDJSON, made to lose a part of its speed: after each chunk it burns that much of its time.

It shows whether the benchmark notices: see README.md, "Would it notice?".
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import common  # noqa: F401  (puts benchmarks/ on the path)
from chunks import in_order
from harness import contend, counted
from ours_ndjson import document_lines


def ndjson(source: str, target: str, loss: float) -> int:
    records = 0
    with Path(target).open("wb", buffering=0) as out:
        since = time.process_time()
        for documents, data in in_order(document_lines, source, 1):
            out.write(data)
            records += documents
            now = time.process_time()
            until = now + (now - since) * loss
            while time.process_time() < until:
                for _ in range(200):  # a system call each time would slow down what comes after it
                    pass
            since = time.process_time()
    return records


if __name__ == "__main__":
    contend({"ten": (partial(ndjson, loss=0.1), counted)})
