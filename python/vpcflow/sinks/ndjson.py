"""NDJSON: one document a line, into a file or to standard output.

Items that are read at the same time stand interleaved, whole batches at a time: holding one back until the
other is done would mean holding it in memory. Within an item the order is kept, and with one worker the items
follow each other.
"""

from __future__ import annotations

import gzip
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypedDict

from vpcflow.errors import ConfigError
from vpcflow.sinks.base import Written

if TYPE_CHECKING:
    from vpcflow._core import Batch
    from vpcflow.sinks.base import Writer
    from vpcflow.sources.base import Item

__all__ = ["NdjsonFileSink", "Options", "StdoutSink"]

_COMPRESSIONS: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}
# What a compressed file without content looks like: an empty file is no valid one.
_NOTHING = {"gzip": gzip.compress(b"", mtime=0), "zstd": bytes.fromhex("28b52ffd2000010000"), None: b""}


class Options(TypedDict):
    """What the encoder is told."""

    namespace: str
    preserve_original: bool
    tags: Sequence[str]


class _LinesSink:
    """What file and standard output have in common: whole batches go out under a lock."""

    name: str
    _compression: Literal["gzip", "zstd"] | None = None

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()

    def open(self, item: Item) -> Writer:
        return _LinesItem(self)

    def encode(self, batch: Batch) -> bytes:
        return batch.to_ndjson(compression=self._compression, **self._options)

    def write(self, data: bytes) -> None:
        with self._lock:
            self._put(data)

    def _put(self, data: bytes) -> None:
        raise NotImplementedError


class NdjsonFileSink(_LinesSink):
    """A file, compressed when it ends in ``.gz`` or ``.zst``; it appears under its name at the end.

    Raises:
        ConfigError: the folder of the file doesn't exist.
    """

    def __init__(self, path: str | os.PathLike[str], options: Options) -> None:
        super().__init__(options)
        self.name = os.fspath(path)
        # A link stays one, and what it leads to is replaced.
        self._path = Path(path).resolve()
        if not self._path.parent.is_dir():
            raise ConfigError(f"{self.name}: the folder {self._path.parent} doesn't exist")
        self._compression = _COMPRESSIONS.get(self._path.suffix.lower())
        self._temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        self._file: BinaryIO | None = None
        self._empty = True

    def open(self, item: Item) -> Writer:
        with self._lock:
            if self._file is None:
                self._file = self._temporary.open("wb")
        return super().open(item)

    def _put(self, data: bytes) -> None:
        if self._file is not None:
            self._file.write(data)
            self._empty = self._empty and not data

    def close(self) -> None:
        if self._file is None:
            return
        if self._empty:
            self._file.write(_NOTHING[self._compression])
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)

    def abort(self) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError:  # the disk is full: what is in the buffer is to be thrown away anyway
            pass
        finally:
            self._temporary.unlink(missing_ok=True)


class StdoutSink(_LinesSink):
    """Standard output."""

    name = "standard output"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        sys.stdout.flush()
        self._descriptor = sys.stdout.fileno()

    def _put(self, data: bytes) -> None:
        # Past Python's buffer: what is in it when the pipe breaks would fail again at exit.
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def close(self) -> None:
        """Every batch is out already."""

    def abort(self) -> None:
        """What is out is out."""


class _LinesItem:
    """One item's way into the lines."""

    def __init__(self, sink: _LinesSink) -> None:
        self._sink = sink

    def encode(self, batch: Batch) -> tuple[int, bytes]:
        return len(batch), self._sink.encode(batch)

    def write(self, encoded: tuple[int, bytes]) -> Written:
        documents, data = encoded
        self._sink.write(data)
        return Written(documents=documents, nbytes=len(data))

    def commit(self) -> Written:
        return Written(documents=0, nbytes=0)

    def abort(self) -> None:
        """What is written stays: other items stand around it."""
