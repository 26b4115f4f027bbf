"""Many queries of one store: its files are read once for all, into tables that are far smaller.

A table has a row for each combination of the fields that some queries need and of pieces of time, with the
number of flows and the sums. Who asks through it gets the numbers that the store itself would give, for what
no table can answer comes from the store.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from vpcflow.query.answer import Engine, Step
from vpcflow.query.engine_sql import StoreEngine, TableEngine
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period
from vpcflow.query.sql import column

__all__ = ["Need", "condense", "copied"]


#: What DuckDB takes for all tables.
_MEMORY = "600MB"
_NUMBERS = itertools.count()


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
    """An engine over tables, and over the store for what none of them can answer."""

    store: StoreEngine
    tables: tuple[tuple[Need, TableEngine], ...]

    def __call__(self, step: Step) -> list[tuple[object, ...]]:
        for need, table in self.tables:
            if (inner := _within(need, step)) is not None:
                return table(inner)
        return self.store(step)


def condense(engine: Engine, needs: Sequence[Need]) -> Engine:
    """An engine that reads a store once for each need; for Elasticsearch the same engine.

    Needs that it has tables for already cost nothing.

    Raises:
        QueryError: the store can't be read.
    """
    if isinstance(engine, StoreEngine):
        # Tables that don't fit go to the disk.
        engine.connection.execute(f"SET memory_limit = '{_MEMORY}'")
        made = Condensed(engine, ())
    elif isinstance(engine, Condensed):
        made = engine
    else:
        return engine
    for need in needs:
        if not any(_within(other, _step(need)) for other, _ in made.tables):
            table = _table(made.store, need, f"condensed{next(_NUMBERS)}")
            made = Condensed(made.store, (*made.tables, (need, table)))
    return made


@dataclass(frozen=True, slots=True)
class _Loaded:
    """An engine over a copy, and over the store for what is not in it."""

    store: StoreEngine
    copy: TableEngine
    period: Period

    def __call__(self, step: Step) -> list[tuple[object, ...]]:
        fields = {*step.fields, *step.filter.fields()}
        for metric in step.metrics:
            fields |= {metric.field} if metric.field else set()
            fields |= set(metric.filter.fields()) if metric.filter is not None else set()
        inside = step.period and self.period.start <= step.period.start and step.period.end <= self.period.end
        return (self.copy if inside and fields <= self.copy.columns else self.store)(step)


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
    columns = ", ".join(f"{column(name, flows.columns)} AS {_name(name)}" for name in names)
    chosen = flows.select({"@timestamp", *names})
    start, end = (moment.isoformat() for moment in period)
    statement = (
        f"CREATE TEMP TABLE loaded AS WITH flows AS NOT MATERIALIZED ({chosen})"  # noqa: S608 - names only
        f' SELECT "@timestamp", {columns} FROM flows'
        f" WHERE \"@timestamp\" >= TIMESTAMPTZ '{start}' AND \"@timestamp\" < TIMESTAMPTZ '{end}'"
    )
    fetch(engine.connection, statement)
    return _Loaded(engine, TableEngine(engine.connection, frozenset(names), "loaded"), period)


def _step(need: Need) -> Step:
    """What a need asks for, in one step."""
    metrics = (Metric("count", "n"), *(Metric("sum", field, field) for field in sorted(need.sums)))
    fields = tuple(sorted(need.fields))
    return Step(need.filter, need.period, fields, need.bucket, metrics, absent=need.fields)


def _table(engine: StoreEngine, need: Need, name: str) -> TableEngine:
    from vpcflow.query.rows import fetch

    step = _step(need)
    fields, sums = step.fields, tuple(sorted(need.sums))
    columns = ["epoch", *fields, "n", *sums]
    named = ", ".join(_name(column) for column in columns)
    statement = (
        f'CREATE TEMP TABLE {name} AS SELECT *, make_timestamptz(epoch * 1000) AS "@timestamp"'  # noqa: S608
        f" FROM ({engine.statement(step)}) AS rows({named})"
    )
    fetch(engine.connection, statement)
    return TableEngine(engine.connection, frozenset([*fields, *sums]), name, "n")


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


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
