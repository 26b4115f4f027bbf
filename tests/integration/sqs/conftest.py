"""A bucket and a queue on a real moto server, and sources that read them."""

from __future__ import annotations

from typing import Any

import pytest
from aws import Moto
from queues import Queue

from vpcflow.aws.session import client
from vpcflow.sources.sqs import SqsSource


@pytest.fixture
def s3(aws: Moto) -> Any:
    """A client; the bucket flows is there."""
    return aws.bucket("flows")


@pytest.fixture
def queue(aws: Moto) -> Queue:
    """Messages that somebody had come again after a second."""
    return Queue(aws, VisibilityTimeout="1")


@pytest.fixture
def source():
    """Opens sources as the command does, but waits only a second for an empty queue."""
    opened = []

    def make(queue: Queue, **options: Any) -> SqsSource:
        clients = {name: client(name) for name in ("sqs", "s3")}
        opened.extend(clients.values())
        return SqsSource(queue.url, **clients, **{"wait": 1, **options})

    yield make
    for each in opened:
        each.close()
