"""What a contender written in Python does around its work: `COMMAND WORK INPUT OUTPUT` and one line of JSON.

A contender in any other language is a command that takes INPUT and OUTPUT last and prints the same line:

    {"records": 1000000, "bytes": 1234, "cpu": 0.51, "wall": 0.52, "peak": 52428800}

records it read, sum of their `bytes` field (null where only the output tells), CPU seconds of all threads
and wall seconds from opening INPUT to the last byte of the result, and most memory held (VmHWM), in bytes.
Starting up (imports, compiling) is not counted. OUTPUT is /dev/null in the runs that are measured and a file
in the one that is checked; a contender whose result stays in memory ignores it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Takes INPUT and OUTPUT and returns the result that `Count` looks at after the clock has stopped.
Work = Callable[[str, str], Any]
#: Records, and the sum of their bytes or None.
Count = Callable[[Any], tuple[int, int | None]]


def contend(works: dict[str, tuple[Work, Count]]) -> None:
    """Runs the work that the command line names, and reports it."""
    name, source, target = sys.argv[1:]
    work, count = works[name]
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(source, target)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = most_memory()
    records, nbytes = count(result)
    sys.stdout.write(
        json.dumps({"records": records, "bytes": nbytes, "cpu": cpu, "wall": wall, "peak": peak}) + "\n"
    )


def most_memory() -> int:
    """Bytes of the process at its largest.

    Not `getrusage`: its figure begins with the size of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def counted(result: int) -> tuple[int, None]:
    """For works that return the number of records."""
    return result, None
