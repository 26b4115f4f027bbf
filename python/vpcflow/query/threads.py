"""Threads that ask a store at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

__all__ = ["threads"]


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """So many threads, all done when it ends, however it does: no connection is closed under a statement."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        waited = False
        while not waited:
            with suppress(KeyboardInterrupt):  # the second Ctrl-C; what is begun ends soon
                pool.shutdown(cancel_futures=True)
                waited = True
