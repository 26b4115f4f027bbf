"""Bodies of bulk requests, and which writer each document in them belongs to."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpcflow import _core
from vpcflow.sinks.base import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from vpcflow.sinks.elasticsearch.writer import Writer

__all__ = ["Body", "Encoded", "Piece"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The actions and documents of a batch.

    Attributes:
        body: NDJSON, plain, or as one gzip member.
        documents: how many it holds.
        whole: it is compressed, and large enough to be a request of its own.
    """

    body: bytes
    documents: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """What a writer wants to have stored."""

    writer: Writer
    encoded: Encoded


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body in gzip, and whose documents it holds, in order: writers and how many of theirs."""

    data: bytes
    shares: Sequence[tuple[Writer, int]]

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Body:
        """One whole piece, or any number of others. Gzip members aren't strung together: servers read one."""
        shares = [(piece.writer, piece.encoded.documents) for piece in pieces]
        if pieces[0].encoded.whole:
            return cls(pieces[0].encoded.body, shares)
        return cls(_core.gzip([piece.encoded.body for piece in pieces]), shares)

    @property
    def documents(self) -> int:
        return sum(count for _, count in self.shares)

    def writers(self) -> Iterator[Writer]:
        """The writer of each document."""
        return (writer for writer, count in self.shares for _ in range(count))

    def lines(self) -> list[bytes]:
        """An action and a document, in turns."""
        return gzip.decompress(self.data).split(b"\n")

    @staticmethod
    def document(lines: Sequence[bytes], position: int) -> str:
        return lines[2 * position + 1].decode()

    def tell(self, refused: Mapping[int, str], again: Sequence[int]) -> None:
        """Tells the writers what became of their documents.

        Args:
            refused: positions of documents that the server refused for good, and why.
            again: positions of those that will be sent again; all the others are stored.
        """
        nbytes = len(self.data)
        if not (refused or again):
            for writer, count in self.shares:
                writer.settle(count, nbytes, [])
                nbytes = 0
            return
        lines = self.lines() if refused else []
        later = set(again)
        start = 0
        for writer, count in self.shares:
            mine = range(start, start + count)
            refusals = [Refusal(self.document(lines, at), refused[at]) for at in mine if at in refused]
            stored = count - len(refusals) - sum(at in later for at in mine)
            writer.settle(stored, nbytes, refusals)
            start, nbytes = start + count, 0

    def only(self, positions: Iterable[int]) -> Body:
        """The request with some of its documents, in order."""
        lines, writers = self.lines(), list(self.writers())
        kept: list[bytes] = []
        shares: list[tuple[Writer, int]] = []
        for at in positions:
            kept += (lines[2 * at] + b"\n", lines[2 * at + 1] + b"\n")
            if shares and shares[-1][0] is writers[at]:
                shares[-1] = (writers[at], shares[-1][1] + 1)
            else:
                shares.append((writers[at], 1))
        return Body(_core.gzip([b"".join(kept)]), shares)

    def halves(self) -> tuple[Body, Body]:
        half = self.documents // 2
        return self.only(range(half)), self.only(range(half, self.documents))
