"""Flow logs that the tests of pipeline and command line read, and the command itself."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import samples

HEADER = samples.V2
ACCEPT = (
    "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 "
    "20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
)
REJECT = (
    "2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 "
    "49761 3389 6 20 4249 1418530010 1418530070 REJECT OK"
)
NODATA = "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA"
SKIPDATA = "2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA"
BAD_PORT = (
    "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 "
    "ssh 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
)
BAD_COUNT = "2 123456789010 eni-1235b8ca123456789 172.31.16.139"
#: As AWS names the objects in S3.
S3_NAME = "123456789010_vpcflowlogs_us-east-1_fl-1234abcd_20141214T0405Z_fe123456.log"


def text(*lines: str) -> bytes:
    """A file of these lines."""
    return "".join(f"{line}\n" for line in lines).encode()


def many(count: int) -> bytes:
    """A file with a header and so many records; the source port tells them apart."""
    records = (
        f"2 123456789010 eni-1235b8ca123456789 172.31.{n % 250}.139 172.31.16.21 {n % 65536} 22 6 20 4249 "
        f"1418530010 1418530070 {'REJECT' if n % 7 == 0 else 'ACCEPT'} OK"
        for n in range(count)
    )
    return text(HEADER, *records)


def write(path: Path, *lines: str) -> Path:
    """Writes a log, compressed when its name ends in .gz."""
    data = text(*lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of an NDJSON file, compressed or not."""
    data = path.read_bytes()
    return [
        json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    ]


def rows(store: Path, column: str = "count(*)") -> int:
    """How many rows a store has, or another sum of them."""
    from vpcflow.query.store import connect

    with connect(store) as connection:
        found = connection.execute(f"SELECT {column} FROM flows").fetchone()
    assert found is not None
    return int(found[0])


def temporary(folder: Path) -> list[Path]:
    """What a run left half-made below a folder."""
    return [path for path in folder.rglob("*") if path.name.endswith(".tmp")]


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "vpcflow", *map(str, args)]


def environment(**extra: str) -> dict[str, str]:
    """Without what a developer's shell may set."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("ELASTICSEARCH", "VPCFLOW"))
    }
    return {**kept, "COLUMNS": "200", **extra}


def vpcflow(
    *args: str | Path, cwd: Path, code: int = 0, stdin: bytes | None = None, **extra: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs the command to its end and checks the exit code, and that there is no traceback."""
    done = subprocess.run(
        command(*args),
        cwd=cwd,
        input=b"" if stdin is None else stdin,
        capture_output=True,
        env=environment(**extra),
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr.decode())
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def errors(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """The lines on standard error."""
    return done.stderr.decode().splitlines()
