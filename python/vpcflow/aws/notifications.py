"""S3's event notifications: the objects that they tell of, in every shape in which they arrive.

* straight from S3 to a queue or a function: ``{"Records": [{"eventName": "ObjectCreated:Put", "s3": {…}}]}``;
* through an SNS topic: the same as a text in ``Message``, or as it is (raw message delivery), or as
  ``{"Records": [{"Sns": {"Message": …}}]}`` when the topic calls a function;
* through EventBridge: ``{"source": "aws.s3", "detail-type": "Object Created", "detail": {…}}``;
* the test message that S3 sends when notifications are set up: ``{"Event": "s3:TestEvent", …}``.

Sources: Amazon S3 user guide, "Event message structure" and "EventBridge event message structure". Keys are
encoded as in HTML forms (``year%3D2026``, ``a+b`` for ``a b``), but not in EventBridge's events.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from vpcflow.aws.objects import object_item
from vpcflow.errors import DecodeError
from vpcflow.sources.keys import of_other_service

if TYPE_CHECKING:
    from vpcflow.sources.base import Item

__all__ = ["Notice", "read_notices"]


@dataclass(frozen=True, slots=True)
class Notice:
    """That something happened to an object.

    Attributes:
        event: ``ObjectCreated:Put`` and so on; ``Object Created`` and so on from EventBridge.
        bucket, key: the object; the key is its own, not encoded.
        size: in bytes, None if not said.
        time: Unix seconds, None if not said.
        region: of the bucket, None if not said.
    """

    event: str
    bucket: str
    key: str
    size: int | None = None
    time: float | None = None
    region: str | None = None

    @property
    def created(self) -> bool:
        """Whether the object is new. Deletions, tags and so on are no news for a reader."""
        return self.event.startswith("ObjectCreated:") or self.event == "Object Created"

    @property
    def passed_over(self) -> str | None:
        """What it tells of, where that is nothing to read; None for an object with records."""
        if not self.created:
            return self.event
        if self.key.endswith("/"):
            return "folders"  # consoles make empty objects for them
        return "objects of other services" if of_other_service(self.key) else None

    def item(self, s3: Any) -> Item:
        """The object as a source's item.

        Args:
            s3: boto3's client.
        """
        return object_item(s3, self.bucket, self.key, size=self.size, modified=self.time, region=self.region)


def read_notices(message: str | Mapping[str, Any]) -> list[Notice]:
    """What a message tells of; nothing in a test message.

    Args:
        message: the JSON text of a queue's message, or what was made of it.

    Raises:
        DecodeError: it is no notification of S3; the message says what it is instead.
    """
    content: Any = message
    if isinstance(message, str):
        try:
            content = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"is not JSON ({error}), so it is no notification of S3") from error
    if not isinstance(content, Mapping):
        raise DecodeError("is JSON, but no notification of S3")
    try:
        return list(_read(content))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise DecodeError(f"is a notification of S3 that can't be read: {what}") from error


def _read(content: Mapping[str, Any]) -> Iterator[Notice]:
    if content.get("Event") == "s3:TestEvent":
        return
    if isinstance(records := content.get("Records"), list):
        for record in records:
            if isinstance(record, Mapping) and "Sns" in record:
                yield from read_notices(record["Sns"]["Message"])
            else:
                yield _from_s3(record)
    elif content.get("Type") == "Notification":
        yield from read_notices(content["Message"])
    elif content.get("Type") in {"SubscriptionConfirmation", "UnsubscribeConfirmation"}:
        raise DecodeError(
            f"asks whether the queue is to be subscribed to {content.get('TopicArn')}; confirm it in SNS"
        )
    elif "detail-type" in content:
        if content.get("source") != "aws.s3":
            raise DecodeError(f"is an event of {content.get('source')}, not of S3; mend the EventBridge rule")
        yield _from_eventbridge(content)
    else:
        raise DecodeError("is JSON, but no notification of S3")


def _from_s3(record: Any) -> Notice:
    if not isinstance(record, Mapping) or "s3" not in record:
        whose = record.get("eventSource") if isinstance(record, Mapping) else None
        raise DecodeError(f"has a record of {whose or 'unknown origin'}, not of S3")
    s3 = record["s3"]
    return Notice(
        # Other stores that speak S3's language write the prefix that the configuration has.
        event=str(record["eventName"]).removeprefix("s3:"),
        bucket=str(s3["bucket"]["name"]),
        key=unquote_plus(str(s3["object"]["key"]), errors="strict"),
        size=s3["object"].get("size"),
        time=_seconds(record.get("eventTime")),
        region=record.get("awsRegion") or None,
    )


def _from_eventbridge(event: Mapping[str, Any]) -> Notice:
    detail = event["detail"]
    return Notice(
        event=str(event["detail-type"]),
        bucket=str(detail["bucket"]["name"]),
        key=str(detail["object"]["key"]),
        size=detail["object"].get("size"),
        time=_seconds(event.get("time")),
        region=event.get("region") or None,
    )


def _seconds(text: object) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
