"""A store of 500 files is asked while another process writes to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import vpcflow
from unit.flowlogs import HEADER
from vpcflow.cli import main
from vpcflow.query.answer import answer
from vpcflow.query.flows import open_flows
from vpcflow.query.model import Period, Query
from vpcflow.report.build import build, dashboards

DAY = datetime(2026, 11, 23, tzinfo=UTC)
FILES, FLOWS = 500, 20
TIME = ("--since", "2026-11-20", "--until", "2026-11-24")

# Indexes the objects of a folder one after the other.
WRITER = """
import sys
from pathlib import Path

import vpcflow

logs, store = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
for log in sorted(logs.iterdir()):
    vpcflow.index(log, to=store)
"""

# Indexes one object again and again, which has flows of many days and of one by turns: parts come and go.
CHANGER = """
import shutil, sys, time
from pathlib import Path

import vpcflow

long, short, log, store = *map(Path, sys.argv[1:4]), sys.argv[4]
pause = float(sys.argv[5])
print("ready", flush=True)
end = time.monotonic() + 10
while time.monotonic() < end:
    for version in (long, short):
        shutil.copy(version, log)
        vpcflow.index(log, to=store)
        time.sleep(pause)
"""


@contextmanager
def beside(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    """A process that writes, until it is done."""
    command = [sys.executable, "-c", program, *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            yield writer
        finally:
            writer.kill()


def flows(number: int) -> list[str]:
    """20 records, of one of four days."""
    end = int((DAY - timedelta(days=number % 4)).timestamp()) + 3600 + number
    return [
        f"2 123456789010 eni-0a 10.0.{number % 200}.{at} 203.0.113.{at} {1024 + at} 443 6 1 100 {end - 60} {end} ACCEPT OK"
        for at in range(FLOWS)
    ]


def write(log: Path, number: int) -> None:
    log.write_text("\n".join([HEADER, *flows(number), ""]))


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for number in range(FILES):
        write(folder / f"{number:04}.log", number)
    return folder


def test_numbers_only_grow_while_another_process_writes(logs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    vpcflow.index(logs, to=store)
    assert sum(1 for _ in store.rglob("*.parquet")) == FILES
    more = tmp_path / "more"
    more.mkdir()
    for number in range(300):
        write(more / f"{number:04}.log", number)
    again = sorted(logs.iterdir())[:100]
    for log in again:  # the writer puts parts in the place of these
        (more / f"again-{log.name}").symlink_to(log)
    seen = []
    with beside(WRITER, more, store) as writer:
        while writer.poll() is None:
            seen.append(total(store))
    assert writer.returncode == 0
    seen.append(total(store))
    assert seen == sorted(seen)
    assert len(set(seen)) > 3, "it wrote while it was asked"
    assert seen[0] >= FILES * FLOWS
    assert all(flows % FLOWS == 0 for flows in seen), "an object is there whole or not at all"
    assert seen[-1] == (FILES + 300) * FLOWS


def test_parts_may_go_while_they_are_asked(logs: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    vpcflow.index(logs, to=store)
    versions = tmp_path / "long.log", tmp_path / "short.log"
    lines = [line for number in range(4) for line in flows(number)]
    for version, part in zip(versions, (lines, lines[:FLOWS]), strict=True):
        version.write_text("\n".join([HEADER, *part, ""]))
    log = tmp_path / "changing.log"
    log.write_bytes(versions[0].read_bytes())
    vpcflow.index(log, to=store)
    seen = set()
    with beside(CHANGER, *versions, log, store, 0.1) as writer:
        while writer.poll() is None:
            seen.add(total(store))
    assert writer.returncode == 0
    assert min(seen) >= (FILES + 1) * FLOWS
    assert max(seen) <= (FILES + 4) * FLOWS


def test_an_open_store_sees_what_comes_later(logs: Path, tmp_path: Path) -> None:
    query = Query.parse({"metrics": [{"count": "flows"}]})
    whole = Period(DAY - timedelta(days=3), DAY + timedelta(days=1))
    log = sorted(logs.iterdir())
    vpcflow.index(log[:4], to=tmp_path / "store")
    more = tmp_path / "more.log"  # with a column that is new to the store
    more.write_text("\n".join([f"{HEADER} traffic-path", *(f"{line} 8" for line in flows(0)), ""]))
    with open_flows(tmp_path / "store") as engine:
        assert answer(query, engine).rows == answer(query, engine, whole).rows == [(4 * FLOWS,)]
        vpcflow.index([*log[4:9], more], to=tmp_path / "store")
        assert answer(query, engine).rows == answer(query, engine, whole).rows == [(10 * FLOWS,)]


def test_an_object_that_is_indexed_again_is_read_as_one_or_the_other(tmp_path: Path) -> None:
    """A part is replaced by one of another length, between being looked at and being read."""
    versions = tmp_path / "long.log", tmp_path / "short.log"
    versions[0].write_text("\n".join([HEADER, *(flows(0) * 200), ""]))
    versions[1].write_text("\n".join([HEADER, *flows(0), ""]))
    log, store = tmp_path / "changing.log", tmp_path / "store"
    log.write_bytes(versions[0].read_bytes())
    vpcflow.index(log, to=store)
    query = Query.parse({"metrics": [{"count": "flows"}, {"sum": "network.bytes", "as": "bytes"}]})
    seen = set()
    with beside(CHANGER, *versions, log, store, 0.03) as writer, open_flows(store) as engine:
        while writer.poll() is None:
            seen.update(answer(query, engine).rows)
    assert writer.returncode == 0
    assert seen == {(FLOWS, FLOWS * 100), (200 * FLOWS, 200 * FLOWS * 100)}


def test_a_report_of_a_large_store_is_of_one_version_or_the_other(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core reads its files, first the values and then the rows; between them a part is replaced."""
    monkeypatch.setattr("vpcflow.report.build._FEW", 0)
    versions = tmp_path / "long.log", tmp_path / "short.log"
    more = [line.replace("eni-0a", f"eni-{number:02}") for number in range(99) for line in flows(0)]
    versions[0].write_text("\n".join([HEADER, *flows(0), *more, ""]))
    versions[1].write_text("\n".join([HEADER, *flows(0), ""]))
    log, store = tmp_path / "changing.log", tmp_path / "store"
    log.write_bytes(versions[0].read_bytes())
    vpcflow.index([*sorted(logs.iterdir())[:40], log], to=store)
    boards, seen = dashboards(["overview"]), set()
    with beside(CHANGER, *versions, log, store, 0.05) as writer:
        while writer.poll() is None:
            seen.add(build(store, boards, with_cubes=False).flows)
    assert writer.returncode == 0
    assert seen == {(40 + 1) * FLOWS, (40 + 100) * FLOWS}


def total(store: Path) -> int:
    done = CliRunner().invoke(
        main, ["query", "log-health", "--from", str(store), *TIME, "--format", "json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)[0]["records"]
