"""`vpcflow index --config FILE --follow`, as a service runs it: against a real S3 server, told to end by SIGTERM."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from aws import Moto

from unit.flowlogs import many
from waiting import wait_for

KEY = (
    "AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/20/"
    "123456789012_vpcflowlogs_eu-west-1_fl-0a1b2c3d_20261120T{:02}00Z_1a2b3c4d.log.gz"
)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "vpcflow.toml"
    path.write_text(
        f"""
        [index]
        sources = ["s3://flow-logs/AWSLogs/"]
        to = "{tmp_path}/store"
        follow = true
        checkpoint = "{tmp_path}/checkpoint.db"
        dead_letter = "{tmp_path}/dead-letter.ndjson"

        [s3]
        interval = "0.2s"

        [service]
        health_file = "{tmp_path}/health.json"
        metrics = "127.0.0.1:{free_port()}"
        """
    )
    return path


def start(config: Path, *more: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("vpcflow")), "index", "--config", str(config), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_service_from_its_start_to_its_end(aws: Moto, config: Path, tmp_path: Path) -> None:
    s3 = aws.bucket("flow-logs", {KEY.format(0): gzip.compress(many(10))})
    health = tmp_path / "health.json"
    port = config.read_text().rpartition("127.0.0.1:")[2].split('"')[0]

    def metric(name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    process = start(config)
    try:
        wait_for(health.exists)
        wait_for(lambda: metric("vpcflow_records_total") == 10)
        s3.put_object(Bucket="flow-logs", Key=KEY.format(1), Body=gzip.compress(many(5)))
        wait_for(lambda: metric("vpcflow_documents_total") == 15)
        wait_for(lambda: metric("vpcflow_objects_total") == 2)  # counted after its documents
        assert metric("vpcflow_failures_total") == 0
        assert 0 <= metric("vpcflow_lag_seconds") < 60
        wait_for(lambda: json.loads(health.read_text()).get("documents") == 15)
        # What can't be read is said at once: the summary is far.
        s3.put_object(Bucket="flow-logs", Key=KEY.format(2), Body=gzip.compress(many(5))[:40])
        wait_for(lambda: metric("vpcflow_objects_total") == 3)
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - told < 10
    assert process.returncode == 1, said
    assert "15" in out + said
    assert said.count(f"s3://flow-logs/{KEY.format(2)}: ") == 2  # at once, and at the end
    assert not health.exists()

    # What it stored is stored for good: the next run finds nothing to do but what failed.
    s3.delete_object(Bucket="flow-logs", Key=KEY.format(2))
    process = start(config, "--quiet")
    try:
        wait_for(health.exists)
        wait_for(lambda: json.loads(health.read_text()).get("status") == "ok")
        assert metric("vpcflow_records_total") == 0
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def test_the_command_line_goes_before_the_file(config: Path, tmp_path: Path) -> None:
    log = tmp_path / "flow.log"
    log.write_bytes(many(3))
    command = [str(Path(sys.executable).with_name("vpcflow")), "index", "--config", str(config)]
    done = subprocess.run(
        [*command, str(log), "--to", "-"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "follow is for s3://, sqs: and cloudwatch: sources" in done.stderr


def test_what_the_file_switches_on_the_command_line_switches_off(config: Path, tmp_path: Path) -> None:
    log = tmp_path / "flow.log"
    log.write_bytes(many(3))
    command = [
        str(Path(sys.executable).with_name("vpcflow")),
        "index",
        "--config",
        str(config),
        "--no-follow",
    ]
    done = subprocess.run(
        [*command, str(log), "--to", "-"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_a_mistake_in_the_file_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "vpcflow.toml"
    config.write_text("[index]\nsource = 'logs/'\n")
    command = [str(Path(sys.executable).with_name("vpcflow")), "index", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"Error: {config}: [index] has no source; did you mean sources?\n"
