"""One Parquet file for everything."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vpcflow._core import ParquetWriter
from vpcflow.errors import ConfigError
from vpcflow.sinks.base import Written

if TYPE_CHECKING:
    from vpcflow._core import Batch
    from vpcflow.sinks.base import Writer
    from vpcflow.sources.base import Item

__all__ = ["ParquetFileSink"]


class ParquetFileSink:
    """Writes all items into one file, whole batches at a time; it appears under its name at the end.

    Items that are read at the same time stand interleaved; with one worker they follow each other.

    Raises:
        ConfigError: the folder of the file doesn't exist.
    """

    def __init__(self, path: Path, *, preserve_original: bool = False) -> None:
        if not path.parent.is_dir():
            raise ConfigError(f"{path}: the folder {path.parent} doesn't exist")
        self.name = str(path)
        self._path = path
        self._preserve_original = preserve_original
        self._core: ParquetWriter | None = None
        self._lock = threading.Lock()

    def open(self, item: Item) -> Writer:
        with self._lock:
            if self._core is None:
                self._core = ParquetWriter(self._path, preserve_original=self._preserve_original)
        return _ParquetItem(self)

    def write(self, batch: Batch) -> None:
        with self._lock:
            if self._core is not None:
                self._core.write(batch)

    def close(self) -> None:
        if self._core is not None:
            self._core.close()

    def abort(self) -> None:
        if self._core is not None:
            self._core.abort()


class _ParquetItem:
    """One item's way into the file."""

    def __init__(self, sink: ParquetFileSink) -> None:
        self._sink = sink

    def encode(self, batch: Batch) -> Batch:
        return batch

    def write(self, encoded: Batch) -> Written:
        self._sink.write(encoded)
        return Written(documents=len(encoded), nbytes=0)

    def commit(self) -> Written:
        return Written(documents=0, nbytes=0)

    def abort(self) -> None:
        """What is in the file already stays: other items stand around it."""
