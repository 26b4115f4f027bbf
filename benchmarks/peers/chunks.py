"""How vpcflow is used from Python on one thread or more: chunks are cut in order and worked on by a pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from vpcflow._core import Chunk, Reader

T = TypeVar("T")


def in_order(work: Callable[[Chunk], T], source: str, threads: int) -> Iterator[T]:
    """Results of the chunks in their order; no more than two a thread are held."""
    if threads == 1:
        yield from map(work, Reader(source))
        return
    with ThreadPoolExecutor(threads) as pool:
        pending = deque[Future[T]]()
        for chunk in Reader(source):
            pending.append(pool.submit(work, chunk))
            if len(pending) == 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
