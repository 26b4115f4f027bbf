"""What an event brings to a Lambda function: objects in S3, or lines of log."""

from __future__ import annotations

import base64
import io
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vpcflow._core import Origin
from vpcflow.aws.notifications import read_notices
from vpcflow.aws.subscriptions import LogEvents, unpack
from vpcflow.errors import ConfigError, DecodeError
from vpcflow.sources.base import Item, Source
from vpcflow.sources.deliveries import Deliveries, Delivery

__all__ = ["EventSource"]

log = logging.getLogger(__name__)

# Part of a call's time after which no more objects are begun: what was begun must be finished in the rest.
_BEGIN = 0.8


@dataclass(frozen=True, slots=True)
class _Part:
    """What can come again by itself: a message of a queue, a record of a stream, or the whole event.

    Attributes:
        id: what the event source calls it.
        items: makes its items, or raises DecodeError.
    """

    id: str
    items: Callable[[], list[Item]]


class EventSource(Source):
    """The objects and log events that an event of Lambda brings.

    Args:
        event: of S3, SQS, SNS, EventBridge, CloudWatch Logs or Kinesis.
        s3: gives a boto3 client, when there is an object to read.
        seconds: that the function has left, None if that isn't known.

    Attributes:
        parts: how many parts it has, each of which is stored or not.
        partial: its sender takes an answer for each part.
        why: the first thing that went wrong.

    Raises:
        ConfigError: it is another event.
    """

    def __init__(self, event: Mapping[str, Any], s3: Callable[[], Any], seconds: float | None = None) -> None:
        self.why = ""
        self._s3 = s3
        self._until = None if seconds is None else time.monotonic() + _BEGIN * seconds
        self._deliveries = Deliveries()
        self._done: set[str] = set()
        records = event.get("Records") or []
        kind = records[0].get("eventSource") if records else None
        self.partial = kind in {"aws:sqs", "aws:kinesis"}
        if kind == "aws:sqs":
            self._parts = [_Part(it["messageId"], self._of_notices(it["body"])) for it in records]
        elif kind == "aws:kinesis":
            self._parts = [_Part(it["kinesis"]["sequenceNumber"], _of_kinesis(it)) for it in records]
        elif "awslogs" in event:
            self._parts = [_Part("", _of_logs(event["awslogs"]["data"]))]
        elif event.keys() & {"Records", "Event", "detail-type"}:
            self._parts = [_Part("", self._of_notices(event))]
        else:
            raise ConfigError(
                f"this event is none that vpcflow reads (it has {', '.join(event) or 'nothing'}); it takes "
                "those of S3, SQS, SNS, EventBridge, CloudWatch Logs, Kinesis and Firehose"
            )
        self.parts = len(self._parts)

    def items(self) -> Iterator[Item]:
        for part in self._parts:
            try:
                items = part.items()
            except DecodeError as error:
                self._fail(f"{f'message {part.id}' if part.id else 'the event'} {error}")
                continue
            if not items:
                self._done.add(part.id)
                continue
            fresh = set(self._deliveries.add(Delivery(part.id), (item.identity for item in items)))
            for item in items:
                if self._until is not None and time.monotonic() > self._until:
                    self._fail("the function's time was nearly up; give it more, or smaller batches")
                    return
                if item.identity in fresh:
                    fresh.remove(item.identity)  # a message may name an object twice
                    yield item

    def acknowledge(self, item: Item) -> None:
        _, done = self._deliveries.settle(item.identity)
        self._done.update(delivery.id for delivery in done if not delivery.failed)

    def release(self, item: Item, error: Exception) -> bool:
        self._deliveries.settle(item.identity, failed=True)
        self._fail(f"{item.name}: {error}")
        return False

    def stop(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to give back."""

    def failed(self) -> list[str]:
        """The parts that are to come again."""
        return [part.id for part in self._parts if part.id not in self._done]

    def _fail(self, why: str) -> None:
        log.error("%s", why)
        self.why = self.why or why

    def _of_notices(self, message: str | Mapping[str, Any]) -> Callable[[], list[Item]]:
        return lambda: [
            notice.item(self._s3()) for notice in read_notices(message) if notice.passed_over is None
        ]


def _of_logs(data: str) -> Callable[[], list[Item]]:
    return lambda: [_item(part, "awslogs", None) for part in unpack(base64.b64decode(data))]


def _of_kinesis(record: Mapping[str, Any]) -> Callable[[], list[Item]]:
    name = f"{record['eventSourceARN']}/{record['eventID']}"
    data, arrived = record["kinesis"]["data"], record["kinesis"].get("approximateArrivalTimestamp")
    return lambda: [_item(part, name, arrived) for part in unpack(base64.b64decode(data))]


def _item(part: LogEvents | bytes, name: str, arrived: float | None) -> Item:
    region = os.environ.get("AWS_REGION")  # a stream's function, and a log group's, is in its region
    if isinstance(part, LogEvents):
        return part.item(region)
    return Item(name, name, io.BytesIO(part), len(part), Origin(path=name, modified=arrived, region=region))
