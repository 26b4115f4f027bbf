"""What a subscription of a CloudWatch log group delivers to Lambda, Kinesis and Firehose.

One JSON object for some events of one log stream, in gzip, sometimes several of them one after the other::

    {"messageType": "DATA_MESSAGE", "owner": "123456789010", "logGroup": "/aws/vpc/flowlogs",
     "logStream": "eni-…-all", "subscriptionFilters": ["x"],
     "logEvents": [{"id": "…", "timestamp": 1418530010000, "message": "2 123 …", "extractedFields": {…}}]}

Source: CloudWatch Logs user guide, "Real-time processing of log data with subscriptions". The
``extractedFields`` of a filter with a pattern say what the message says.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vpcflow._core import Origin
from vpcflow.errors import DecodeError
from vpcflow.sources.base import Item

__all__ = ["LogEvents", "unpack"]

_GZIP = b"\x1f\x8b"
#: How one begins, whatever the order of its keys: the others are texts, and the events come last.
_SUBSCRIPTION = re.compile(rb'\{[^{}]*"messageType"\s*:')


@dataclass(frozen=True, slots=True)
class LogEvents:
    """Some events of a log stream.

    Attributes:
        log_group, log_stream: where they were logged.
        first: id of the first event; CloudWatch Logs gives each its own.
        time: of the last event, Unix seconds.
        lines: the messages, a line each.
    """

    log_group: str
    log_stream: str
    first: str
    time: float
    lines: bytes

    def origin(self, region: str | None) -> Origin:
        return Origin(
            input_type="aws-cloudwatch",
            modified=self.time,
            region=region,
            log_group=self.log_group,
            log_stream=self.log_stream,
        )

    def item(self, region: str | None) -> Item:
        """The events as a source's item, which is the same whenever they are delivered."""
        name = f"cloudwatch:{self.log_group}/{self.log_stream}"
        return Item(
            name=name,
            identity=f"{name}#{self.first}",
            data=io.BytesIO(self.lines),
            size=len(self.lines),
            origin=self.origin(region),
        )


def unpack(data: bytes) -> list[LogEvents | bytes]:
    """What a record of a stream holds.

    Args:
        data: as it came, compressed or not.

    Returns:
        A subscription's events; or `data` itself where it is none of a subscription's, such as lines that
        somebody put there. Nothing for CloudWatch's control messages, and where there is nothing.

    Raises:
        DecodeError: the gzip is broken, or it begins as a subscription's and goes on as something else.
    """
    text = data
    if data.startswith(_GZIP):
        try:
            text = gzip.decompress(data)  # all of its members
        except (OSError, EOFError, zlib.error) as error:
            raise DecodeError(f"is gzip that can't be read: {error}") from error
    text = text.strip()
    if not text:
        return []
    if not _SUBSCRIPTION.match(text):
        return [data]
    return [events for message in _objects(text) if (events := _events(message)) is not None]


def _objects(text: bytes) -> Iterator[Any]:
    """JSON objects that follow each other, with or without blanks and line ends between them."""
    content = text.decode(errors="replace")
    decoder = json.JSONDecoder()
    at = 0
    while (at := _skip(content, at)) < len(content):
        try:
            found, at = decoder.raw_decode(content, at)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"is a message of CloudWatch Logs that can't be read: {error}") from error
        yield found


def _skip(content: str, at: int) -> int:
    while at < len(content) and content[at].isspace():
        at += 1
    return at


def _events(message: Any) -> LogEvents | None:
    """The events of one message; None for a control message."""
    try:
        if message["messageType"] == "CONTROL_MESSAGE":
            return None
        if message["messageType"] != "DATA_MESSAGE":
            raise DecodeError(f"is a message of CloudWatch Logs of unknown type {message['messageType']}")
        events = message["logEvents"]
        if not events:
            return None
        return LogEvents(
            log_group=str(message["logGroup"]),
            log_stream=str(message["logStream"]),
            first=str(events[0]["id"]),
            time=max(event["timestamp"] for event in events) / 1000,
            lines="".join(f"{event['message'].rstrip()}\n" for event in events).encode(errors="replace"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DecodeError(f"is a message of CloudWatch Logs that can't be read: {error}") from error
