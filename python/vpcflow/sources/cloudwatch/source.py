"""Log groups as a source: what is read when, and what is stored of it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from vpcflow._core import Format, Origin, parse
from vpcflow.aws.errors import code, explain
from vpcflow.errors import ConfigError, FormatError, SinkError, VpcflowError
from vpcflow.sources.base import Item, Source
from vpcflow.sources.cloudwatch.calls import Calls, StoppedError, aws_errors
from vpcflow.sources.cloudwatch.groups import LogGroup, Selection
from vpcflow.sources.cloudwatch.ledger import Batch, Ledger, Reading
from vpcflow.sources.cloudwatch.position import SETTLE, Position, first_position
from vpcflow.sources.cloudwatch.ranges import Range

if TYPE_CHECKING:
    from vpcflow.sources.checkpoint import Checkpoint

__all__ = ["CloudWatchSource"]

log = logging.getLogger(__name__)

# Streams that FilterLogEvents takes by name. Source: its API reference.
_STREAMS = 100
# Lines that are looked at to tell a layout, as many as the core looks at.
_LOOKED_AT = 100


class CloudWatchSource(Source):
    """The events of log groups, as lines of text. An item holds those of one log stream.

    A group is read range by range: the next one when all of the one before is stored. Only then the
    checkpoint moves, so what an interrupted run had in hand comes again, in items of the same identity.

    Args:
        name: ``GROUP``, ``PREFIX*``, or a group's ARN, also one in a linked source account.
        logs: boto3's client of CloudWatch Logs.
        ec2: makes boto3's client of EC2, which knows the formats of flow logs.
        checkpoint: remembers how far each group is read; closed with the source.
        follow: scan again every `scan_frequency`, until the run is stopped.
        scan_frequency: seconds between the beginnings of two scans.
        latency: seconds by which the time that is asked for ends before now.
        start_position: where a group begins that the checkpoint doesn't know: ``beginning``, ``end`` (only
            what arrives from now on), a time, or how long ago: ``3d``.
        since, until: Unix seconds; events from the first up to, but without, the second.
        log_streams: only these streams, up to 100.
        log_stream_prefix: only streams whose names begin so.
        number_of_workers: how many groups are read at once.
        max_receives: how often a following source delivers what can't be read.
        format: the layout that the user gave; None lets the source ask EC2.

    Raises:
        ConfigError: an argument is out of its range, or none that there is.
    """

    def __init__(
        self,
        name: str,
        *,
        logs: Any,
        ec2: Callable[[], Any],
        checkpoint: Checkpoint,
        follow: bool = False,
        scan_frequency: float = 60.0,
        latency: float = 0.0,
        start_position: str = "beginning",
        since: float | None = None,
        until: float | None = None,
        log_streams: tuple[str, ...] = (),
        log_stream_prefix: str | None = None,
        number_of_workers: int = 1,
        max_receives: int = 3,
        format: Format | None = None,
    ) -> None:
        self.name = f"cloudwatch:{name}"
        self._selection = Selection.parse(name)
        self._stopped = threading.Event()
        self._calls = Calls(logs, ec2, self._stopped)
        self._checkpoint = checkpoint
        self._follow = follow
        self._frequency = scan_frequency
        self._latency = int(latency * 1000)
        self._settle_time = max(0, SETTLE - self._latency)
        self._start_position = start_position
        first_position(start_position, 0)  # whether it is one; AWS's clock is not known yet
        self._first: Position | None = None
        self._said = ""
        self._since = None if since is None else int(since * 1000)
        self._until = None if until is None else int(until * 1000)
        self._streams = log_streams
        self._stream_prefix = log_stream_prefix
        self._max_receives = max_receives
        self._format = format
        _check(log_streams, log_stream_prefix, latency, scan_frequency, number_of_workers)

        self._found: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
        self._readings: dict[str, Reading] = {}
        self._ledger = Ledger(self._save)
        self._fault: Exception | None = None
        tasks = [self._schedule, *[self._work] * number_of_workers]
        # Daemons: one that waits for an answer must not keep an interrupted process alive.
        self._threads = [
            threading.Thread(target=self._guard, args=(task,), name=f"vpcflow-cloudwatch-{n}", daemon=True)
            for n, task in enumerate(tasks)
        ]

    def items(self) -> Iterator[Item]:
        for thread in self._threads:
            thread.start()
        try:
            while (item := self._found.get()) is not None and not self._stopped.is_set():
                yield item
        finally:
            self.stop()
        if self._fault is not None:
            raise self._fault

    def acknowledge(self, item: Item) -> None:
        self._settle(item, stored=True)

    def release(self, item: Item, error: Exception) -> bool:
        batch = self._ledger.batch(item)
        if batch is None:
            return False
        # A run that doesn't follow leaves it to the next one, which may be told the format.
        last = self._follow and batch.reading.attempts + 1 >= self._max_receives
        give_up = last and not isinstance(error, SinkError)
        self._settle(item, stored=give_up)
        return give_up

    def stop(self) -> None:
        self._stopped.set()
        self._ledger.stop()
        self._found.put(None)
        for _ in self._threads:
            self._ready.put(None)

    def close(self) -> None:
        self.stop()
        self._checkpoint.close()

    # The scheduler: one thread.

    def _schedule(self) -> None:
        self._scan()
        while self._follow and not self._stopped.wait(self._frequency):
            self._scan()
        self._ledger.wait_until_idle()
        self._found.put(None)

    def _scan(self) -> None:
        """Lets every group be read that isn't being read still."""
        try:
            groups = self._calls.groups(self._selection)
        except aws_errors() as error:
            self._not_now(explain(error, self.name))
            return
        self._said = ""
        asked = self._calls.now()
        if self._first is None:
            if not groups:
                self._none_there()
            self._first = first_position(self._start_position, asked)
        for group in groups:
            reading = self._readings.get(group.arn)
            if reading is None:
                position = self._position(group, self._first)
                reading = self._readings[group.arn] = Reading(group, position)
            if not reading.busy:
                self._begin(reading, asked)
        there = {group.arn for group in groups}
        for reading in self._readings.values():
            if reading.group.arn not in there and not reading.busy:
                self._fail(reading, _gone(reading.group))

    def _not_now(self, error: VpcflowError) -> None:
        """A run that goes on doesn't end because AWS can't be asked for a while."""
        if not self._follow or (self._first is None and isinstance(error, ConfigError)):
            raise error
        if str(error) != self._said:
            log.warning("%s; trying again every %g s", error, self._frequency)
        self._said = str(error)

    def _none_there(self) -> None:
        if not self._selection.prefix:
            raise ConfigError(f"{self.name}: there is no such log group; check name, --region and account")
        text = f"{self.name}: there is no log group whose name begins so; check name, --region and account"
        if not self._follow:
            raise ConfigError(text)
        log.warning("%s", text)

    def _begin(self, reading: Reading, asked: int) -> None:
        end = asked - self._latency + 1
        reading.asked, reading.first = asked, True
        reading.end = end if self._until is None else min(end, self._until)
        if reading.end > reading.position.done:
            self._ledger.begin(reading)
            self._ready.put(reading)

    # The workers: each reads one group at a time.

    def _work(self) -> None:
        while (reading := self._ready.get()) is not None and not self._stopped.is_set():
            self._ledger.wait_for_room()
            self._read(reading)

    def _read(self, reading: Reading) -> None:
        """Reads the next range of a group."""
        group, position = reading.group, reading.position
        start = position.look_back(self._settle_time) if reading.first else position.done
        events = self._calls.events(group, start, reading.end, self._streams, self._stream_prefix)
        batch: Batch | None = None
        try:
            head = list(islice(events, _LOOKED_AT))
            layout = self._calls.layout(group) if head and self._format is None else None
            each = _timeless(self._format or layout or _told(head))
            batch = Batch(reading, Range(group, position, reading.end, reading.asked, layout, each=each))
            for item in batch.range.items(chain(head, events)):
                if self._ledger.send(batch, item):
                    self._found.put(item)
            reading.said = ""
        except aws_errors() as error:
            gone = code(error) == "ResourceNotFoundException" and not (self._streams or group.linked)
            words = explain(error, f"cloudwatch:{group.name}", arn=f"{group.arn}:*")
            self._fail(reading, _gone(group) if gone else words)
            if batch is None:
                self._ledger.rest(reading)
                return
            batch.broken = True
        self._go_on(self._ledger.complete(batch))

    def _settle(self, item: Item, *, stored: bool) -> None:
        self._go_on(self._ledger.settle(item, stored=stored))

    def _go_on(self, done: Batch | None) -> None:
        """Reads what comes behind a range that is stored."""
        if done is not None and self._ledger.finish(done):
            self._ready.put(done.reading)

    def _fail(self, reading: Reading, error: VpcflowError) -> None:
        """Makes a failure of the run of what is wrong with a group, once."""
        if str(error) == reading.said:
            return
        reading.said = str(error)
        if self._follow:
            log.warning("%s; the other groups go on", error)
        name = f"cloudwatch:{reading.group.name}"
        words = type(error)(str(error).removeprefix(f"{name}: "))
        self._found.put(
            Item(name, name, cast("BinaryIO", _Failing(words)), None, Origin(path=reading.group.name))
        )

    def _guard(self, task: Callable[[], None]) -> None:
        try:
            with suppress(StoppedError):
                task()
        except Exception as error:
            self._fault = self._fault or error
            self.stop()

    # The checkpoint.

    def _position(self, group: LogGroup, first: Position) -> Position:
        saved = self._checkpoint.get(self._key(group))
        position = first if saved is None else Position.from_json(saved)
        return position if self._since is None else position.not_before(self._since)

    def _save(self, group: LogGroup, position: Position) -> None:
        self._checkpoint.put(self._key(group), position.as_json())

    def _key(self, group: LogGroup) -> str:
        """Another choice of streams is another thing to remember."""
        chosen = "".join(f"?{stream}" for stream in sorted(self._streams))
        return f"{group.arn}{chosen or (f'?{self._stream_prefix}*' if self._stream_prefix else '')}"


