"""`vpcflow alerts run` as a service: killed, ended, beside a writer, and while there is nothing to ask."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from unit.alerting import ATTACKER, OTHER, ago, fill, record, rules
from unit.flowlogs import HEADER, command, environment, write
from waiting import wait_for


@contextmanager
def running(folder: Path, *more: str | Path, stdout: object = None) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a folder, which is killed in the end. What it says is in `errors`."""
    with (folder / "errors").open("ab") as log:
        process = subprocess.Popen(
            command("alerts", "run", "--from", "flows", "--rules", "own", *more),
            cwd=folder,
            stdout=stdout or log,
            stderr=log,
            env=environment(),
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rule, and a store in which an address is refused often."""
    rules(tmp_path / "own")
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    return tmp_path


def full_pipe() -> tuple[int, int]:
    """A pipe that takes nothing more: whoever writes to it hangs."""
    reading, writing = os.pipe()
    flags = fcntl.fcntl(writing, fcntl.F_GETFL)
    fcntl.fcntl(writing, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    for size in (65536, 1):
        try:
            while True:
                os.write(writing, b"." * size)
        except BlockingIOError:
            pass
    fcntl.fcntl(writing, fcntl.F_SETFL, flags)
    return reading, writing


def hangs(pid: int) -> bool:
    """Whether a process waits for its standard output to take something."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith("1 0x1 ")


def outbox(folder: Path) -> int:
    """How many notices wait to be told."""
    with closing(sqlite3.connect(folder / "flows-alerts.db")) as db:
        return int(db.execute("SELECT count(*) FROM outbox").fetchone()[0])


@pytest.mark.skipif(not os.access("/proc/self/syscall", os.R_OK), reason="sees hanging processes by /proc")
def test_killed_between_evaluating_and_telling(folder: Path) -> None:
    """It hangs in telling, and is killed there: the next run tells, though there is nothing new to tell."""
    reading, writing = full_pipe()
    with running(folder, stdout=writing) as process:
        wait_for(lambda: hangs(process.pid))
        process.send_signal(signal.SIGKILL)
        process.wait()
    os.close(reading)
    os.close(writing)
    assert outbox(folder) > 0
    with running(folder, stdout=subprocess.PIPE) as process:
        said, _ = process.communicate(timeout=60)
    assert said.decode().count("SSH refused: 1") == 1
    assert ATTACKER in said.decode()
    assert outbox(folder) == 0


def test_killed_at_any_moment(folder: Path) -> None:
    """Told once or twice, never not at all."""
    with (folder / "told").open("ab") as told:
        for tenths in range(3, 30, 3):
            with running(folder, stdout=told) as process:
                time.sleep(tenths / 10)
                process.send_signal(signal.SIGKILL)
        with running(folder, stdout=told) as process:
            assert process.wait(60) == 0
    count = (folder / "told").read_text().count("SSH refused: 1")
    assert count in (1, 2)


def test_a_service_waits_for_the_first_flows_and_ends_in_good_order(tmp_path: Path) -> None:
    rules(tmp_path / "own")
    (tmp_path / "flows").mkdir()
    errors, told = tmp_path / "errors", tmp_path / "told"
    with told.open("ab") as output, running(tmp_path, "--every", "0.3s", stdout=output) as process:
        wait_for(lambda: "nothing is in this store yet" in errors.read_text())
        fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
        wait_for(lambda: ATTACKER in told.read_text())
        fill(tmp_path / "flows", *[record(ago(minutes=1), OTHER)] * 12, name="b")
        wait_for(lambda: told.read_text().count("SSH refused: 1") == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert OTHER in told.read_text()
    assert errors.read_text().count("nothing is in this store yet") == 1  # once, not in every round
    assert "Traceback" not in errors.read_text()


WRITER = """
import sys
from pathlib import Path

import vpcflow

print("ready", flush=True)
for log in sorted(Path(sys.argv[1]).iterdir()):
    vpcflow.index(log, to=sys.argv[2])
"""


def test_beside_a_writer_over_500_files(folder: Path) -> None:
    """Another process adds files while rules are evaluated, round after round; all is seen."""
    for number in range(250):
        fill(folder / "flows", record(ago(minutes=3), f"192.0.2.{number}"), name=f"old{number}")
        count = 11 if number % 10 == 0 else 1
        lines = [record(ago(minutes=2), f"198.51.100.{number}")] * count
        write(folder / "later" / f"new{number:03}.log", HEADER, *lines)
    with (
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder / "later"), str(folder / "flows")],
            stdout=subprocess.PIPE,
        ) as writer,
        (folder / "told").open("ab") as told,
    ):
        try:
            with running(folder, "--every", "0.1s", stdout=told) as process:
                assert writer.wait(100) == 0
                time.sleep(5)  # a round or two over all of it
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
        finally:
            writer.kill()
    with closing(sqlite3.connect(folder / "flows-alerts.db")) as db:
        rule = "5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c02"
        groups = db.execute("SELECT groups FROM alert WHERE rule = ?", (rule,)).fetchall()
    assert len(groups) == 26
    said = (folder / "errors").read_text()
    assert "could not" not in said
    assert "again in the next round" not in said
    assert len(list((folder / "flows").glob("*/*.parquet"))) > 500
    assert "Traceback" not in said
