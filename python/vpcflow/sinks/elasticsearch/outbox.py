"""What waits to be sent to Elasticsearch, and the threads that send it.

Whole pieces go out as they are. Small ones are put together: while a request is under way they gather, up to
the size of a request or for a second; when nothing is under way they go at once. So a busy server gets large
requests, and what trickles is stored as it comes.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from vpcflow.errors import SinkError
from vpcflow.sinks.elasticsearch.body import Body, Piece

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outbox"]

#: Bytes of a request that is put together, before compression. Elastic advises 5 to 15 MB.
REQUEST = 8 << 20

#: Requests under way at once.
REQUESTS = 4

#: Bytes that wait or are under way; who has more has to wait. Most are compressed, to about a tenth.
ROOM = 24 << 20

#: Seconds that a small piece may wait for others.
HOLD = 1.0


class Outbox:
    """Takes pieces and sends them with some threads of its own.

    Args:
        name: the target's, for messages.
        deliver: sends a body until each of its documents is stored or refused for good, and tells their
            writers; the event is set when nothing more is to be sent. What it raises ends everything.
    """

    def __init__(self, name: str, deliver: Callable[[Body, threading.Event], None]) -> None:
        self._stopped = threading.Event()
        self._name = name
        self._deliver = deliver
        self._changed = threading.Condition()
        self._whole: deque[Piece] = deque()
        self._small: deque[tuple[float, Piece]] = deque()  # and when each has waited long enough
        self._held = 0
        self._sending = 0
        self._closed = False
        self._fault: Exception | None = None
        self._threads: list[threading.Thread] = []

    def put(self, piece: Piece) -> None:
        """Waits for room, then takes the piece. Raises what ended the sending."""
        size = len(piece.encoded.body)
        with self._changed:
            self._changed.wait_for(lambda: self._fault or not self._held or self._held + size <= ROOM)
            if self._fault is not None:
                raise self._fault
            self._held += size
            if piece.encoded.whole:
                self._whole.append(piece)
            else:
                self._small.append((time.monotonic() + HOLD, piece))
            if len(self._threads) < min(REQUESTS, len(self._whole) + len(self._small) + self._sending):
                name = f"vpcflow-bulk-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
                self._threads[-1].start()
            self._changed.notify_all()

    def close(self) -> None:
        """Sends what waits, then ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def abort(self) -> None:
        """Sends nothing more."""
        self._fail(SinkError(f"{self._name}: stopped before everything was stored; run again"))

    def _run(self) -> None:
        while (pieces := self._next()) is not None:
            try:
                self._deliver(Body.of(pieces), self._stopped)
            except Exception as fault:
                # First the reason for all, then those who wait for their own.
                self._fail(fault)
                for piece in pieces:
                    piece.writer.fail(fault)
            finally:
                with self._changed:
                    self._sending -= 1
                    self._held -= sum(len(piece.encoded.body) for piece in pieces)
                    self._changed.notify_all()

    def _next(self) -> list[Piece] | None:
        """What makes the next request; None when there will be none."""
        with self._changed:
            while self._fault is None:
                if pieces := self._gather():
                    self._sending += 1
                    return pieces
                if self._closed:
                    break
                self._changed.wait(max(0.0, self._small[0][0] - time.monotonic()) if self._small else None)
            return None

    def _gather(self) -> list[Piece]:
        """Takes the small pieces if it is time for them, else a whole one."""
        size = sum(len(piece.encoded.body) for _, piece in self._small)
        alone = self._closed or not (self._sending or self._whole)
        if self._small and (alone or size >= REQUEST or time.monotonic() >= self._small[0][0]):
            pieces = [self._small.popleft()[1]]
            size = len(pieces[0].encoded.body)
            while self._small and (size := size + len(self._small[0][1].encoded.body)) <= REQUEST:
                pieces.append(self._small.popleft()[1])
            return pieces
        return [self._whole.popleft()] if self._whole else []

    def _fail(self, fault: Exception) -> None:
        with self._changed:
            self._fault = self._fault or fault
            waiting = [*self._whole, *(piece for _, piece in self._small)]
            self._whole.clear()
            self._small.clear()
            self._changed.notify_all()
        self._stopped.set()
        for piece in waiting:
            piece.writer.fail(fault)
