"""The flowlogs-reader package: its record objects, and their dictionaries through orjson."""

from __future__ import annotations

import warnings
from pathlib import Path

import common
import orjson
from flowlogs_reader import FlowRecord
from harness import contend, counted


def ndjson(source: str, target: str) -> int:
    names = [name.replace("-", "_") for name in common.names(source)]
    dumps, newline = orjson.dumps, orjson.OPT_APPEND_NEWLINE
    records = 0
    with Path(source).open(encoding="ascii") as lines, Path(target).open("wb", buffering=1 << 20) as out:
        next(lines)
        for line in lines:
            record = FlowRecord(dict(zip(names, line.split(), strict=True)))
            out.write(dumps(record.to_dict(), option=newline))
            records += 1
    return records


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # the package calls utcfromtimestamp
    contend({"ndjson": (ndjson, counted)})
