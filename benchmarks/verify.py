"""Whether a contender did the work: every record has to be in its result, and the sum of the bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Expected:
    """What every contender must have read from a file."""

    records: int
    nbytes: int | None  # unknown to a yardstick that doesn't look at the lines

    @classmethod
    def of(cls, path: Path) -> Expected:
        """By reading the text."""
        records = nbytes = 0
        with path.open(encoding="ascii") as lines:
            at = next(lines).split().index("bytes")
            for line in lines:
                value = line.split(" ", at + 1)[at]
                records += 1
                nbytes += int(value) if value != "-" else 0
        return cls(records, nbytes)

    def agrees(self, found: Expected) -> bool:
        return self.records == found.records and found.nbytes in {self.nbytes, None}


def ndjson(path: Path) -> Expected:
    """Records and bytes of an NDJSON file, of ECS documents or of flat ones."""
    records = nbytes = 0
    with path.open("rb") as lines:
        for line in lines:
            document = json.loads(line)
            records += 1
            nbytes += document.get("network", document).get("bytes") or 0
    return Expected(records, nbytes)


def store(folder: Path) -> Expected:
    """Records and bytes of the Parquet files below a folder."""
    import duckdb

    query = f"SELECT count(*), sum(\"source.bytes\")::BIGINT FROM read_parquet('{folder}/**/*.parquet')"
    records, nbytes = duckdb.sql(query).fetchall()[0]
    return Expected(records, nbytes)


def size(path: Path) -> int:
    """Bytes of a file, or of those below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
