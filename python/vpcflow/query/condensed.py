"""Many queries of one store: its files are read once for all, into tables that are far smaller.

One table has the flows, with numbers in place of values. Others have a row for each combination of some
fields' values and a piece of time, with the number of flows and the sums. Who asks through them gets the
numbers that the store itself would give, for what no table can answer comes from the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vpcflow.query.answer import Engine, Step
from vpcflow.query.coded import group
from vpcflow.query.coding import codable, code
from vpcflow.query.engine_sql import StoreEngine, TableEngine
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period
from vpcflow.query.sql import Columns

__all__ = ["Condensed", "Need", "condense", "copied", "read_ahead"]

#: What DuckDB takes for all tables.
_MEMORY = "780MB"
#: A table with so many rows is asked as it is.
_FEW = 20_000


@dataclass(frozen=True, slots=True)
class Need:
    """What some queries need.

    Attributes:
        filter: that all of them have; the empty one is for queries with any, over `fields`.
        fields: to group by, to count the values of, to filter by beside `filter`; none with several values.
        sums: fields that are added up.
        period: of all of them.
        bucket: seconds of the smallest time bucket, None for no buckets.
    """

    filter: Filter
    fields: frozenset[str]
    sums: frozenset[str]
    period: Period | None
    bucket: int | None


@dataclass(frozen=True, slots=True)
class _Table:
    need: Need
    engine: TableEngine
    rows: int

    def within(self, step: Step) -> Step | None:
        """The step for this table: without the period and the filter that all of it has. None if it can't."""
        need = self.need
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
        pieces = step.bucket is None or (need.bucket is not None and step.bucket % need.bucket == 0)
        # A row that is one flow has its numbers, too.
        there = need.fields if self.engine.weight else need.fields | need.sums
        if not pieces or step.period != need.period or not fields <= there:
            return None
        return replace(step, filter=condition, period=None)


@dataclass(frozen=True, slots=True)
class Condensed:
    """An engine over tables, the smallest first, and over the store for what none of them can answer."""

    store: StoreEngine
    tables: tuple[_Table, ...] = ()

    def __call__(self, step: Step) -> list[tuple[object, ...]]:
        table, inner = self.who(step)
        return table.engine(inner) if table else self.store(inner)

    def who(self, step: Step) -> tuple[_Table | None, Step]:
        """Which table can answer, and what it is to be asked."""
        for table in self.tables:
            if (inner := table.within(step)) is not None:
                return table, inner
        return None, step

    def and_table(self, need: Need, engine: TableEngine) -> Condensed:
        """The same with one table more."""
        made = _Table(need, engine, engine.rows())
        return replace(self, tables=tuple(sorted((*self.tables, made), key=lambda table: table.rows)))


def read_ahead(engine: Engine, need: Need, *, grouped: bool = False) -> Engine:
    """An engine that has the flows of a store in memory, small enough for many millions.

    Args:
        engine: of a store, or of this; another one comes back as it is.
        need: without a filter, of a period and with buckets.
        grouped: whether equal flows of a piece of time are one row: when there are far fewer of them.

    Raises:
        QueryError: the store can't be read.
    """
    if isinstance(engine, StoreEngine):
        # Tables that don't fit go to the disk.
        engine.connection.execute(f"SET memory_limit = '{_MEMORY}'")
        engine.connection.execute("SET preserve_insertion_order = false")
        engine = Condensed(engine)
    period, bucket = need.period, need.bucket
    if not isinstance(engine, Condensed) or period is None or bucket is None:
        return engine
    fields, sums = (codable(engine.store, names, period) for names in (need.fields, need.sums))
    need = replace(need, fields=fields, sums=sums)
    table = code(engine.store, fields, sums, period, bucket)
    if table is not None and grouped:
        flows, table = table, group(table, need.filter, fields, sums, time=True)
        flows.drop()
    return engine if table is None else engine.and_table(need, table)


def condense(engine: Engine, need: Need) -> Engine:
    """An engine with a table for a need, if it was made by `read_ahead` and has none that is small enough."""
    if not isinstance(engine, Condensed):
        return engine
    table, step = engine.who(_step(need))
    if table is None or table.rows <= _FEW:
        return engine
    made = group(table.engine, step.filter, need.fields, need.sums, time=need.bucket is not None)
    return engine.and_table(need, made)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """An engine over a copy, and over the store for what is not in it."""

    store: StoreEngine
    copy: TableEngine
    period: Period

    def __call__(self, step: Step) -> list[tuple[object, ...]]:
        inside = step.period and self.period.start <= step.period.start and step.period.end <= self.period.end
        return (
            self.copy if inside and all(one in self.copy.columns for one in step.needs()) else self.store
        )(step)


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
    there, names = Columns(engine.flows(period).there), sorted(set(fields))
    columns = {"@timestamp": '"@timestamp"'} | {name: there.of(name) for name in names}
    chosen = engine.chosen(columns, names, period)
    fetch(engine.connection, f"CREATE TABLE loaded AS {chosen}")
    return _Loaded(engine, TableEngine(engine.connection, Columns(frozenset(names)), "loaded"), period)


def _step(need: Need) -> Step:
    """What a need asks for, in one step."""
    metrics = (Metric("count", "n"), *(Metric("sum", field, field) for field in sorted(need.sums)))
    fields = tuple(sorted(need.fields))
    return Step(need.filter, need.period, fields, need.bucket, metrics, absent=need.fields)
