"""What every source offers to the pipeline: items, each of which is read and acknowledged as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vpcflow._core import Format, Origin

__all__ = ["Item", "Source", "SourceOptions"]


@dataclass(frozen=True, slots=True)
class Item:
    """One object with flow records.

    Attributes:
        name: how messages call it: a path as the user wrote it, a URL, ``stdin``.
        identity: the same object always has the same identity (an absolute path, a URL).
        data: path of a file, or a binary stream. Items wait in a queue, so a stream that costs something to
            have open opens itself with its first read.
        size: bytes as stored, None if unknown.
        origin: what the carrier knows.
        format: layout of lines without a header, where the source knows it and the user did not say it.
    """

    name: str
    identity: str
    data: Path | BinaryIO
    size: int | None
    origin: Origin
    format: Format | None = None


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user said about sources, for those that it concerns.

    Attributes:
        follow: go on with what comes later, until the run is stopped.
        since, until: Unix seconds; only objects and events from the first up to, but without, the second.
        accounts, regions: of S3 objects by their keys; empty: all.
        interval: seconds between two looks for new objects in a bucket, or events in a log group.
        checkpoint: file that remembers what was read; None: the default one.
        target: name of the target; what was read into another one is to be read again.
        max_receives: how often a message may come before its object is given up.
        latency, start_position, log_streams, log_stream_prefix, number_of_workers: of CloudWatch Logs, as the
            documentation of that source says.
        format: layout that the user gave, so that nobody needs to be asked for it.
        profile, role_arn, external_id, endpoint_url, region: how to get at AWS; None is boto3's own way.
    """

    follow: bool = False
    since: float | None = None
    until: float | None = None
    accounts: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    interval: float = 60.0
    checkpoint: Path | None = None
    target: str = ""
    max_receives: int = 3
    latency: float = 0.0
    start_position: str = "beginning"
    log_streams: tuple[str, ...] = ()
    log_stream_prefix: str | None = None
    number_of_workers: int = 1
    format: Format | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    endpoint_url: str | None = None
    region: str | None = None


class Source(ABC):
    """Where items come from. But for `items`, everything may be called from any thread."""

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """The items, found as the iteration goes on."""

    @abstractmethod
    def acknowledge(self, item: Item) -> None:
        """The item's records are stored: it need not be delivered again."""

    def release(self, item: Item, error: Exception) -> bool:
        """The item could not be read to its end, or not be stored: it is to be delivered again.

        Returns True when the source has given it up: then it goes to the dead-letter file.
        """
        del item, error
        return False

    def stop(self) -> None:  # noqa: B027
        """The run is to end: `items` must not wait for more."""

    def close(self) -> None:  # noqa: B027
        """No more items are wanted, and all of them are acknowledged or released."""
