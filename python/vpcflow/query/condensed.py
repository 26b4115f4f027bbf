"""Many queries of one store: its files are read once for all, into tables that are far smaller.

A table has a row for each combination of the fields that some queries need and of pieces of time, with the
number of flows and the sums. Who asks through it gets the numbers that the store itself would give, for what
no table can answer comes from the store. What such a table would be too large for is asked of a table of
the flows themselves, in which a text is a number of one byte or two.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vpcflow.query.answer import Engine, Step
from vpcflow.query.engine_sql import StoreEngine, TableEngine
from vpcflow.query.fields import kind
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period
from vpcflow.query.quoted import identifier, literal
from vpcflow.query.sql import column

__all__ = ["Need", "condense", "copied", "encoded"]


#: What DuckDB takes for all tables.
_MEMORY = "700MB"
_NUMBERS = itertools.count()
#: So many values fit into two bytes.
_VALUES = 65_535
#: What a table of flows has numbers as. Of the others there are few, or they are larger.
_SMALL = {"source.port": "USMALLINT", "destination.port": "USMALLINT", "network.packets": "UINTEGER"}


@dataclass(frozen=True, slots=True)
class Need:
    """What some queries need.

    Attributes:
        filter: that all of them have; the empty one is for queries with any, over `fields`.
        fields: to group by, to count the values of, to filter by beside `filter`; none with several values.
        sums: fields that are added up.
        period: of all of them.
        bucket: seconds of the smallest time bucket.
    """

    filter: Filter
    fields: frozenset[str]
    sums: frozenset[str]
    period: Period | None
    bucket: int


@dataclass(frozen=True, slots=True)
class Condensed:
    """An engine over tables, and over the store for what none of them can answer.

    Attributes:
        tables: with a row for each combination.
        flows: at most one, with a row for each flow.
    """

    store: StoreEngine
    tables: tuple[tuple[Need, TableEngine], ...] = ()
    flows: tuple[tuple[Need, TableEngine], ...] = ()

    def __call__(self, step: Step) -> list[tuple[object, ...]]:
        engine, inner = self.who(step)
        return engine(inner)

    def who(self, step: Step) -> tuple[StoreEngine | TableEngine, Step]:
        """Who can answer, and what it is to be asked."""
        for need, table in (*self.tables, *self.flows):
            if (inner := _within(need, step)) is not None:
                return table, inner
        return self.store, step


def condense(engine: Engine, needs: Sequence[Need]) -> Engine:
    """An engine that reads a store once for each need; for Elasticsearch the same engine.

    Needs that it has tables for already cost nothing.

    Raises:
        QueryError: the store can't be read.
    """
    if isinstance(engine, StoreEngine):
        # Tables that don't fit go to the disk.
        engine.connection.execute(f"SET memory_limit = '{_MEMORY}'")
        engine.connection.execute("SET preserve_insertion_order = false")
        made = Condensed(engine)
    elif isinstance(engine, Condensed):
        made = engine
    else:
        return engine
    for need in needs:
        if not any(_within(other, _step(need)) for other, _ in made.tables):
            table = _table(made, need, f"condensed{next(_NUMBERS)}")
            made = replace(made, tables=(*made.tables, (need, table)))
    return made


def encoded(engine: Engine, need: Need) -> Engine:
    """An engine that has the flows of a need in memory, small enough for many millions.

    Args:
        engine: of `condense` for a store; another one comes back as it is.
        need: without a filter.

    Raises:
        QueryError: the store can't be read.
    """
    from vpcflow.query.rows import QueryError, fetch

    if not isinstance(engine, Condensed):
        return engine
    connection, name = engine.store.connection, f"encoded{next(_NUMBERS)}"
    flows = engine.store.flows(need.period)
    start, length = _start(need), need.bucket * 1000
    columns = {"piece": f'CAST((epoch_ms("@timestamp") - {start}) // {length} AS USMALLINT)'}
    for at, field in enumerate(sorted(need.fields | need.sums)):
        columns[field] = column(field, flows.columns)
        small = _SMALL.get(field)
        if kind(field) in ("keyword", "ip"):
            if not (values := _values(engine, field, need)):
                del columns[field]  # what no table has is NULL
            elif len(values) <= _VALUES:
                small = f"{name}_{at}"
                fetch(connection, f"CREATE TYPE {small} AS ENUM ({', '.join(map(literal, values))})")
        if small:
            columns[field] = f"CAST({columns[field]} AS {small})"
    chosen = engine.store.chosen(columns, need.fields | need.sums, need.period)
    try:
        fetch(connection, f"CREATE TEMP TABLE {name} AS {chosen}")
    except QueryError:
        # A value that was written after the values were asked for, or a number that is too large.
        return engine
    time = f"make_timestamptz(({start} + CAST(piece AS BIGINT) * {length}) * 1000)"
    view = f'CREATE TEMP VIEW {name}_flows AS SELECT *, {time} AS "@timestamp" FROM {name}'  # noqa: S608
    fetch(connection, view)
    table = TableEngine(connection, frozenset(columns), f"{name}_flows")
    return replace(engine, flows=((need, table),))


def _start(need: Need) -> int:
    """The begin of the first piece of time, in milliseconds."""
    return int(need.period.start.timestamp()) // need.bucket * need.bucket * 1000 if need.period else 0


def _values(engine: Condensed, field: str, need: Need) -> list[str]:
    """The values of a field, or one more than fit."""
    step = Step(Filter(), need.period, (field,), None, (Metric("count", "n"),), limit=_VALUES + 1)
    return sorted(str(row[0]) for row in engine(step))


@dataclass(frozen=True, slots=True)
class _Loaded:
    """An engine over a copy, and over the store for what is not in it."""

    store: StoreEngine
    copy: TableEngine
    period: Period

    def __call__(self, step: Step) -> list[tuple[object, ...]]:
        inside = step.period and self.period.start <= step.period.start and step.period.end <= self.period.end
        return (self.copy if inside and step.needs() <= self.copy.columns else self.store)(step)


def copied(engine: Engine, fields: Iterable[str], period: Period) -> Engine:
    """An engine over a copy in memory of what a small store has: a store of many files takes long to open.

    Args:
        engine: of a store; another one comes back as it is.
        fields: to copy.
        period: of the flows to copy.

    Raises:
        QueryError: the store can't be read.
    """
    from vpcflow.query.rows import fetch

    if not isinstance(engine, StoreEngine):
        return engine
    flows = engine.flows(period)
    names = sorted(set(fields))
    columns = {"@timestamp": '"@timestamp"'} | {name: column(name, flows.columns) for name in names}
    chosen = engine.chosen(columns, names, period)
    fetch(engine.connection, f"CREATE TEMP TABLE loaded AS {chosen}")
    return _Loaded(engine, TableEngine(engine.connection, frozenset(names), "loaded"), period)


def _step(need: Need) -> Step:
    """What a need asks for, in one step."""
    metrics = (Metric("count", "n"), *(Metric("sum", field, field) for field in sorted(need.sums)))
    fields = tuple(sorted(need.fields))
    return Step(need.filter, need.period, fields, need.bucket, metrics, absent=need.fields)


def _table(engine: Condensed, need: Need, name: str) -> TableEngine:
    from vpcflow.query.rows import fetch

    step = _step(need)
    source, asked = engine.who(step)
    fields, sums = step.fields, tuple(sorted(need.sums))
    columns = ["epoch", *fields, "n", *sums]
    named = ", ".join(identifier(column) for column in columns)
    statement = (
        f'CREATE TEMP TABLE {name} AS SELECT *, make_timestamptz(epoch * 1000) AS "@timestamp"'  # noqa: S608
        f" FROM ({source.statement(asked)}) AS rows({named})"
    )
    fetch(source.connection, statement)
    return TableEngine(source.connection, frozenset([*fields, *sums]), name, "n")


def _within(need: Need, step: Step) -> Step | None:
    """The step for the table of a need: without the period and the filter that all of the table has."""
    if need.filter.tree is None:
        condition = step.filter
    elif need.filter == step.filter:
        condition = Filter()
    elif need.filter == step.filter.base and step.filter.narrowing is not None:
        condition = step.filter.narrowing
    else:
        return None
    fields = {*step.fields, *condition.fields()}
    for metric in step.metrics:
        if metric.kind in ("first", "last") or (metric.kind == "sum" and metric.field not in need.sums):
            return None
        fields |= {metric.field} if metric.kind == "distinct" and metric.field else set()
        fields |= set(metric.filter.fields()) if metric.filter is not None else set()
    pieces = step.bucket is None or step.bucket % need.bucket == 0
    if not pieces or step.period != need.period or not fields <= need.fields:
        return None
    return replace(step, filter=condition, period=None)
