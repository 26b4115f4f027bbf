"""Reads AWS VPC Flow Logs of every version and writes Elastic Common Schema documents.

>>> import vpcflow
>>> for batch in vpcflow.read("flow.log.gz"):
...     print(len(batch), batch.errors)
>>> vpcflow.index("logs/", to="vpcflow-data").documents
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from vpcflow import _core
from vpcflow._core import AwsRanges, Batch, Direction, Format, Geo, Origin, ThreatLists
from vpcflow._core import __version__ as __version__
from vpcflow.enrich import Enricher, Interface, enrichment
from vpcflow.errors import (
    ConfigError,
    DecodeError,
    FormatError,
    ParseError,
    SinkError,
    SourceError,
    VpcflowError,
)
from vpcflow.formats import to_format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from typing import BinaryIO

    from vpcflow.enrich import AnyEnricher
    from vpcflow.pipeline import IndexResult, index

    BytesLike = bytes | bytearray | memoryview

__all__ = [
    "AwsRanges",
    "Batch",
    "ConfigError",
    "DecodeError",
    "Direction",
    "Enricher",
    "Format",
    "FormatError",
    "Geo",
    "IndexResult",
    "Interface",
    "Origin",
    "ParseError",
    "SinkError",
    "SourceError",
    "ThreatLists",
    "VpcflowError",
    "__version__",
    "index",
    "parse",
    "read",
]


def parse(
    data: BytesLike,
    *,
    format: Format | str | None = None,
    origin: Origin | None = None,
    on_error: Literal["index", "skip", "raise"] = "index",
    direction: Direction | None = None,
) -> Batch:
    """Reads an object in memory, compressed or not, into one batch.

    Args:
        data: the bytes: lines of text, gzip, zstd or Parquet, told apart by content.
        format: layout of the lines: a Format, AWS's log-format string, or a name such as ``v5``. None finds
            it from the header line, Parquet's column names, or AWS's own layouts.
        origin: what is known about where the bytes come from.
        on_error: unreadable lines become ``pipeline_error`` documents (``index``), stand only in
            `Batch.errors` (``skip``), or stop the reading (``raise``).
        direction: finds ``network.direction`` where it isn't logged. None learns from this object alone; one
            that is kept knows what it learned from others.

    Raises:
        FormatError: the layout can't be told, or it changes in the middle (then use `read`).
        DecodeError: the bytes can't be decoded to their end.
        ParseError: a line can't be read and ``on_error="raise"``.
    """
    return _core.parse(
        data, format=to_format(format), origin=origin, on_error=on_error, direction=direction or Direction()
    )


def read(
    source: str | PathLike[str] | BytesLike | BinaryIO,
    *,
    format: Format | str | None = None,
    origin: Origin | None = None,
    on_error: Literal["index", "skip", "raise"] = "index",
    enrich: Sequence[AnyEnricher] = (),
    direction: Direction | None = None,
) -> Iterator[Batch]:
    """Reads one object as batches of a few MiB, in order, at constant memory.

    Args:
        source: path, bytes, or a binary file; text, gzip (any number of members), zstd or Parquet.
        format: as for `parse`.
        origin: by default path and modification time of the file.
        on_error: as for `parse`.
        enrich: what adds to the records, as for `index`.
        direction: as for `parse`; a batch is read with what was learned from it and those before it.

    Raises:
        ConfigError: an enricher can't be used.
        OSError: the file can't be opened (at once) or read (from iterating).
        FormatError: from iterating, when the layout can't be told.
        DecodeError: from iterating, when the bytes can't be decoded further; what could be came before.
        ParseError: from iterating, when a line can't be read and ``on_error="raise"``.
    """
    reader = _core.Reader(source, format=to_format(format), origin=origin, on_error=on_error)
    added = enrichment(enrich)
    direction = direction or Direction()
    return (chunk.parse(direction=direction, enrichment=added) for chunk in reader)


def __getattr__(name: str) -> Any:
    # `import vpcflow` is often all that a script needs to parse: the pipeline loads with its first use.
    if name in {"index", "IndexResult"}:
        from vpcflow import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
