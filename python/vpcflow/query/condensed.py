"""Many queries of one store: its files are read once for all, into tables that are far smaller.

A table has a row for each combination of the fields that some queries need and of pieces of time, with the
number of flows and the sums. Who asks through it gets the numbers that the store itself would give, for what
no table can answer comes from the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vpcflow.query.answer import Engine, Step
from vpcflow.query.engine_sql import StoreEngine, compile_step
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period

__all__ = ["Need", "condense"]


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


def condense(engine: Engine, needs: Sequence[Need]) -> Engine:
    """An engine that reads a store once for each need; for Elasticsearch, which needs none, the same engine.

    Raises:
        QueryError: the store can't be read.
    """
    if not isinstance(engine, StoreEngine):
        return engine
    tables = [(need, _table(engine, need, f"condensed{at}")) for at, need in enumerate(needs)]

    def ask(step: Step) -> list[tuple[object, ...]]:
        for need, table in tables:
            if (inner := _within(need, step)) is not None:
                return table(inner)
        return engine(step)

    return ask


def _table(engine: StoreEngine, need: Need, name: str) -> StoreEngine:
    from vpcflow.query.rows import run

    fields, sums = tuple(sorted(need.fields)), tuple(sorted(need.sums))
    metrics = (Metric("count", "n"), *(Metric("sum", field, field) for field in sums))
    step = Step(need.filter, need.period, fields, need.bucket, metrics, absent=need.fields)
    columns = ["epoch", *fields, "n", *sums]
    inner = compile_step(step, engine.columns)
    named = ", ".join(_name(column) for column in columns)
    statement = (
        f'CREATE TEMP TABLE {name} AS SELECT *, make_timestamptz(epoch * 1000) AS "@timestamp"'  # noqa: S608
        f" FROM ({inner}) AS rows({named})"
    )
    for _ in run(engine.connection, statement).rows:
        pass
    return StoreEngine(engine.connection, frozenset([*fields, *sums]), name, "n")


def _within(need: Need, step: Step) -> Step | None:
    """The step for the table of a need: without the period and the filter that all of the table has."""
    condition: Filter | None = step.filter
    if need.filter.tree is not None:
        if need.filter != (step.filter.base or step.filter):
            return None
        condition = step.filter.narrowing
    condition = condition or Filter()
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