class _Failing:
    """A stream that can't be read, so that a group's failure is one of the run like any other."""

    def __init__(self, error: VpcflowError) -> None:
        self._error = error

    def read(self, size: int = -1) -> NoReturn:
        raise self._error

    def close(self) -> None:
        """Nothing is open."""


def _gone(group: LogGroup) -> ConfigError:
    return ConfigError(f"cloudwatch:{group.name}: the log group is gone")


def _check(
    streams: tuple[str, ...], stream_prefix: str | None, latency: float, frequency: float, workers: int
) -> None:
    if streams and stream_prefix:
        raise ConfigError("log_streams and log_stream_prefix exclude each other: give one of them")
    if len(streams) > _STREAMS:
        raise ConfigError(
            f"log_streams: {len(streams)} are too many, AWS takes {_STREAMS}; use log_stream_prefix"
        )
    if latency < 0 or frequency <= 0 or workers < 1:
        raise ConfigError(
            "latency must be 0 or more, scan_frequency more than 0, number_of_workers 1 or more"
        )


def _timeless(layout: Format | None) -> bool:
    """Whether records have the time of their event only."""
    return layout is not None and not {"start", "end"} & set(layout.names)


def _told(events: list[dict[str, Any]]) -> Format | None:
    """The layout that the core tells from the records, if it does."""
    text = "\n".join(event["message"] for event in events)
    with suppress(FormatError):
        return parse(text.encode(errors="replace"), on_error="skip").format
    return None
