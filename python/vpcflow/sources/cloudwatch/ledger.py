"""Which ranges of which log groups are on their way to the target."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vpcflow.sources.base import Item
    from vpcflow.sources.cloudwatch.groups import LogGroup
    from vpcflow.sources.cloudwatch.position import Position
    from vpcflow.sources.cloudwatch.ranges import Range

__all__ = ["Batch", "Ledger", "Reading"]

# Bytes that may wait to be stored before the next range is read.
_HELD = 64 << 20


@dataclass(slots=True, eq=False)
class Reading:
    """A log group that is read.

    Attributes:
        position: how far it is stored.
        busy: a range of it is being read or stored, so that no other one may be begun.
        asked, end: of the scan that goes on: when it began, and up to when events are wanted (milliseconds).
        first: the next range is the first one of the scan.
        attempts: how often the range at the position could not be stored.
        kept: the items of that range that could, with their sizes: they need not come again.
        said: what was wrong with the group the last time.
    """

    group: LogGroup
    position: Position
    busy: bool = False
    asked: int = 0
    end: int = 0
    first: bool = True
    attempts: int = 0
    kept: set[tuple[str, int | None]] = field(default_factory=set)
    said: str = ""


@dataclass(slots=True, eq=False)
class Batch:
    """The items of a range.

    Attributes:
        waiting: how many are neither stored nor refused.
        whole: there will be no more.
        broken: the range could not be read to its end.
        refused: an item could not be stored.
    """

    reading: Reading
    range: Range
    waiting: int = 0
    whole: bool = False
    broken: bool = False
    refused: bool = False


class Ledger:
    """What was sent and what of it is stored. Its methods may be called from any thread.

    Args:
        save: writes a group's new position to the checkpoint.
    """

    def __init__(self, save: Callable[[LogGroup, Position], None]) -> None:
        self._save = save
        self._changed = threading.Condition()
        self._sent: dict[str, Batch] = {}
        self._held = 0
        self._busy = 0
        self._stopped = False

    def begin(self, reading: Reading) -> None:
        """A group is going to be read."""
        with self._changed:
            reading.busy = True
            self._busy += 1

    def rest(self, reading: Reading) -> None:
        """A group is left alone until the next scan."""
        with self._changed:
            reading.busy = False
            self._busy -= 1
            self._changed.notify_all()

    def send(self, batch: Batch, item: Item) -> bool:
        """Enters an item; False if it is stored already."""
        with self._changed:
            if (item.identity, item.size) in batch.reading.kept:
                return False
            batch.waiting += 1
            self._held += item.size or 0
            self._sent[item.identity] = batch
            return True

    def batch(self, item: Item) -> Batch | None:
        """The batch of an item that was sent."""
        with self._changed:
            return self._sent.get(item.identity)

    def settle(self, item: Item, *, stored: bool) -> Batch | None:
        """An item is stored, or was refused. Returns its batch if that was the last one of it."""
        with self._changed:
            batch = self._sent.pop(item.identity, None)
            if batch is None:
                return None
            self._held -= item.size or 0
            self._changed.notify_all()
            batch.waiting -= 1
            if stored:
                batch.reading.kept.add((item.identity, item.size))
            else:
                batch.refused = True
            return batch if batch.whole and not batch.waiting else None

    def complete(self, batch: Batch) -> Batch | None:
        """The batch has no more items. Returns it if none of them is on its way."""
        with self._changed:
            batch.whole = True
            return None if batch.waiting else batch

    def finish(self, batch: Batch) -> bool:
        """Moves the checkpoint over a range if all of it is stored. Whether the scan goes on behind it."""
        reading = batch.reading
        if batch.refused:
            reading.attempts += 1
        if batch.refused or batch.broken:
            self.rest(reading)
            return False
        position = batch.range.position
        self._save(reading.group, position)
        reading.position, reading.attempts, reading.first = position, 0, False
        reading.kept.clear()
        if batch.range.full:
            return True
        self.rest(reading)
        return False

    def stop(self) -> None:
        """Wakes those who wait."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def wait_for_room(self) -> None:
        """Returns when not too much is on its way."""
        with self._changed:
            self._changed.wait_for(lambda: self._held <= _HELD or self._stopped)

    def wait_until_idle(self) -> None:
        """Returns when every group is left alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy or self._stopped)
