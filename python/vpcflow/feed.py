"""The items of all sources, for the threads that read them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from vpcflow.sources.files import FileSource, StdinSource

if TYPE_CHECKING:
    from vpcflow.sources.base import Item, Source

__all__ = ["Feed"]

# How often a thread that waits looks whether it should go on.
_LOOK = 0.2


class Feed:
    """Finds items ahead of those who take them.

    Files come in the order in which they were named. Every other source is looked through on a thread of its
    own, since it may wait long for its next item.

    Args:
        sources: where the items come from.
        ahead: how many items may wait to be taken.
    """

    def __init__(self, sources: list[Source], ahead: int) -> None:
        files = [source for source in sources if isinstance(source, FileSource | StdinSource)]
        others = [source for source in sources if not isinstance(source, FileSource | StdinSource)]
        self._sources = sources
        self._found: queue.Queue[tuple[Source, Item] | None] = queue.Queue(ahead)  # None: there are no more
        self._stopped = threading.Event()
        self._changed = threading.Lock()
        self._fault: BaseException | None = None
        ways: list[Iterator[tuple[Source, Item]]] = [_items(source) for source in others]
        if files:
            ways.append(_distinct(chain.from_iterable(map(_items, files))) if files[1:] else _items(files[0]))
        self._running = len(ways)
        self._threads = [
            # Daemons: one that hangs in a read must not keep an interrupted process alive.
            threading.Thread(target=self._find, args=(way,), name=f"vpcflow-find-{n}", daemon=True)
            for n, way in enumerate(ways)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def take(self) -> tuple[Source, Item] | None:
        """The next item; None when there are no more, or the feed was stopped.

        Raises what a source raised while it looked for items.
        """
        while not self._stopped.is_set():
            with suppress(queue.Empty):
                found = self._found.get(timeout=_LOOK)
                if found is not None:
                    return found
                self._found.put(None)  # for the others
                if self._fault is None:
                    return None
            if self._fault is not None:
                raise self._fault
        return None

    def stop(self) -> None:
        """Ends the search. Items that nobody took are not acknowledged, so they come again another time."""
        self._stopped.set()
        for source in self._sources:
            source.stop()

    def close(self, patience: float) -> None:
        """Waits for the search to end, then closes the sources."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(patience)
        for source in self._sources:
            source.close()

    def _find(self, way: Iterator[tuple[Source, Item]]) -> None:
        try:
            for found in way:
                self._put(found)
                if self._stopped.is_set():
                    break
        except BaseException as error:
            self._fault = self._fault or error
        finally:
            with self._changed:
                self._running -= 1
                last = not self._running
            if last:
                self._put(None)

    def _put(self, found: tuple[Source, Item] | None) -> None:
        """Waits for room, unless the feed is stopped."""
        while not self._stopped.is_set():
            with suppress(queue.Full):
                self._found.put(found, timeout=_LOOK)
                break


def _items(source: Source) -> Iterator[tuple[Source, Item]]:
    for item in source.items():
        yield source, item


def _distinct(way: Iterator[tuple[Source, Item]]) -> Iterator[tuple[Source, Item]]:
    """Each file once: `logs/ logs/today.gz` names one of them twice."""
    seen: set[str] = set()
    for source, item in way:
        if item.identity not in seen:
            seen.add(item.identity)
            yield source, item
