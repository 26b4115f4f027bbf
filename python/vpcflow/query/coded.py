"""Tables of flows in which fields are numbers in place of values, and those with few values share a column.

A number is the place of a value in a list that is sorted as answers are, so that a network is a few ranges
of numbers. To group by fields that share a column is to mask its bits: by twenty of them as fast as by one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vpcflow.errors import QueryError
from vpcflow.query.answer import comparable
from vpcflow.query.engine_sql import StoreEngine, TableEngine
from vpcflow.query.fields import has_several, kind
from vpcflow.query.filters import Filter
from vpcflow.query.quoted import identifier, literal
from vpcflow.query.sql import Columns, any_of, compile_filter

if TYPE_CHECKING:
    import duckdb

    from vpcflow.query.model import Period

__all__ = ["CodedColumns", "code", "group"]

#: A field with more values stays as it is.
_VALUES = 65_535
#: The same of addresses.
_MANY = 250_000
#: Up to so many values are looked for in a list, which DuckDB does for files' dictionaries and not for rows.
_LISTED = 300
#: Bits of a shared column, whose numbers are above 0.
_BITS = 63
#: More ranges than these are a list of numbers.
_RANGES = 3
#: Types of numbers from 0 on, by what is too large for them.
_SIZES = {1 << 16: "USMALLINT", 1 << 32: "UINTEGER"}
_PORTS = ("source.port", "destination.port")
#: Types of which a list of values is sorted as answers are.
_CODED = {"keyword": "VARCHAR", "ip": "VARCHAR", "long": "BIGINT"}
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
        from vpcflow.query.rows import fetch

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
    store: StoreEngine,
    fields: Iterable[str],
    sums: Iterable[str],
    period: Period,
    bucket: int,
    *,
    grouped: bool = False,
) -> TableEngine | None:
    """A table of a store's flows, or None if they are not such that one can be made.

    Args:
        store: that has them.
        fields: none with several values.
        sums: numbers that are added up.
        period: of the flows.
        bucket: seconds of a piece of time.
        grouped: whether equal flows of a piece of time are one row.

    Raises:
        QueryError: the store can't be read.
    """
    from vpcflow.query.rows import fetch

    connection, name = store.connection, f"coded{next(_NUMBERS)}"
    there = Columns(store.flows(period).there)
    wanted = [field for field in dict.fromkeys(fields) if kind(field) in _CODED and not has_several(field)]
    coded = [field for field in wanted if field not in _PORTS]
    sums, making = [field for field in sums if field in there], _Making(connection, name, there)
    pieces = making.pieces(period, bucket)
    for field, found in _values(store, coded, there, period).items():
        making.add(field, found)
    plain = [field for field in wanted if field in _PORTS or field in making.many]
    columns = CodedColumns(connection, making.codes, plain, sums, pieces)
    shared = making.shared()
    values = {field: there.of(field) for field in plain}
    values |= {port: f"CAST({there.of(port)} AS USMALLINT)" for port in plain if port in _PORTS}
    made = shared | making.made | values | _small(store, sums, there, period)
    chosen = store.chosen(made, {*wanted, *sums}, period)
    table = TableEngine(connection, columns, name)
    try:
        if grouped:
            return _grouped(table, f"({chosen})", columns, "")
        fetch(connection, f"CREATE TABLE {name} AS {chosen}")
        lost = " OR ".join(f"{key} IS NULL" for key in shared)
        ((unknown,),) = fetch(connection, f"SELECT count(*) FROM {name} WHERE {lost}")  # noqa: S608
    except QueryError:
        return None  # a value, or a larger number, was written after they were asked for
    return None if unknown else table


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
    from vpcflow.query.rows import fetch

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
    """How a table is made of a store's columns.

    Attributes:
        codes: of the fields that get numbers.
        made: what each column is in SQL, by its name; those that fields share are not in it.
        many: fields that have too many values.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, there: Columns) -> None:
        self.codes: dict[str, _Code] = {}
        self.made: dict[str, str] = {}
        self.many: set[str] = set()
        self._shared: list[tuple[int, list[str]]] = []
        self._connection, self._name, self._there = connection, name, there

    def shared(self) -> dict[str, str]:
        """What the columns are that fields share."""
        return {f"key{at}": " | ".join(parts) for at, (_, parts) in enumerate(self._shared)}

    def pieces(self, period: Period, bucket: int) -> tuple[int, int, int]:
        """The bits of the pieces of time, the begin of the first and their length, both in milliseconds."""
        first, length = int(period.start.timestamp()) // bucket * bucket * 1000, bucket * 1000
        number = f"CAST(({self._there.moment} - {first}) // {length} AS BIGINT)"
        _, mask = self._share((int(period.end.timestamp()) * 1000 - first) // length + 1, lambda _: number)
        return mask, first, length

    def add(self, field: str, values: list[Any] | None) -> None:
        """Args: values: of the field, those that there are; None for too many."""
        if values is None or (kind(field) == "long" and len(values) > _LISTED):
            self.many.add(field)
            return
        if not values:
            return  # what a table has not is NULL
        listed = [None, *sorted(values, key=lambda value: comparable(field, value))]
        table = self._listed(field, listed)
        left = self._there.of(field)
        if kind(field) == "ip":
            size = next(size for limit, size in _SIZES.items() if len(listed) <= limit)
            self.made[table] = f"CAST({self._numbered(left, table, listed)} AS {size})"
            self.codes[field] = _Code(table, 0, listed, table)
            return

        def number(shift: int) -> str:
            if len(listed) > _LISTED:
                return f"(coalesce(CAST({self._numbered(left, table, listed)} AS BIGINT), 0) << {shift})"
            # Functions of one column, and no casts: DuckDB asks them for a dictionary's values alone.
            shifted = f"CAST({[at << shift for at in range(len(listed))]} AS BIGINT[])"
            return f"list_extract({shifted}, list_position({_list(field, listed)}, {left}))"

        column, mask = self._share(len(listed), number)
        self.codes[field] = _Code(column, mask, listed, table)

    def _share(self, numbers: int, made: Callable[[int], str]) -> tuple[str, int]:
        """Finds room for the numbers below one; `made` has them from a bit on."""
        bits = (numbers - 1).bit_length()
        if not self._shared or self._shared[-1][0] + bits > _BITS:
            self._shared.append((0, []))
        shift, parts = self._shared[-1]
        self._shared[-1] = (shift + bits, [*parts, made(shift)])
        return f"key{len(self._shared) - 1}", ((1 << bits) - 1) << shift

    def _listed(self, field: str, listed: list[Any]) -> str:
        from vpcflow.query.rows import fetch

        name = f"{self._name}_{len(self.codes)}"
        numbers = f"unnest(range({len(listed)})) AS code"
        values = f"unnest({_list(field, listed)}) AS {identifier(field)}"
        fetch(self._connection, f"CREATE TABLE {name} AS SELECT {numbers}, {values}")
        return name

    def _numbered(self, left: str, table: str, listed: list[Any]) -> str:
        from vpcflow.query.rows import fetch

        fetch(self._connection, f"CREATE TYPE {table}_enum AS ENUM ({', '.join(map(literal, listed[1:]))})")
        return f"enum_code(CAST({left} AS {table}_enum)) + 1"


def _list(field: str, listed: Sequence[Any]) -> str:
    texts = ", ".join("NULL" if value is None else literal(value) for value in listed)
    return f"CAST([{texts}] AS {_CODED[kind(field)]}[])"


def _values(
    store: StoreEngine, fields: Sequence[str], there: Columns, period: Period
) -> dict[str, list[Any] | None]:
    """The values of each field, None for one that has too many."""
    from vpcflow.query.rows import fetch

    found: dict[str, list[Any] | None] = {}
    few = [field for field in fields if kind(field) != "ip"]
    names = [f"f{at}" for at in range(len(few))]
    chosen = store.chosen(
        {name: there.of(field) for name, field in zip(names, few, strict=True)}, few, period
    )
    sets = ", ".join(f"({name})" for name in names)
    several: list[set[Any]] = [set() for _ in few]
    statement = f"SELECT {', '.join(names)} FROM ({chosen}) GROUP BY GROUPING SETS ({sets})"  # noqa: S608
    for row in fetch(store.connection, statement) if few else []:
        for values, value in zip(several, row, strict=True):
            values.add(value)
    for field, values in zip(few, several, strict=True):
        values.discard(None)
        found[field] = list(values) if len(values) <= _VALUES else None
    for field in fields:
        if field not in found:
            chosen = store.chosen({"one": there.of(field)}, [field], period)
            one = f"SELECT DISTINCT one FROM ({chosen}) WHERE one IS NOT NULL LIMIT {_MANY + 1}"  # noqa: S608
            addresses = [address for (address,) in fetch(store.connection, one)]
            found[field] = addresses if len(addresses) <= _MANY else None
    return found


def _small(store: StoreEngine, fields: Sequence[str], there: Columns, period: Period) -> dict[str, str]:
    """Numbers of no more bytes than the largest takes."""
    from vpcflow.query.rows import fetch

    made = {field: there.of(field) for field in fields}
    if not fields:
        return made
    ends = ", ".join(f"min({name}), max({name})" for name in map(identifier, fields))
    ((*found,),) = fetch(
        store.connection,
        f"SELECT {ends} FROM ({store.chosen(made, fields, period)})",  # noqa: S608 - names only
    )
    for field, low, high in zip(fields, found[::2], found[1::2], strict=True):
        for limit, size in _SIZES.items():
            if high is not None and low >= 0 and high < limit:
                made[field] = f"CAST({made[field]} AS {size})"
                break
    return made


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
