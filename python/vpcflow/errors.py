"""The exceptions of vpcflow. Every one says what, where, why and what to do, and survives pickling."""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DecodeError",
    "FormatError",
    "ParseError",
    "QueryError",
    "SinkError",
    "SourceError",
    "VpcflowError",
]


class VpcflowError(Exception):
    """Base of every error that vpcflow raises on purpose."""


class ConfigError(VpcflowError):
    """The command or its configuration can't work as given; nothing was read or written."""


class FormatError(VpcflowError, ValueError):
    """The layout of a flow log can't be told, or the format given is not one."""


class DecodeError(VpcflowError, ValueError):
    """The bytes of a source can't be decoded any further: gzip cut short, Parquet broken, and so on.

    Everything before the place was delivered as batches already.
    """


class QueryError(VpcflowError):
    """A query can't be run as it is written, or can't be answered whole; the message is the engine's own."""


class SinkError(VpcflowError):
    """A target did not take what it was given."""


class SourceError(VpcflowError):
    """A source did not give what it holds: the network, a server at its limit, an object that has gone."""


class ParseError(VpcflowError, ValueError):
    """One line that is not a record of its format.

    Attributes:
        line: number of the line in its object, the first is 1. In Parquet, the number of the row.
        offset: byte offset of the line's first byte in the decompressed text, None in Parquet.
        field: AWS's name of the field at fault (``srcport``), None when the line as a whole is.
        reason: what is wrong with it, in words.
        raw: the line as it stood, without its line end.
    """

    def __init__(self, line: int, offset: int | None, field: str | None, reason: str, raw: bytes) -> None:
        super().__init__(line, offset, field, reason, raw)
        self.line = line
        self.offset = offset
        self.field = field
        self.reason = reason
        self.raw = raw

    def __str__(self) -> str:
        where = f"line {self.line}" + (f" (byte {self.offset})" if self.offset is not None else "")
        return f"{where}: {self.field}: {self.reason}" if self.field else f"{where}: {self.reason}"
