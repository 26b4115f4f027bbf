"""Tables of flows in which fields are numbers in place of values, and those with few values share a column.

A number is the place of a value in a list that is sorted as answers are, so that a network is a few ranges
of numbers. To group by fields that share a column is to mask its bits: by twenty of them as fast as by one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vpcflow import _core
from vpcflow.errors import DecodeError, QueryError
from vpcflow.query.answer import comparable
from vpcflow.query.engine_sql import StoreEngine, TableEngine
from vpcflow.query.fields import has_several, kind
from vpcflow.query.filters import Filter
from vpcflow.query.quoted import identifier, literal
from vpcflow.query.rows import fetch, insert_stream
from vpcflow.query.sql import Columns, any_of, compile_filter
from vpcflow.query.store import paths_of

if TYPE_CHECKING:
    import duckdb

    from vpcflow.query.model import Period

__all__ = ["CodedColumns", "codable", "code", "group"]

#: A field with more values stays as it is.
_VALUES = 250_000
#: Bits of a shared column, whose numbers are above 0.
_BITS = 63
#: More ranges than these are a list of numbers.
_RANGES = 3
#: Types of numbers from 0 on, by what is too large for them.
_SIZES = {1 << 16: "USMALLINT", 1 << 32: "UINTEGER"}
#: Of the others nobody asks so often.
_KINDS = ("keyword", "ip", "long")
_NUMBERS = itertools.count()


@dataclass(frozen=True, slots=True)
class _Code:
    """Where a table has the number of a field.

    Attributes:
        column: the name in SQL.
        mask: its bits in a column that it shares, 0 if it has one of its own. There NULL is NULL, here 0 is.
        values: what the numbers stand for; the first is None.
        table: of numbers and values, whose columns are ``code`` and the field.
    """

    column: str
    mask: int
    values: list[Any]
    table: str

    @property
    def shift(self) -> int:
        return (self.mask & -self.mask).bit_length() - 1 if self.mask else 0

    @property
    def number(self) -> str:
        """In SQL."""
        return f"(({self.column} & {self.mask}) >> {self.shift})" if self.mask else self.column


class CodedColumns(Columns):
    """Fields as numbers."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        codes: dict[str, _Code],
        plain: Iterable[str],
        sums: Iterable[str],
        pieces: tuple[int, int, int],
    ) -> None:
        """Columns of a table.

        Args:
            connection: that has it.
            codes: of the fields that have numbers.
            plain: fields that have their values.
            sums: numbers that are added up.
            pieces: bits of the time in the first column that fields share, and what it is counted from and
                in, in milliseconds.
        """
        self.codes, self.plain, self.sums, self.pieces = codes, frozenset(plain), frozenset(sums), pieces
        super().__init__(self.plain | self.sums | codes.keys())
        mask, start, length = pieces
        self.moment = f"({start} + (key0 & {mask}) * {length})"
        self._connection = connection
        self._holding: dict[str, list[int]] = {}

    def of(self, field: str) -> str:
        if (found := self.codes.get(field)) is None:
            return super().of(field)
        return f"nullif({found.number}, 0)" if found.mask else found.number

    def compare(self, field: str, values: Sequence[Any]) -> str:
        if (found := self.codes.get(field)) is None:
            return super().compare(field, values)
        # Each value of the field is asked once, in the language in which each flow would be.
        condition = Columns([field]).compare(field, values)
        if condition not in self._holding:
            statement = f"SELECT code FROM {found.table} WHERE {condition} ORDER BY code"  # noqa: S608
            self._holding[condition] = [number for (number,) in fetch(self._connection, statement)]
        return _among(found, self._holding[condition])

    def order(self, field: str, name: str) -> str:
        return name if field in self.codes else super().order(field, name)

    def stands_for(self, field: str) -> Sequence[Any] | None:
        return self.codes[field].values if field in self.codes else None

    def only(self, fields: Collection[str], sums: Iterable[str], *, time: bool) -> CodedColumns:
        """Those of these fields and numbers, with the time or without."""
        codes = {field: one for field, one in self.codes.items() if field in fields}
        plain = self.plain.intersection(fields)
        pieces = self.pieces if time else (0, *self.pieces[1:])
        return CodedColumns(self._connection, codes, plain, self.sums.intersection(sums), pieces)

    def grouped(self) -> dict[str, str]:
        """What to group by, by the column's name: each combination of values and piece of time is one."""
        masks = {"key0": self.pieces[0]} if self.pieces[0] else {}
        for one in self.codes.values():
            if one.mask:
                masks[one.column] = masks.get(one.column, 0) | one.mask
        own = [one.column for one in self.codes.values() if not one.mask]
        return {name: f"{name} & {mask}" for name, mask in masks.items()} | {
            name: name for name in (*own, *map(identifier, self.plain))
        }


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
        with ThreadPoolExecutor(streams) as pool:
            list(pool.map(making.fill, [paths[at::streams] for at in range(streams)]))
    except (QueryError, DecodeError):
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


def group(
    table: TableEngine, condition: Filter, fields: Collection[str], sums: Iterable[str], *, time: bool
) -> TableEngine:
    """A table with a row for each combination of some fields' values.

    Args:
        table: of `code`, or of this.
        condition: which flows it is of.
        fields: that stay.
        sums: that stay.
        time: whether each piece of time has its own rows.
    """
    if not isinstance(table.columns, CodedColumns):
        raise TypeError(table.columns)
    where = compile_filter(condition, table.columns)
    return _grouped(table, table.table, table.columns.only(fields, sums, time=time), where)


def _grouped(table: TableEngine, source: str, columns: CodedColumns, where: str) -> TableEngine:
    name = f"grouped{next(_NUMBERS)}"
    keys = columns.grouped()
    flows = f"CAST(sum({table.weight}) AS BIGINT)" if table.weight else "count(*)"
    numbers = {"n": flows} | {one: f"CAST(sum({one}) AS BIGINT)" for one in map(identifier, columns.sums)}
    selected = ", ".join(f"{sql} AS {as_}" for as_, sql in (keys | numbers).items())
    fetch(
        table.connection,
        f"CREATE TABLE {name} AS SELECT {selected} FROM {source}"  # noqa: S608 - values are literals
        f"{f' WHERE {where}' if where else ''} GROUP BY ALL",
    )
    return TableEngine(table.connection, columns, name, "n")


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
        self.codes: dict[str, _Code] = {}
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
        self.codes[field] = _Code(place, mask, [None, *listed], table)
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


def _among(code: _Code, numbers: Sequence[int]) -> str:
    """Whether the number of a flow is one of some, which are in order."""
    if 0 in numbers and not code.mask:
        rest = _among(code, [number for number in numbers if number])
        return f"({code.column} IS NULL OR {rest})"
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    left = f"({code.column} & {code.mask})" if code.mask else code.column
    if len(ranges) > _RANGES:
        # As a join it takes a third of the time of a list.
        return f"{left} IN (SELECT unnest({[number << code.shift for number in numbers]}))"
    return (
        any_of(_between(left, first << code.shift, last << code.shift) for first, last in ranges) or "false"
    )


def _between(left: str, first: int, last: int) -> str:
    return f"{left} BETWEEN {first} AND {last}" if first < last else f"{left} = {first}"
