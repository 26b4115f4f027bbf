"""The real commands as processes: what `vpcflow index` takes with its start, and what starting up takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from resource import struct_rusage
from typing import BinaryIO

STARTS = 10
#: The script that pip installed beside this Python.
VPCFLOW = str(Path(sys.executable).with_name("vpcflow"))
COMMANDS = {
    "start-python": [sys.executable, "-c", "pass"],
    "start-import": [sys.executable, "-c", "import vpcflow"],
    "start-help": [VPCFLOW, "--help"],
}


def run(command: list[str], out: BinaryIO) -> tuple[struct_rusage, str]:
    """What a command took, and what it said on standard error."""
    # This process is smaller than any that it starts, so their largest size is their own.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with process.stderr as stderr:
        said = stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {said.strip()}")
    return usage, said


def documents(summary: str) -> int:
    """How many documents `vpcflow index` says it wrote."""
    words = (line.split() for line in summary.splitlines())
    return next(int(line[1].replace(",", "")) for line in words if line[:1] == ["documents"])


def main() -> None:
    work, source, target = sys.argv[1:]
    times = STARTS if work in COMMANDS else 1
    command = COMMANDS.get(work, [VPCFLOW, "index", source, "--to", "-"])
    with Path(target).open("wb") as out:
        begun = time.perf_counter()
        runs = [run(command, out) for _ in range(times)]
        wall = time.perf_counter() - begun
    line = {
        "records": times if work in COMMANDS else documents(runs[0][1]),
        "bytes": None,
        "cpu": sum(usage.ru_utime + usage.ru_stime for usage, _ in runs),
        "wall": wall,
        "peak": max(usage.ru_maxrss for usage, _ in runs) * 1024,
    }
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
