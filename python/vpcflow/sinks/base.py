"""What every sink offers to the pipeline: one writer an item, so that an item is acknowledged as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future

    from vpcflow._core import Batch
    from vpcflow.sources.base import Item

__all__ = ["Refusal", "Sink", "Writer", "Written"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that the target refused for good: goes to the dead-letter file."""

    document: str
    reason: str


@dataclass(slots=True)
class Written:
    """What one write put into the target."""

    documents: int
    nbytes: int
    refused: list[Refusal] = field(default_factory=list)


class Writer(Protocol):
    """Takes the batches of one item."""

    def encode(self, batch: Batch) -> Any:
        """The heavy part: turns a batch into what `write` takes. Runs on any thread, many at once."""

    def write(self, encoded: Any) -> Written:
        """Puts an encoded batch into the target. Called in the item's order, one call at a time."""

    def commit(self) -> Written | Future[Written]:
        """Makes everything written durable and visible; returns what was still in flight.

        The item is acknowledged after that. A target that stores in the background returns a future, so that
        the next item can be read meanwhile.
        """

    def abort(self) -> None:
        """Takes back what can be taken back. Must not raise."""


class Sink(Protocol):
    """A target. Thread-safe: several writers are open at once."""

    #: how the target is called in messages
    name: str

    def open(self, item: Item) -> Writer:
        """A writer for one item."""

    def close(self) -> None:
        """All writers are done: finish the target. Raises SinkError or OSError."""

    def abort(self) -> None:
        """The run failed or was interrupted: leave nothing half-made. Must not raise."""
