"""The handler for AWS Lambda after a cold start, and what it reads from and writes to."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws import REGION
from lambda_events import LOG, Context

import vpcflow
import vpcflow.aws

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def handler(aws, store, monkeypatch, no_credentials) -> Callable[..., dict[str, Any]]:
    """The function after a cold start, with a Parquet store as its target."""
    monkeypatch.setenv("VPCFLOW_TO", str(store))
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    module = importlib.reload(importlib.import_module("vpcflow.aws.lambda_handler"))
    assert vpcflow.aws.handler is module.handler
    return lambda event, context=None: vpcflow.aws.handler(event, context or Context())


@pytest.fixture
def bucket(aws) -> Any:
    """The bucket flows with two good objects and one that is cut short."""
    return aws.bucket("flows", {"year=2026/a b.log.gz": LOG, "b.log.gz": LOG, "cut.log.gz": LOG[:-6]})
