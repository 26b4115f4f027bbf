"""Which objects of a folder were read, in little room.

Objects have times. Those before the mark are done, but for the ones that failed; of those after it each one
that is done is remembered. The mark stays a day behind the newest object, since objects come late, and behind
the oldest one that is being read.
"""

from __future__ import annotations

import math
import time

from vpcflow.sources.checkpoint import Checkpoint

__all__ = ["LOOK_BACK", "Marks"]

#: Seconds that an object may come later than a newer one, and still be found.
LOOK_BACK = 86_400.0
# The mark is written when it has moved on so far.
_STEP = 3_600.0
# Separate stretches of time that are remembered: runs with --since leave gaps.
_SPANS = 8


class Marks:
    """The objects of one folder. Not for several threads at once.

    Args:
        checkpoint: keeps them.
        folder: its name in there.
        since: the Unix time from which on objects are wanted.
        ordered: objects are listed in the order of their days. Otherwise only `finish` moves the mark.
    """

    def __init__(self, checkpoint: Checkpoint, folder: str, since: float, *, ordered: bool) -> None:
        self._checkpoint = checkpoint
        self._folder = folder
        self._since = since
        self._ordered = ordered
        spans = checkpoint.get(f"spans {folder}") or []
        self._spans: list[list[float]] = sorted([float(start), float(end)] for start, end in spans)
        self._done = checkpoint.done(folder)
        self._reading: dict[str, float] = {}
        self._newest = -math.inf
        # The stretch that this run makes longer.
        self._span = next((span for span in self._spans if span[0] <= since <= span[1]), [since, since])
        self._written = self._span[1]

    @property
    def start(self) -> float:
        """Objects before this time need not be listed."""
        return self._span[1]

    def knows(self, key: str, at: float) -> bool:
        """Whether an object is done or being read."""
        return key in self._done or key in self._reading or self._before_mark(at)

    def see(self, at: float) -> None:
        """An object of that time was listed."""
        # One that is named wrong, for a time to come, says nothing about what comes until then.
        self._newest = max(self._newest, min(at, time.time()))

    def begin(self, key: str, at: float) -> None:
        """An object is being read from now on."""
        self._reading[key] = at

    def drop(self, key: str) -> None:
        """It is no longer being read, and somebody else will see to it."""
        self._reading.pop(key, None)

    def end(self, key: str) -> None:
        """It was read and stored."""
        at = self._reading.pop(key, None)
        if at is not None and not self._before_mark(at):
            self._done[key] = at
            self._checkpoint.add(self._folder, key, at)
        if self._ordered:
            self._advance(_STEP)

    def finish(self) -> None:
        """All objects were listed."""
        self._advance(0.0)
        if self._since > 0.0:
            # Runs that each look at the last day only would gather what none of them asks for any more.
            self.forget(self._since - LOOK_BACK)

    def forget(self, before: float) -> None:
        """Forgets objects that nobody will ask for again."""
        self._done = {key: at for key, at in self._done.items() if at >= before}
        self._checkpoint.forget(self._folder, 0.0, before)

    def _before_mark(self, at: float) -> bool:
        return any(start <= at < end for start, end in self._spans)

    def _advance(self, step: float) -> None:
        mark = min(self._newest - LOOK_BACK, min(self._reading.values(), default=math.inf))
        if mark < self._written + step or mark <= self._written:
            return
        span = self._span
        others = [other for other in self._spans if other is not span]
        span[1] = mark
        for other in list(others):
            if span[0] <= other[0] <= span[1]:  # they have met
                span[1] = max(span[1], other[1])
                others.remove(other)
        self._spans = [*sorted(others, key=lambda it: it[1])[1 - _SPANS :], span]
        self._written = span[1]
        self._done = {key: at for key, at in self._done.items() if not span[0] <= at < span[1]}
        with self._checkpoint.together():
            self._checkpoint.put(f"spans {self._folder}", self._spans)
            self._checkpoint.forget(self._folder, *span)
