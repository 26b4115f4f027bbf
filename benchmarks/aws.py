"""Measures reading from S3: objects -> NDJSON, beside the same objects as local files, and a queue.

python benchmarks/aws.py                 200 objects of 50,000 v2 lines, gzip, in the tests' moto server
python benchmarks/aws.py --objects 40 --runs 1

NDJSON goes to standard output, which is /dev/null. moto is a Python server on the same cores: what it gives
out at most, and what that costs, is printed beside. Local files are in the page cache.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import generate
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
BUCKET, QUEUE = "flow-logs", "flow-logs"
LINES = 50_000
#: Objects that differ; they take turns.
DISTINCT = 20
WORKERS = 4
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One run: wall seconds, CPU seconds of vpcflow and of moto, bytes of memory at most."""

    wall: float
    cpu: float
    server: float
    peak: int


def kit() -> Any:
    """The moto server of the tests."""
    spec = importlib.util.spec_from_file_location("aws_kit", ROOT / "tests" / "integration" / "aws.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["aws_kit"] = module
    spec.loader.exec_module(module)
    return module


def bodies() -> list[bytes]:
    header, *lines = islice(generate.cached(2, 1_000_000).open("rb"), 1 + DISTINCT * LINES)
    cuts = (lines[n * LINES : (n + 1) * LINES] for n in range(DISTINCT))
    return [gzip.compress(b"".join([header, *cut]), 6) for cut in cuts]


def key(number: int) -> str:
    at = f"{number // 12:02}{number % 12 * 5:02}"
    name = f"123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d_20261120T{at}Z_{number:08x}.log.gz"
    return f"AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/20/{name}"


def of_process(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_of(pid: int) -> int:
    """Most bytes of memory that a process has had. What `wait4` says would count its parent's too."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


class Bench:
    def __init__(self, moto: Any, environment: dict[str, str], folder: Path) -> None:
        self.moto = moto
        self.environment = environment
        self.folder = folder

    def command(self, source: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "vpcflow",
            "index",
            source,
            "--to",
            "-",
            "-q",
            "--workers",
            str(WORKERS),
        ]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)

    def run(self, sources: list[str], done: Callable[[], bool] | None = None) -> Run:
        """Runs a process a source, until they end, or until what they are to do is done."""
        server, begun = of_process(self.moto.pid), time.perf_counter()
        processes = [self.command(source) for source in sources]
        left = {process.pid for process in processes}
        wall, cpu, peak = None, 0.0, 0
        while left:
            peak = max([peak, *map(peak_of, left)])
            if wall is None and done is not None and done():
                wall = time.perf_counter() - begun
            time.sleep(0.1)  # asking more often would cost moto more than the work does
            for pid in list(left):
                ended, status, used = os.wait4(pid, os.WNOHANG)
                if ended:
                    left.remove(pid)
                    cpu += used.ru_utime + used.ru_stime
                    if status:
                        raise SystemExit("vpcflow failed")
        for process in processes:
            process.returncode = 0
        return Run(wall or time.perf_counter() - begun, cpu, of_process(self.moto.pid) - server, peak)

    def download(self, count: int) -> Run:
        """The objects as boto3 gets them, by as many threads, and nothing else."""
        client = self.moto.client("s3")

        def get(number: int) -> None:
            body = client.get_object(Bucket=BUCKET, Key=key(number))["Body"]
            while body.read(256 << 10):
                pass

        server, own, begun = of_process(self.moto.pid), time.process_time(), time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(get, range(count)))
        return Run(
            time.perf_counter() - begun, time.process_time() - own, of_process(self.moto.pid) - server, 0
        )

    def queue(self, processes: int, count: int) -> Run:
        """The objects again, as so many processes get them by a queue's notifications."""
        sqs = self.moto.client("sqs")
        url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
        for number in range(count):
            record = {"eventName": "ObjectCreated:Put", "awsRegion": "eu-west-1", "s3": {
                "bucket": {"name": BUCKET}, "object": {"key": key(number)}}}  # fmt: skip
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record]}))

        def done() -> bool:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
            return not any(map(int, answer["Attributes"].values()))

        result = self.run([f"sqs:{url}"] * processes, done)
        sqs.delete_queue(QueueUrl=url)
        return result


@contextmanager
def prepared(count: int) -> Iterator[Bench]:
    """Objects in moto, and the same as files."""
    tests = kit()
    with tempfile.TemporaryDirectory() as name, tests.moto_server() as moto:
        folder = Path(name)
        own = {**tests.CREDENTIALS, "AWS_ENDPOINT_URL": moto.url, "XDG_STATE_HOME": name}
        content = bodies()
        s3 = moto.bucket(BUCKET)
        for number in range(count):
            path = folder / "logs" / key(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content[number % DISTINCT])
            s3.put_object(Bucket=BUCKET, Key=key(number), Body=content[number % DISTINCT])
        yield Bench(moto, {**os.environ, **own}, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    count = arguments.objects
    ways: dict[str, Callable[[Bench], Run]] = {
        "local files": lambda bench: bench.run([str(bench.folder / "logs")]),
        "s3://": lambda bench: bench.run([f"s3://{BUCKET}/"]),
        "download alone": lambda bench: bench.download(count),
        "sqs:, 1 process": lambda bench: bench.queue(1, count),
        "sqs:, 2 processes": lambda bench: bench.queue(2, count),
    }
    with prepared(count) as bench:
        runs = {name: [] for name in ways}
        for _ in range(arguments.runs):  # in turns, so that a slow minute of the machine hits all
            for name, way in ways.items():
                runs[name].append(way(bench))
                sys.stderr.write(f"{name}: {runs[name][-1]}\n")
    table = Table(title=f"{count} objects of {LINES:,} v2 lines, gzip -> NDJSON, {WORKERS} workers", box=None)
    for column in ("", "lines/s", "of local", "lines/s and CPU second", "of local", "CPU of moto", "memory"):
        table.add_column(column, justify="right" if column else "left")
    local = runs["local files"]
    lines = count * LINES
    for name, these in runs.items():
        if name == "download alone":
            table.add_row(name, f"{lines / median(run.wall for run in these):,.0f}", "", "", "",
                          f"{median(run.server for run in these):.1f} s", "")  # fmt: skip
            continue
        table.add_row(
            name,
            f"{lines / median(run.wall for run in these):,.0f}",
            f"{median(a.wall / b.wall for a, b in zip(local, these, strict=True)):.0%}",
            f"{lines / median(run.cpu for run in these):,.0f}",
            f"{median(a.cpu / b.cpu for a, b in zip(local, these, strict=True)):.0%}",
            f"{median(run.server for run in these):.1f} s",
            f"{max(run.peak for run in these) / 1e6:.0f} MB",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
