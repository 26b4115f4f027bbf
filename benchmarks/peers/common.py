"""The typed columns that the table readers are asked for, and the path to the harness."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

INT32 = frozenset({"srcport", "dstport", "protocol", "tcp-flags", "traffic-path", "version"})
INT64 = frozenset({"packets", "bytes"})
TIMES = ("start", "end")


def names(source: str) -> list[str]:
    """The fields that the header line names."""
    with Path(source).open(encoding="ascii") as file:
        return file.readline().split()
