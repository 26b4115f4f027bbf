"""A queue with S3's notifications: ``sqs:https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs``.

A message is deleted when every record of its objects is stored, and not before. Until then it is kept from
coming again: its visibility time-out, the queue's own, is renewed whenever half of it is over. So many
processes can share a queue, and what one of them had in hand when it was killed comes to the others.

What can't be read comes again by itself, after the visibility time-out. When it came ``max_receives`` times
it is given up: the dead-letter file says why, and the message stays in the queue for the queue's own redrive
policy. The same process then leaves it alone.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from vpcflow._core import Origin
from vpcflow.aws.notifications import read_notices
from vpcflow.errors import ConfigError, DecodeError, SinkError, SourceError
from vpcflow.sources.base import Item, Source
from vpcflow.sources.deliveries import Deliveries, Delivery

if TYPE_CHECKING:
    from vpcflow.aws.notifications import Notice

__all__ = ["SqsSource", "queue_region"]

log = logging.getLogger(__name__)

# AWS takes up to 20. But a run that is to end can't interrupt a question, and the messages of an answer that
# nobody hears are invisible for a while.
_WAIT = 5
# Messages a question. Few, so that the processes on a queue share large objects evenly.
_MESSAGES = 4
# Messages a request to renew or return them: AWS's limit.
_ENTRIES = 10
_RECEIVES = "ApproximateReceiveCount"
# Given-up messages that are remembered.
_REMEMBERED = 10_000


class SqsSource(Source):
    """The objects that the notifications in a queue tell of.

    Args:
        url: the queue's URL.
        sqs, s3: boto3 clients; the first of the queue's region.
        follow: wait for more when the queue is empty, until the run is stopped.
        max_receives: how often a message may come before its objects are given up.
        wait: seconds that a question to the queue waits for a message; without `follow`, the queue is empty
            when none came in that time.

    Raises:
        ConfigError: there is no such queue, or no permission to look at it.
    """

    def __init__(
        self,
        url: str,
        *,
        sqs: Any,
        s3: Any,
        follow: bool = False,
        max_receives: int = 3,
        wait: int = _WAIT,
    ) -> None:
        self.name = f"sqs:{url}"
        self._url = url
        self._sqs = sqs
        self._s3 = s3
        self._follow = follow
        self._max_receives = max_receives
        self._wait = wait
        self._deliveries = Deliveries()
        self._given_up: dict[str, None] = {}
        self._said: set[str] = set()
        self._fault: ConfigError | None = None  # of the heartbeat
        self._stopped = threading.Event()
        self._closed = threading.Event()
        self._asking = threading.Lock()
        self._heartbeat = threading.Thread(target=self._renew_all, name="vpcflow-sqs-heartbeat", daemon=True)
        attributes = self._call("get_queue_attributes", AttributeNames=["VisibilityTimeout"])["Attributes"]
        # A queue without one would give each message to everybody.
        self._visibility = int(attributes["VisibilityTimeout"]) or 30

    def items(self) -> Iterator[Item]:
        self._heartbeat.start()
        left: set[str] = set()  # given up, and come again since the last new message
        while not self._stopped.is_set():
            messages, old = self._receive()
            for delivery, body in messages:
                yield from self._items(delivery, body)
            if messages:
                left.clear()
            elif old <= left and not self._follow and not self._deliveries.held():
                return
            left |= old

    def acknowledge(self, item: Item) -> None:
        self._settle(item, failed=False)

    def release(self, item: Item, error: Exception) -> bool:
        # An object is not to blame for a target that takes nothing, or for a run that was ended.
        blamed = not isinstance(error, SinkError) and not self._stopped.is_set()
        waited = self._settle(item, failed=True)
        lost = [delivery for delivery in waited if delivery.receives >= self._max_receives] if blamed else []
        for delivery in lost:
            self._give_up(delivery.id)
        return bool(lost)

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._stopped.set()
        self._closed.set()
        self._give_back(self._deliveries.drop())
        # An answer that is on its way may bring messages.
        if self._asking.acquire(timeout=self._wait + 1):
            self._asking.release()
            self._give_back(self._deliveries.drop())

    def _items(self, delivery: Delivery, body: str) -> Iterator[Item]:
        try:
            notices = read_notices(body)
        except DecodeError as error:
            # It will be no more readable the next time.
            delivery.receives = max(delivery.receives, self._max_receives)
            items = [_unreadable(f"{self.name} message {delivery.id}", error)]
        else:
            items = [notice.item(self._s3) for notice in self._readable(notices)]
        if not items:
            self._deliveries.let_go(delivery)
            self._delete(delivery)
            return
        fresh = set(self._deliveries.add(delivery, (item.identity for item in items)))
        for item in items:
            if item.identity in fresh:
                fresh.remove(item.identity)  # a message may name an object twice
                yield item

    def _readable(self, notices: list[Notice]) -> Iterator[Notice]:
        for notice in notices:
            what = notice.passed_over
            if what is None:
                yield notice
            elif what not in self._said:
                self._said.add(what)
                log.warning(
                    "%s has notices of %s (s3://%s/%s is one): nothing to read, so they are deleted; limit "
                    "the bucket's notifications to s3:ObjectCreated:* and to the prefix of its flow logs",
                    self.name, what, notice.bucket, notice.key,
                )  # fmt: skip

    def _receive(self) -> tuple[list[tuple[Delivery, str]], set[str]]:
        """The next messages and their bodies, and the ids of those that came and are given up already.

        There are none of either if none came in time.
        """
        pause = 1.0
        while not self._stopped.is_set():
            if self._fault is not None:
                raise self._fault
            with self._asking:
                try:
                    answer = self._call(
                        "receive_message",
                        MaxNumberOfMessages=_MESSAGES,
                        WaitTimeSeconds=self._wait,
                        VisibilityTimeout=self._visibility,
                        AttributeNames=[_RECEIVES],
                    )
                except SourceError as error:
                    if not self._follow:
                        raise
                    log.warning("%s; trying again in %g s", error, pause)
                else:
                    messages = answer.get("Messages", [])
                    old = {it["MessageId"] for it in messages if it["MessageId"] in self._given_up}
                    return self._take([it for it in messages if it["MessageId"] not in old]), old
            self._stopped.wait(pause)
            pause = min(2 * pause, 60)
        return [], set()

    def _take(self, messages: list[dict[str, Any]]) -> list[tuple[Delivery, str]]:
        """Takes messages in hand."""
        taken = [
            (Delivery(it["MessageId"], it["ReceiptHandle"], int(it["Attributes"][_RECEIVES])), it["Body"])
            for it in messages
        ]
        if self._closed.is_set():
            self._give_back([delivery for delivery, _ in taken])
            return []
        self._deliveries.hold(delivery for delivery, _ in taken)
        return taken

    def _settle(self, item: Item, *, failed: bool) -> list[Delivery]:
        """Deletes the messages that are stored with this item. Those that waited for it."""
        waited, done = self._deliveries.settle(item.identity, failed=failed)
        for delivery in done:
            if not delivery.failed:
                self._delete(delivery)
        return waited

    def _give_up(self, message: str) -> None:
        self._given_up[message] = None
        if len(self._given_up) > _REMEMBERED:
            self._given_up.pop(next(iter(self._given_up)), None)

    def _delete(self, delivery: Delivery) -> None:
        try:
            self._call("delete_message", ReceiptHandle=delivery.receipt)
        except SourceError as error:
            # Its records are stored. It comes again, and digest ids let nothing be there twice.
            log.warning("message %s is stored, but could not be deleted: %s", delivery.id, error)

    def _renew_all(self) -> None:
        """Keeps what is in hand from coming again."""
        while not self._closed.wait(self._visibility / 2):
            try:
                self._hide(self._deliveries.held(), self._visibility)
            except ConfigError as error:
                self._fault = error

    def _give_back(self, deliveries: list[Delivery]) -> None:
        """Lets others have at once what nobody is going to read here."""
        with suppress(ConfigError):  # then they come after their time
            self._hide(deliveries, 0)

    def _hide(self, deliveries: Sequence[Delivery], seconds: int) -> None:
        for start in range(0, len(deliveries), _ENTRIES):
            part = deliveries[start : start + _ENTRIES]
            entries = [
                {"Id": str(n), "ReceiptHandle": it.receipt, "VisibilityTimeout": seconds}
                for n, it in enumerate(part)
            ]
            try:
                answer = self._call("change_message_visibility_batch", Entries=entries)
            except SourceError as error:
                log.warning("%s", error)
                continue
            for failed in answer.get("Failed", []):
                delivery = part[int(failed["Id"])]
                # One that was deleted in the meantime needs no more time.
                if seconds and delivery in self._deliveries.held():
                    log.warning(
                        "message %s can't be held any longer, so it may be read twice: %s",
                        delivery.id, failed.get("Message") or failed.get("Code"),
                    )  # fmt: skip

    def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        from vpcflow.aws.errors import explain

        try:
            answer: dict[str, Any] = getattr(self._sqs, operation)(QueueUrl=self._url, **parameters)
        except (BotoCoreError, ClientError) as error:
            raise explain(error, self.name) from error
        return answer


def queue_region(url: str) -> str | None:
    """The region that a queue's URL names: requests for another one's are refused.

    Raises:
        ConfigError: it is no URL.
    """
    if not re.match(r"https?://[^/]+/.+", url):
        raise ConfigError(
            f"sqs:{url}: is no URL of a queue; it looks like "
            "sqs:https://sqs.eu-west-1.amazonaws.com/123456789012/NAME"
        )
    found = re.match(r"https?://(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.", url)
    return (found[1] or found[2]) if found else None


class _Unreadable(io.RawIOBase):
    """The content of what turned out not to be there: the pipeline reports it like an object's fault."""

    def __init__(self, error: DecodeError) -> None:
        self._error = error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        raise self._error


def _unreadable(name: str, error: DecodeError) -> Item:
    return Item(name, name, cast("BinaryIO", _Unreadable(error)), None, Origin())
