"""A queue of a test's own, what is in it, and what came of it."""

from __future__ import annotations

import gzip
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from aws import Moto

import samples
from vpcflow.query.store import connect

if TYPE_CHECKING:
    from pathlib import Path

LOG = samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED])


class Queue:
    """A queue of the test's own."""

    def __init__(self, aws: Moto, name: str = "flow-logs", **attributes: str) -> None:
        self.sqs = aws.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self._attributes()["QueueArn"]

    def _attributes(self) -> dict[str, str]:
        return self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]

    def announce(self, s3: Any, bucket: str, *events: str) -> Queue:
        """Has a bucket's news sent here. S3 sends a test message first."""
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {"QueueArn": self.arn, "Events": list(events) or ["s3:ObjectCreated:*"]}
                ]
            },
        )
        return self

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def notice(self, *keys: str, bucket: str = "flows", event: str = "ObjectCreated:Put") -> None:
        """Sends one message that tells of these objects."""
        records = [
            {
                "eventName": event,
                "awsRegion": "eu-west-1",
                "eventTime": "2026-11-24T12:00:00.000Z",
                "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
            }
            for key in keys
        ]
        self.send(json.dumps({"Records": records}))

    def left(self) -> tuple[int, int]:
        """Messages that wait, and messages that somebody has in hand."""
        attributes = self._attributes()
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def receive(self) -> list[dict[str, Any]]:
        """What another reader would get now."""
        return self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])


def put(s3: Any, *keys: str, body: bytes | None = None) -> None:
    for key in keys:
        s3.put_object(Bucket="flows", Key=key, Body=gzip.compress(LOG) if body is None else body)


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "vpcflow", *map(str, args)]


def rows(store: Path, column: str = "count(*)") -> Any:
    with connect(store) as connection:
        return connection.execute(f"SELECT {column} FROM flows").fetchone()[0]


def letters(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_until(true, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)
