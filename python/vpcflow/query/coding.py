"""A store's flows as a table with numbers in place of values: what `vpcflow.query.coded` is about.

The core reads the files: first the dictionaries for the values that there are, then the rows.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vpcflow import _core
from vpcflow.errors import DecodeError, QueryError
from vpcflow.query.answer import comparable
from vpcflow.query.coded import Code, CodedColumns
from vpcflow.query.engine_sql import StoreEngine, TableEngine
from vpcflow.query.fields import has_several, kind
from vpcflow.query.quoted import identifier, literal
from vpcflow.query.rows import fetch, insert_stream
from vpcflow.query.store import paths_of
from vpcflow.query.threads import threads

if TYPE_CHECKING:
    import duckdb

    from vpcflow.query.model import Period

__all__ = ["codable", "code"]

#: A field with more values stays as it is.
_VALUES = 250_000
#: Bits of a shared column, whose numbers are above 0.
_BITS = 63
#: Types of numbers from 0 on, by what is too large for them.
_SIZES = {1 << 16: "USMALLINT", 1 << 32: "UINTEGER"}
#: Of the others nobody asks so often.
_KINDS = ("keyword", "ip", "long")
_NUMBERS = itertools.count()


def code(
    store: StoreEngine, fields: Iterable[str], sums: Iterable[str], period: Period, bucket: int
) -> TableEngine | None:
    """A table of a store's flows, or None if it was written to meanwhile, or has a file that can't be read.

    Args:
        store: that has them.
        fields: of `codable`.
        sums: numbers that are added up, of `codable`.
        period: of the flows.
        bucket: seconds of a piece of time.
    """
    connection, name = store.connection, f"coded{next(_NUMBERS)}"
    flows, paths = store.flows(period), paths_of(store.connection, period)
    there = {field: column for field in (*fields, *sums) if (column := flows.column(field))}
    texts = [field for field in there if kind(field) != "long"]
    numbers = [field for field in there if kind(field) == "long"]
    making = _Making(connection, name, period, bucket)
    try:
        values = _core.store_values(paths, [there[field] for field in texts], _VALUES)
        for field, found in zip(texts, values, strict=True):
            making.add(field, there[field], found)
        ranges = _core.store_ranges(paths, [there[field] for field in numbers])
        for field, ends in zip(numbers, ranges, strict=True):
            making.plain.append((field, there[field], _size(ends)))
        types = ", ".join(f"{identifier(column)} {of}" for column, of in making.types().items())
        fetch(connection, f"CREATE TABLE {name} ({types})")
        # A thread reads one stream at a time.
        streams = os.cpu_count() or 1
        with threads(streams) as pool:
            list(pool.map(making.fill, [paths[at::streams] for at in range(streams)]))
    except (QueryError, DecodeError):
        fetch(connection, f"DROP TABLE IF EXISTS {name}")
        return None
    plain, added = {field for field, *_ in making.plain}.difference(sums), there.keys() & set(sums)
    return TableEngine(connection, CodedColumns(connection, making.codes, plain, added, making.pieces), name)


def codable(store: StoreEngine, fields: Iterable[str], period: Period) -> frozenset[str]:
    """The fields that a table can have: those that are a column of the files, and those that no flow has."""
    flows = store.flows(period)
    return frozenset(
        field
        for field in fields
        if field not in flows.there
        or (kind(field) in _KINDS and not has_several(field) and flows.column(field))
    )


class _Making:
    """How a table is made of the columns of a store's files.

    Attributes:
        codes: of the fields that get numbers.
        pieces: of `CodedColumns`.
        plain: fields that keep their values, the files' columns and types.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, period: Period, bucket: int) -> None:
        self._connection, self._name = connection, name
        self._start, self._end = (int(moment.timestamp() * 1000) for moment in period)
        length = bucket * 1000
        first = self._start // length * length
        self.codes: dict[str, Code] = {}
        self.plain: list[tuple[str, str, str]] = []
        self._own: list[tuple[str, str, list[str]]] = []
        self._bits = ((self._end - first) // length).bit_length()
        self._shared: list[list[tuple[str, list[str], int]]] = [[]]
        self.pieces = ((1 << self._bits) - 1, first, length)

    def add(self, field: str, column: str, values: list[str] | None) -> None:
        """Args: field: it; column: of the files; values: those that there are, None for too many."""
        if values is None:
            self.plain.append((field, column, "VARCHAR"))
        if not values:
            return  # what a table has not is NULL
        listed = sorted(values, key=lambda value: comparable(field, value))
        table = f"{self._name}_{len(self.codes)}"
        if kind(field) == "ip":
            self._own.append((table, column, listed))
            place, mask = table, 0
        else:
            bits = len(listed).bit_length()
            if self._bits + bits > _BITS:
                self._shared.append([])
                self._bits = 0
            self._shared[-1].append((column, listed, self._bits))
            place, mask = f"key{len(self._shared) - 1}", ((1 << bits) - 1) << self._bits
            self._bits += bits
        self.codes[field] = Code(place, mask, [None, *listed], table)
        texts = ", ".join(map(literal, listed))
        fetch(
            self._connection,
            f"CREATE TABLE {table} AS SELECT unnest(range({len(listed) + 1})) AS code,"
            f" unnest(CAST([NULL, {texts}] AS VARCHAR[])) AS {identifier(field)}",
        )

    def types(self) -> dict[str, str]:
        """DuckDB's types of the columns, in their order."""
        return (
            {f"key{at}": "BIGINT" for at in range(len(self._shared))}
            | {
                column: "USMALLINT" if len(values) < 1 << 16 else "UINTEGER"
                for column, _, values in self._own
            }
            | {field: of for field, _, of in self.plain}
        )

    def fill(self, paths: Sequence[str]) -> None:
        """Puts the flows of some files into the table.

        Raises:
            QueryError: a file can't be read, or has other values than were given.
        """
        codes = _core.StoreCodes(
            paths,
            start=self._start,
            end=self._end,
            piece=self.pieces[1:],
            shared=self._shared,
            own=self._own,
            plain=self.plain,
        )
        insert_stream(self._connection, self._name, codes)


def _size(ends: tuple[int, int] | None) -> str:
    """The smallest type that has all numbers from one to another."""
    low, high = ends or (0, 0)
    return next((of for limit, of in _SIZES.items() if low >= 0 and high < limit), "BIGINT")
