"""The Parquet store: a folder of files by day, which `vpcflow query` reads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vpcflow._core import StoreWriter
from vpcflow.errors import ConfigError
from vpcflow.sinks.base import Written

if TYPE_CHECKING:
    from vpcflow._core import Batch
    from vpcflow.sinks.base import Writer
    from vpcflow.sources.base import Item

__all__ = ["StoreSink"]


class StoreSink:
    """Writes each item's parts into the store when the item is done, in place of what it had there before.

    Raises:
        ConfigError: the path is there and is no folder.
    """

    def __init__(self, root: Path, *, preserve_original: bool = False) -> None:
        if root.exists() and not root.is_dir():
            raise ConfigError(f"{root}: is not a folder, so it can't be a store")
        self.name = str(root)
        self._root = root
        self._preserve_original = preserve_original
        self._open: set[_StoreItem] = set()
        self._lock = threading.Lock()

    def open(self, item: Item) -> Writer:
        core = StoreWriter(self._root, item.identity, preserve_original=self._preserve_original)
        writer = _StoreItem(core, self)
        with self._lock:
            self._open.add(writer)
        return writer

    def forget(self, writer: _StoreItem) -> None:
        with self._lock:
            self._open.discard(writer)

    def close(self) -> None:
        """Every item was put in place when it was done."""

    def abort(self) -> None:
        with self._lock:
            left = list(self._open)
        for writer in left:
            writer.abort()


class _StoreItem:
    """The parts of one item."""

    def __init__(self, core: StoreWriter, sink: StoreSink) -> None:
        self._core = core
        self._sink = sink

    def encode(self, batch: Batch) -> Batch:
        # The encoding depends on what the part holds already, so it can't be done beforehand.
        return batch

    def write(self, encoded: Batch) -> Written:
        self._core.write(encoded)
        return Written(documents=len(encoded), nbytes=0)

    def commit(self) -> Written:
        parts = self._core.commit()
        self._sink.forget(self)
        return Written(documents=0, nbytes=sum(Path(part).stat().st_size for part in parts))

    def abort(self) -> None:
        self._core.abort()
        self._sink.forget(self)
