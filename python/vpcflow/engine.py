"""The threads between sources and sink.

Item threads each take an item, decode it into chunks, hand the chunks to a pool that parses and encodes (the
core releases the GIL there), and write the results in the item's order. A window bounds the chunks that are
in memory, over all items together. No thread waits for the window while it holds a place in it: it writes its
oldest chunk instead, so the threads can't block each other.

Two kinds of faults are kept apart. What is wrong with an item (unreadable, cut short, of no known layout)
ends that item: what was read before is committed and the other items go on. What is wrong with the target
ends the run.

A target may store in the background. Then the next item is read meanwhile, and the one before is acknowledged
when the target says that it has it, on the thread that learns of it.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

from vpcflow._core import Reader
from vpcflow.errors import ParseError, SinkError, VpcflowError
from vpcflow.feed import Feed
from vpcflow.live import Live
from vpcflow.sinks.base import Written

if TYPE_CHECKING:
    from vpcflow._core import Batch, Chunk, Direction, Enrichment, Format
    from vpcflow.deadletter import DeadLetters
    from vpcflow.sinks.base import Sink, Writer
    from vpcflow.sources.base import Item, Source

__all__ = ["Engine", "Failure", "LineError", "Settings", "describe"]

_LOG = logging.getLogger(__name__)

_KEPT_ERRORS = 10
# A run that follows its sources may go on for months.
_KEPT_FAILURES = 1000
# How long a thread that hangs in a read may hold up an interrupted run.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be read to its end.

    Attributes:
        item: its name.
        error: DecodeError, FormatError or OSError.
        documents: how many documents before the place were kept.
    """

    item: str
    error: Exception
    documents: int

    def __str__(self) -> str:
        kept = f" ({self.documents:,} documents before that were kept)" if self.documents else ""
        return f"{self.item}: {describe(self.error)}{kept}"


@dataclass(frozen=True, slots=True)
class LineError:
    """An unreadable line and the item it stands in."""

    item: str
    error: ParseError

    def __str__(self) -> str:
        return f"{self.item}: {self.error}"


@dataclass(frozen=True, slots=True)
class Settings:
    """How items are read, and whether the run goes on with what comes later."""

    format: Format | None
    on_error: Literal["index", "skip", "raise"]
    workers: int
    direction: Direction
    follow: bool = False
    enrichment: Enrichment | None = None


@dataclass(slots=True)
class Counts:
    """What has happened so far."""

    files: int = 0
    lines: int = 0
    documents: int = 0
    failed: int = 0
    refused: int = 0
    read: int = 0
    text: int = 0
    written: int = 0
    failures: int = 0
    lag: float | None = None


