"""What every source offers to the pipeline: items, each of which is read and acknowledged as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from vpcflow._core import Origin

__all__ = ["Item", "Source"]


@dataclass(frozen=True, slots=True)
class Item:
    """One object with flow records.

    Attributes:
        name: how messages call it: a path as the user wrote it, a URL, ``stdin``.
        identity: the same object always has the same identity (an absolute path, a URL).
        data: path of a file, or a binary stream.
        size: bytes as stored, None if unknown.
        origin: what the carrier knows.
    """

    name: str
    identity: str
    data: Path | BinaryIO
    size: int | None
    origin: Origin


class Source(Protocol):
    """Where items come from."""

    def items(self) -> Iterator[Item]:
        """The items, found as the iteration goes on."""

    def acknowledge(self, item: Item) -> None:
        """The item's records are stored: it need not be delivered again."""
