"""Bad surroundings: a full disk, a reader that goes away, an interrupt. One line, and nothing half-made."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from flowlogs import (
    ACCEPT,
    BAD_PORT,
    HEADER,
    command,
    environment,
    errors,
    many,
    temporary,
    vpcflow,
    write,
)
from vpcflow.cli import main


def test_a_full_disk_on_standard_output(tmp_path: Path) -> None:
    write(tmp_path / "a.log", HEADER, ACCEPT)
    vpcflow("index", "a.log", "-q", cwd=tmp_path)
    commands = (
        ("index", "a.log", "--to", "-"),
        ("query", "FROM flows"),
        ("query", "FROM flows", "-o", "/dev/full"),
        ("query", "FROM flows", "--format", "parquet"),
        ("explain", ACCEPT),
    )
    for args in commands:
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                command(*args),
                cwd=tmp_path,
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment(),
                check=False,
            )
        assert done.returncode == 1, args
        [line] = errors(done)
        assert line.startswith("Error: ")
        assert "No space left on device" in line


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("target", ["store", "out.parquet", "out.ndjson", "out.ndjson.gz"])
def test_a_full_disk(target: str, small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(200_000))
    done = vpcflow("index", "a.log", "--to", small_disk / target, cwd=tmp_path, code=1)
    assert (
        errors(done)[-1]
        == f"Error: {small_disk / target}: No space left on device; make room there and run again"
    )
    assert [path for path in small_disk.rglob("*") if path.is_file()] == [], "what was half-written is gone"


SMALL_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.parametrize("target", ["store", "out.parquet", "out.ndjson", "out.ndjson.gz"])
def test_a_file_may_not_grow_further(target: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(100_000))
    done = subprocess.run(
        [sys.executable, "-c", SMALL_FILES, *command("index", "a.log", "--to", target)],
        cwd=tmp_path,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert errors(done)[-1] == f"Error: {target}: File too large; make room there and run again"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.log"]


def test_a_full_disk_for_the_dead_letter_file(tmp_path: Path) -> None:
    write(tmp_path / "a.log", HEADER, BAD_PORT)
    args = ("index", "a.log", "--to", "o.ndjson", "--on-error", "dead-letter", "--dead-letter", "/dev/full")
    [line] = errors(vpcflow(*args, cwd=tmp_path, code=1))
    assert line.startswith("Error: /dev/full: No space left on device")


@pytest.mark.parametrize(
    "args", [("index", "a.log", "--to", "-"), ("query", "FROM range(1_000_000)", "--format", "csv")]
)
def test_a_broken_pipe(args: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(100_000))
    vpcflow("index", write(tmp_path / "b.log", ACCEPT), "-q", cwd=tmp_path)
    process = subprocess.Popen(
        command(*args), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert said == b""


def test_in_a_shell_head_ends_the_command_quietly(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(100_000))
    line = " ".join([*command("index", "a.log", "--to", "-"), "| head -1"])
    done = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, env=environment(), check=True)
    assert json.loads(done.stdout)["event"]["kind"] == "event"
    assert done.stderr == b""


@pytest.mark.parametrize("target", ["store", "out.parquet", "out.ndjson.gz"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt(target: str, number: signal.Signals, code: int, tmp_path: Path) -> None:
    write(tmp_path / "done.log", HEADER, ACCEPT)
    log = tmp_path / "endless"
    os.mkfifo(log)
    process = subprocess.Popen(
        command("index", "done.log", "endless", "--to", target, "--workers", "1", "-q"),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with log.open("wb") as pipe:
        pipe.write(many(60_000))
        pipe.flush()
        wait_for(lambda: temporary(tmp_path) != [])
        process.send_signal(number)
        assert process.wait(30) == code
    assert process.stderr is not None
    said = process.stderr.read().decode()
    process.stderr.close()
    assert said == ("Interrupted\n" if number == signal.SIGINT else "")
    assert temporary(tmp_path) == []
    kept = {"store": 1}.get(target, 0)
    assert len(list(tmp_path.rglob("*.parquet"))) == kept, "what was committed before stays"


def test_an_interrupt_while_standard_input_is_silent(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("index", "-", "--to", "out.ndjson"),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    wait_for(lambda: temporary(tmp_path) != [])
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr is not None
    assert process.stdin is not None
    assert process.stderr.read() == b"Interrupted\n"
    process.stderr.close()
    process.stdin.close()
    assert list(tmp_path.iterdir()) == []


def wait_for(condition: object) -> None:
    deadline = time.monotonic() + 30
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def test_a_program_with_threads_of_its_own_outlives_a_command_that_fails() -> None:
    """Tests run commands so; the command line alone may end a process under its threads."""
    done = threading.Event()
    threading.Thread(target=done.wait).start()
    try:
        assert CliRunner().invoke(main, ["index", "logs", "--geo", "nowhere.mmdb"]).exit_code == 2
    finally:
        done.set()


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_a_narrow_terminal_breaks_no_word(tmp_path: Path, columns: int) -> None:
    """Addresses and names are there to be copied; sentences wrap, and nothing is padded past the edge."""
    write(tmp_path / "a.log", HEADER, ACCEPT)
    vpcflow("index", "a.log", "-q", cwd=tmp_path)
    sql = "SELECT \"source.ip\", 'many words ' || repeat('more ', 20) AS text, \"source.ip\" AS again FROM flows"
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    subprocess.run(
        command("query", sql),
        cwd=tmp_path,
        stdout=terminal,
        check=True,
        env={name: value for name, value in environment().items() if name != "COLUMNS"},
    )
    os.close(terminal)
    shown = re.sub(r"\x1b\[[\d;]*m", "", os.read(controller, 1 << 16).decode())
    os.close(controller)
    lines = shown.splitlines()
    address = ACCEPT.split()[3]
    assert shown.count(address) == 2
    assert all(line == line.rstrip() for line in lines)
    if columns > 30:
        assert max(map(len, lines)) <= columns