class Engine:
    """One run over some sources. `run` returns when everything is committed, or raises what ended it."""

    def __init__(self, sources: list[Source], sink: Sink, letters: DeadLetters, settings: Settings) -> None:
        self.counts = Counts()
        self.failures: list[Failure] = []
        self.errors: list[LineError] = []
        self._sink = sink
        self._letters = letters
        self._settings = settings
        self._feed = Feed(sources, settings.workers)
        self._counting = threading.Lock()
        self._window = _Window(2 * settings.workers + 2)
        self._pool = ThreadPoolExecutor(settings.workers, thread_name_prefix="vpcflow-parse")
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._running = settings.workers
        self._storing = 0  # items that were read, but that the target has not wholly stored yet
        self._fault: BaseException | None = None

    def run(self, tick: Callable[[], None], interval: float = 0.1) -> None:
        """Reads everything, calling `tick` from this thread now and then."""
        # Daemons: one that hangs reading a pipe must not keep an interrupted process alive.
        threads = [
            threading.Thread(target=self._work, name=f"vpcflow-item-{n}", daemon=True)
            for n in range(self._settings.workers)
        ]
        try:
            self._feed.start()
            for thread in threads:
                thread.start()
            while not self._finished.wait(interval):
                tick()
        finally:
            # At the end of a good run nothing is left to stop.
            self._stop.set()
            self._feed.stop()
            deadline = time.monotonic() + _PATIENCE
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(0.0, deadline - time.monotonic()))
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._feed.close(max(0.0, deadline - time.monotonic()))
        if self._fault is not None:
            raise self._fault

    def finish(self) -> None:
        """Takes no more items, and lets `run` return when those that are being read are done."""
        self._feed.stop()

    def abandon(self) -> None:
        """Ends `run` at once. What is not wholly stored is not acknowledged."""
        self._stop.set()
        self._finished.set()

    @property
    def in_flight(self) -> int:
        """Batches between source and target."""
        return self._window.taken

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and (found := self._feed.take()) is not None:
                self._item(*found)
        except _StoppedError:
            pass
        except BaseException as error:
            self._end(error)
        finally:
            with self._counting:
                self._running -= 1
            self._look_if_finished()

    def _end(self, error: BaseException) -> None:
        """Ends the run with its first fault."""
        with self._counting:
            self._fault = self._fault or error
        self._stop.set()

    def _look_if_finished(self) -> None:
        with self._counting:
            if self._fault is not None or not (self._running or self._storing):
                self._finished.set()

    def _item(self, source: Source, item: Item) -> None:
        """Takes one item from its source to the target."""
        writer = self._target(self._sink.open, item)
        stored: Written | Future[Written] = Written(0, 0)
        try:
            moved = self._transfer(item, writer)
            self._insist(item, moved.fault)
            if moved.fault is not None and not moved.read:
                # Nothing could be read of it: what the target has of it from before is better than nothing.
                writer.abort()
            else:
                stored = self._target(writer.commit)
        except BaseException:
            writer.abort()
            raise
        finally:
            if not isinstance(item.data, Path):
                item.data.close()
        if isinstance(stored, Future):
            with self._counting:
                self._storing += 1
            stored.add_done_callback(lambda done: self._stored_later(source, item, moved, done))
        else:
            self._stored(source, item, moved, stored)

    def _stored_later(self, source: Source, item: Item, moved: _Moved, done: Future[Written]) -> None:
        try:
            self._stored(source, item, moved, self._target(done.result))
        except BaseException as error:
            self._end(error)
        finally:
            with self._counting:
                self._storing -= 1
            self._look_if_finished()

    def _stored(self, source: Source, item: Item, moved: _Moved, last: Written) -> None:
        """The target has everything of an item: `last` is what it had not said so of before."""
        documents = moved.stored + self._settle(item, last)
        self._letter(self._letters.flush)
        with self._counting:
            self.counts.files += 1
            if moved.fault is not None:
                self.counts.failures += 1
                failure = Failure(item.name, moved.fault, documents)
                if len(self.failures) < _KEPT_FAILURES:
                    self.failures.append(failure)
                if self._settings.follow:  # its end, where failures are told, is far
                    _LOG.warning("%s", failure)
        if moved.fault is None:
            source.acknowledge(item)
            self._seen(item)
        elif source.release(item, moved.fault):
            self._letter(self._letters.add_item, item.name, describe(moved.fault))

    def _seen(self, item: Item) -> None:
        """Notes how old an item was when it was stored."""
        if item.origin.modified is not None:
            with self._counting:
                self.counts.lag = max(0.0, time.time() - item.origin.modified)

    def _transfer(self, item: Item, writer: Writer) -> _Moved:
        """Moves an item's chunks until it ends or can't be read further."""
        pending: deque[Future[_Parsed]] = deque()
        moved = _Moved()
        live = Live.of(item.data)
        chunks = self._chunks(item, item.data if live is None else cast("BinaryIO", live))
        chunk: Chunk | Exception | None = None
        reading = True
        try:
            while reading or pending:
                if self._stop.is_set():
                    raise _StoppedError
                room = reading and self._window.acquire(blocking=not pending)
                if room:
                    chunk = self._take(chunks)
                    if chunk is None or isinstance(chunk, Exception):
                        reading = False
                    else:
                        pending.append(self._pool.submit(_parse, chunk, writer, self._settings))
                # The oldest goes out when it is ready, or when there is nothing else to do: no room, or
                # nothing to read for now.
                waits = not room or (live is not None and live.idle)
                while pending and (waits or pending[0].done()):
                    moved.fault = self._write(item, writer, pending.popleft(), moved)
                    if moved.fault is not None:
                        return moved
                    waits = waits and room
            moved.fault = chunk if isinstance(chunk, Exception) else None
            return moved
        finally:
            for future in pending:
                future.cancel()
                self._window.release()

    def _take(self, chunks: Iterator[Chunk | Exception]) -> Chunk | Exception | None:
        """The next chunk; its place in the window is given back if there is none."""
        chunk: Chunk | Exception | None = None
        try:
            chunk = next(chunks, None)
        finally:
            if chunk is None or isinstance(chunk, Exception):
                self._window.release()
        return chunk

    def _insist(self, item: Item, fault: Exception | None) -> None:
        """Ends the run with the first fault, where that was asked for."""
        if fault is not None and self._settings.on_error == "raise":
            fault.add_note(f"in {item.name}")
            raise fault

    def _chunks(self, item: Item, data: Path | BinaryIO) -> Iterator[Chunk | Exception]:
        """The chunks of an item; what ends it early comes last."""
        try:
            reader = Reader(
                data,
                format=self._settings.format or item.format,
                origin=item.origin,
                on_error=self._settings.on_error,
            )
            before = 0
            while True:
                chunk = next(reader, None)
                with self._counting:
                    self.counts.read += reader.bytes_read - before
                before = reader.bytes_read
                if chunk is None:
                    return
                yield chunk
        except (VpcflowError, OSError) as error:
            yield error

    def _write(self, item: Item, writer: Writer, future: Future[_Parsed], moved: _Moved) -> Exception | None:
        """Writes the oldest chunk of an item, or says why it couldn't be parsed."""
        try:
            batch, encoded, fault = future.result()
        finally:
            self._window.release()
        if batch is None:
            return fault
        # Only what is in the target or the dead-letter file counts as done.
        errors = batch.errors
        moved.stored += self._settle(item, self._target(writer.write, encoded))
        moved.read += len(batch)
        if self._settings.on_error == "skip":
            for error in errors:
                self._letter(self._letters.add_line, item.origin.path or item.name, error)
        with self._counting:
            self.counts.lines += batch.lines
            self.counts.text += batch.nbytes
            self.counts.failed += len(errors)
            self.errors += [
                LineError(item.name, error) for error in errors[: _KEPT_ERRORS - len(self.errors)]
            ]
        return None

    def _settle(self, item: Item, written: Written) -> int:
        for refusal in written.refused:
            self._letter(self._letters.add_refusal, item.origin.path or item.name, refusal)
        with self._counting:
            self.counts.documents += written.documents
            self.counts.written += written.nbytes
            self.counts.refused += len(written.refused)
        return written.documents

    def _target(self, call: Callable[..., Any], *args: Any) -> Any:
        try:
            return call(*args)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise target_error(self._sink.name, error) from error

    def _letter(self, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except OSError as error:
            raise target_error(str(self._letters.path), error) from error


class _Window:
    """Bounds the batches that are in memory."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self._free = threading.Semaphore(most)
        self._counting = threading.Lock()

    def acquire(self, *, blocking: bool) -> bool:
        if not self._free.acquire(blocking=blocking):
            return False
        with self._counting:
            self.taken += 1
        return True

    def release(self) -> None:
        with self._counting:
            self.taken -= 1
        self._free.release()


@dataclass(slots=True)
class _Moved:
    """What was read of an item, and what the target said so far that it has of it, in documents."""

    read: int = 0
    stored: int = 0
    fault: Exception | None = None


class _StoppedError(Exception):
    """Another thread, or the user, ended the run."""


_Parsed = tuple["Batch | None", Any, "Exception | None"]


def _parse(chunk: Chunk, writer: Writer, settings: Settings) -> _Parsed:
    """The work of the pool. A fault of the item is a result, so that it isn't taken for one of the target."""
    try:
        batch = chunk.parse(direction=settings.direction, enrichment=settings.enrichment)
    except VpcflowError as error:
        return None, None, error
    return batch, writer.encode(batch), None


def describe(error: BaseException) -> str:
    """An error in words, without Python's number and the path that the caller says anyway."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def target_error(name: str, error: OSError) -> SinkError:
    """What the target did not take, as one line."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    advice = "; make room there and run again" if full else ""
    return SinkError(f"{name}: {describe(error)}{advice}")
