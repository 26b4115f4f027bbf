"""One item's way into Elasticsearch."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from vpcflow.sinks.base import Refusal, Written
from vpcflow.sinks.elasticsearch.body import Encoded, Piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from vpcflow._core import Batch
    from vpcflow.sinks.elasticsearch.outbox import Outbox

__all__ = ["Writer"]


class Writer:
    """Hands batches over and learns in the background what became of them."""

    def __init__(self, outbox: Outbox, encode: Callable[[Batch], Encoded]) -> None:
        self._outbox = outbox
        self._encode = encode
        self._lock = threading.Lock()
        self._open = 0  # documents handed over, of which nothing is known yet
        self._written = Written(0, 0)  # what is known, but was not told yet
        self._committed: Future[Written] | None = None
        self._fault: Exception | None = None

    def encode(self, batch: Batch) -> Encoded:
        return self._encode(batch)

    def write(self, encoded: Encoded) -> Written:
        """Waits for room, hands over, and returns what became of earlier documents meanwhile."""
        if encoded.documents:
            with self._lock:
                self._open += encoded.documents
            self._outbox.put(Piece(self, encoded))
        with self._lock:
            return self._take()

    def commit(self) -> Future[Written]:
        """Done when the last document is stored, or refused for good."""
        with self._lock:
            self._committed = Future()
            done = not self._open or self._fault is not None
        if done:
            self._tell(self._committed)
        return self._committed

    def abort(self) -> None:
        """Leaves what was stored: with ``ids="digest"`` a second run adds only the rest."""

    def settle(self, documents: int, nbytes: int, refused: list[Refusal]) -> None:
        """So many documents are stored, and others refused for good."""
        with self._lock:
            self._written.documents += documents
            self._written.nbytes += nbytes
            self._written.refused += refused
            self._open -= documents + len(refused)
            done = self._committed if not self._open and self._fault is None else None
        if done is not None:
            self._tell(done)

    def fail(self, fault: Exception) -> None:
        """What is not stored yet won't be."""
        with self._lock:
            known, self._fault = self._fault is not None, self._fault or fault
            done = self._committed if self._open and not known else None
        if done is not None:
            self._tell(done)

    def _take(self) -> Written:
        written, self._written = self._written, Written(0, 0)
        return written

    def _tell(self, committed: Future[Written]) -> None:
        # Without the lock: whoever waits goes on with its work on this thread.
        with self._lock:
            fault, written = self._fault, self._take()
        if fault is not None:
            committed.set_exception(fault)
        else:
            committed.set_result(written)
