"""Log groups of CloudWatch Logs on a real moto server, and sources that read them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from aws import Moto
from botocore.config import Config
from log_groups import GROUP, Logs

from vpcflow.sources.checkpoint import Checkpoint
from vpcflow.sources.cloudwatch import CloudWatchSource


@pytest.fixture
def logs(aws: Moto) -> Logs:
    return Logs(aws)


@pytest.fixture
def source(aws: Moto, tmp_path: Path) -> Callable[..., CloudWatchSource]:
    """Opens a source whose checkpoint stays from one to the next."""

    def make(name: str = GROUP, **options: object) -> CloudWatchSource:
        quick = Config(retries={"total_max_attempts": 1})
        return CloudWatchSource(
            name,
            logs=boto3.client("logs", config=quick),
            ec2=lambda: boto3.client("ec2"),
            checkpoint=Checkpoint(tmp_path / "checkpoint.db", "cloudwatch", "target"),
            **options,
        )

    return make


@pytest.fixture
def run(aws: Moto, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `vpcflow` to its end."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vpcflow", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)

    return run
