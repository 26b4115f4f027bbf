"""Streams whose writer takes its time: a pipe that trickles must not hold records back."""

from __future__ import annotations

import os
import select
import time
from typing import BinaryIO, cast

__all__ = ["Live"]

#: Seconds that what was read may wait for more before it goes on as it is.
HOLD = 1.0


class Live:
    """A stream with a file descriptor, read so that the core can give out what it has.

    `read` answers None when more is not there in time, as Python's raw streams do that don't block. The core
    then makes a chunk of the whole lines that it has.

    Attributes:
        idle: the last answer was None.
    """

    def __init__(self, stream: BinaryIO, descriptor: int, hold: float = HOLD) -> None:
        self.idle = False
        self._stream = stream
        self._descriptor = descriptor
        self._hold = hold
        self._due: float | None = None  # when what was read since the last None has waited long enough

    @classmethod
    def of(cls, data: object) -> Live | None:
        """The stream, if it is one that can be waited for: unbuffered, and not on Windows."""
        import io

        if isinstance(data, io.RawIOBase) and os.name == "posix":
            try:
                return cls(cast("BinaryIO", data), data.fileno())
            except OSError:  # it has no descriptor
                return None
        return None

    def read(self, size: int) -> bytes | None:
        """Some bytes, none at the end, None when there are none for now."""
        left = None if self._due is None else self._due - time.monotonic()
        if left is not None and (left <= 0 or not select.select([self._descriptor], [], [], left)[0]):
            self._due, self.idle = None, True
            return None
        self.idle = False
        data = self._stream.read(size)
        if self._due is None:
            self._due = time.monotonic() + self._hold
        return data
