"""Buckets with flow logs, as AWS names them, and what a run makes of them."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import vpcflow
from unit.flowlogs import documents, many
from vpcflow.pipeline import IndexResult
from vpcflow.query.store import connect
from vpcflow.sources.base import SourceOptions

BUCKET = "flow-logs"
ACCOUNT = "123456789012"
DAY = datetime(2024, 11, 20, tzinfo=UTC)


def name(at: datetime, account: str = ACCOUNT, region: str = "eu-west-1", suffix: str = "log.gz") -> str:
    return f"{account}_vpcflowlogs_{region}_fl-0a1b2c3d_{at:%Y%m%dT%H%MZ}_1a2b3c4d.{suffix}"


def key(at: datetime, account: str = ACCOUNT, region: str = "eu-west-1", suffix: str = "log.gz") -> str:
    return f"AWSLogs/{account}/vpcflowlogs/{region}/{at:%Y/%m/%d}/{name(at, account, region, suffix)}"


def log(count: int = 2) -> bytes:
    return gzip.compress(many(count))


def every(step: timedelta, count: int, start: datetime = DAY, **of: str) -> dict[str, bytes]:
    """So many objects, one each step."""
    return {key(start + n * step, **of): log() for n in range(count)}


def index(store: Path, url: str = f"s3://{BUCKET}/", **options: Any) -> IndexResult:
    known = SourceOptions.__dataclass_fields__.keys() - {"format"}
    source = SourceOptions(**{name: value for name, value in options.items() if name in known})
    rest = {name: value for name, value in options.items() if name not in known}
    rest.setdefault("dead_letter", store.parent / "dead-letter.ndjson")
    return vpcflow.index(url, to=store, source_options=source, **rest)


def keys(path: Path) -> list[str]:
    """Of the objects whose records are in an NDJSON file."""
    return sorted({document["aws"]["s3"]["object"]["key"] for document in documents(path)})


def rows(store: Path) -> int:
    with connect(store) as connection:
        found = connection.execute("SELECT count(*) FROM flows").fetchone()
    assert found is not None
    return int(found[0])


def stamp(at: datetime) -> float:
    return at.timestamp()


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
