"""A made-up day of flow logs, for trying things out: what `vpcflow demo` indexes.

A small company in one region: a shop (load balancers, web, application, database and cache servers), its
operations (bastion, monitoring, build runners) and its data warehouse, each in a VPC of its own. Besides
ordinary traffic, a day holds things that are worth finding:

- in the night 198.51.100.23 tries port after port of whatever is reachable (REJECT),
- in the same night a worker of the warehouse sends some 45 GB to 203.0.113.200,
- in the afternoon the database's security group refuses the two newest application servers (port 5432),
- in the evening somebody tries ssh at the bastion, from three addresses (REJECT),
- interfaces without traffic (NODATA), and records that AWS skipped (SKIPDATA).

Outside addresses are documentation ranges, some that GeoIP's test databases know, and a few of AWS's own. The
same day, number of lines and seed give the same lines.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from vpcflow.demo.day import Day
from vpcflow.demo.network import ACCOUNT, REGION
from vpcflow.demo.traffic import HEADER

__all__ = ["LogFile", "generate", "write"]


class LogFile(NamedTuple):
    """One object as AWS delivers it: its key in the bucket, and its lines, the header first."""

    key: str
    lines: list[str]

    def compressed(self) -> bytes:
        return gzip.compress("".join(f"{line}\n" for line in self.lines).encode(), 6, mtime=0)


def generate(day: date, *, lines: int = 200_000, seed: int = 1) -> Iterator[LogFile]:
    """The day's files in the order of their time, one a flow log (a VPC) and window.

    Args:
        day: in UTC; every record ends in it.
        lines: about how many records the day has.
        seed: another one makes another network and another day.
    """
    folder = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{day:%Y/%m/%d}"
    for window in Day(day, lines, seed).windows():
        name = f"{ACCOUNT}_vpcflowlogs_{REGION}_{window.flow_log}_{day:%Y%m%d}T{window.time}Z_{window.digest}"
        yield LogFile(f"{folder}/{name}.log.gz", [HEADER, *window.lines])


def write(folder: Path, day: date, *, lines: int = 200_000, seed: int = 1) -> list[Path]:
    """Writes the day's files under a folder that stands for the bucket, and returns their paths."""
    paths = []
    for file in generate(day, lines=lines, seed=seed):
        path = folder / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.compressed())
        paths.append(path)
    return paths
