"""Steps in DuckDB's SQL, over a Parquet store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vpcflow.query.answer import Step
from vpcflow.query.fields import has_several, kind
from vpcflow.query.model import Metric, Period
from vpcflow.query.quoted import identifier, literal
from vpcflow.query.sql import Columns, compile_filter

if TYPE_CHECKING:
    import duckdb

    from vpcflow.query.store import Selection

__all__ = ["StoreEngine", "TableEngine", "compile_step", "engine", "period_conditions"]

#: The columns of a flow's time, and of the day by which a store is divided.
_TIME = frozenset({"@timestamp", "date"})


def engine(connection: duckdb.DuckDBPyConnection, period: Period | None = None) -> StoreEngine:
    """Asks a store. Each step opens the files of its own days only.

    Args:
        connection: of `vpcflow.query.store`.
        period: whose files a step without a period opens; None is all.
    """
    return StoreEngine(connection, period)


class StoreEngine:
    """An `Engine` over the flows of a store: `engine` makes one.

    Attributes:
        connection: of the store.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, period: Period | None) -> None:
        self.connection = connection
        self._period = period
        self._known: dict[str, Selection] = {}

    def __call__(self, step: Step) -> list[tuple[Any, ...]]:
        return _rows(self.connection, step, self.statement(step), Columns(self.flows(step.period).there))

    def flows(self, period: Period | None) -> Selection:
        """What the store has of a period, and of the rest of its days."""
        from vpcflow.query.store import files_of, selection

        files = files_of(self.connection, period or self._period)
        if files not in self._known:
            self._known[files] = selection(self.connection, files)
        return self._known[files]

    def chosen(self, columns: Mapping[str, str], names: Iterable[str], period: Period | None) -> str:
        """Flows of a period as they are, in SQL.

        Args:
            columns: how each is made, by the name that it gets.
            names: of the store's columns that this takes.
            period: of the flows; None is all.
        """
        flows = self.flows(period)
        made = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in columns.items())
        where = " AND ".join(period_conditions(period, Columns(flows.there))) or "true"
        return (
            f"WITH flows AS NOT MATERIALIZED ({flows.select(_TIME.union(names))})"  # noqa: S608 - names only
            f" SELECT {made} FROM flows WHERE {where}"
        )

    def statement(self, step: Step) -> str:
        """What DuckDB is asked."""
        flows = self.flows(step.period)
        asked = compile_step(step, Columns(flows.there))
        return f"WITH flows AS NOT MATERIALIZED ({flows.select(step.needs() | _TIME)}) FROM ({asked})"


@dataclass(frozen=True, slots=True)
class TableEngine:
    """An `Engine` over a table of flows.

    Attributes:
        connection: that has it.
        columns: those of the table.
        table: its name.
        weight: the column that says how many flows a row stands for; None for one.
    """

    connection: duckdb.DuckDBPyConnection
    columns: Columns
    table: str
    weight: str | None = None

    def __call__(self, step: Step) -> list[tuple[Any, ...]]:
        return _rows(self.connection, step, self.statement(step), self.columns)

    def statement(self, step: Step) -> str:
        """What DuckDB is asked."""
        return compile_step(step, self.columns, self.table, self.weight)

    def drop(self) -> None:
        """Gives the table's memory back."""
        from vpcflow.query.rows import fetch

        fetch(self.connection, f"DROP TABLE {self.table}")

    def rows(self) -> int:
        """How many rows the table has."""
        from vpcflow.query.rows import fetch

        ((rows,),) = fetch(self.connection, f"SELECT count(*) FROM {self.table}")  # noqa: S608 - a name
        return int(rows)


def _rows(
    connection: duckdb.DuckDBPyConnection, step: Step, statement: str, columns: Columns
) -> list[tuple[Any, ...]]:
    from vpcflow.query.rows import fetch

    rows = fetch(connection, statement)
    read: dict[int, Callable[[Any], Any]] = dict.fromkeys(_dates(step), _date)
    for at, field in enumerate(step.fields, 1 if step.bucket else 0):
        if values := columns.stands_for(field):
            read[at] = functools.partial(_value, values)
    if not read:
        return rows
    # Column by column: most of them are as they should be.
    made = [
        map(read[at], values) if at in read else values for at, values in enumerate(zip(*rows, strict=True))
    ]
    return list(zip(*made, strict=True))


def compile_step(step: Step, columns: Columns, table: str = "flows", weight: str | None = None) -> str:
    """The statement; its columns are those of the step, in their order. Times are milliseconds.

    Args:
        step: what is asked.
        columns: those of the table.
        table: its name.
        weight: the column that says how many flows a row stands for; None for one.
    """
    keys = [f"k{at}" for at in range(len(step.fields))]
    inner = []
    if step.bucket:
        keys.insert(0, "bucket")
        each = step.bucket * 1000
        inner.append(f"{columns.moment} // {each} * {each} AS bucket")
    for at, field in enumerate(step.fields):
        left = columns.of(field)
        left = f"unnest({left})" if has_several(field) else left
        inner.append(f"{f'epoch_ms({left})' if kind(field) == 'date' else left} AS k{at}")
    inner += [f"{_input(metric, columns)} AS i{at}" for at, metric in enumerate(step.metrics)]
    inner += [f"{weight} AS w"] if weight else []
    wheres = [compile_filter(step.filter, columns), *period_conditions(step.period, columns)]
    wheres += [f"{columns.of(field)} IS NOT NULL" for field in step.fields if field not in step.absent]
    where = " AND ".join(f"({one})" for one in wheres if one)
    flows = f"SELECT {', '.join(inner)} FROM {table}" + (f" WHERE {where}" if where else "")  # noqa: S608
    count = "coalesce(CAST(sum(w) AS BIGINT), 0)" if weight else "count(*)"
    numbers = [f"{_number(at, metric, count)} AS n{at}" for at, metric in enumerate(step.metrics)]
    statement = f"SELECT {', '.join([*keys, *numbers])} FROM ({flows})"  # noqa: S608 - values are literals
    statement += f" GROUP BY {', '.join(keys)}" if keys else ""
    places = {metric.name: f"n{at}" for at, metric in enumerate(step.metrics)}
    having = [f"{places[one.name]} {one.operator} {_plain(one.value)}" for one in step.having]
    statement += f" HAVING {' AND '.join(having)}" if having else ""
    if step.limit is None or not keys:
        return statement
    if step.order is None:
        return f"{statement} LIMIT {step.limit}"
    rank = f"{places[step.order[0]]} {'DESC' if step.order[1] else 'ASC'} NULLS LAST"
    if step.within:
        # Equals stay: whoever asked knows their order.
        rows = f"PARTITION BY {', '.join(keys[: step.within])} ORDER BY {rank}"
        return f"SELECT * FROM ({statement}) QUALIFY rank() OVER ({rows}) <= {step.limit}"  # noqa: S608
    equal = [columns.order(field, f"k{at}") for at, field in enumerate(step.fields)]
    return _first(statement, rank, equal, step.limit)


def _first(groups: str, rank: str, equal: Sequence[str], limit: int) -> str:
    """The first groups alone. Equals go by their addresses' bits, made for those in question only."""
    by, direction, *_ = rank.split()
    last = f"SELECT {by} FROM groups ORDER BY {rank} LIMIT 1 OFFSET {limit - 1}"  # noqa: S608
    return (
        f"WITH groups AS MATERIALIZED ({groups}) SELECT * FROM groups"  # noqa: S608 - values are literals
        f" WHERE coalesce({by} {'>=' if direction == 'DESC' else '<='} ({last}), true)"
        f" ORDER BY {', '.join([rank, *equal])} LIMIT {limit}"
    )


def _input(metric: Metric, columns: Columns) -> str:
    match metric.kind:
        case "count":
            return "1"
        case "share":
            condition = "" if metric.filter is None else compile_filter(metric.filter, columns)
            return f"coalesce({condition or 'true'}, false)"
        case "first" | "last":
            return columns.moment
    return columns.of(metric.field or "@timestamp")


def _number(at: int, metric: Metric, count: str) -> str:  # noqa: PLR0911 - one for each kind
    match metric.kind:
        case "count":
            return count
        case "sum":
            total = f"coalesce(sum(i{at}), 0)"
            return total if kind(metric.field or "") == "double" else f"CAST({total} AS BIGINT)"
        case "distinct" if has_several(metric.field or ""):
            return f"coalesce(len(list_distinct(flatten(list(i{at}) FILTER (i{at} IS NOT NULL)))), 0)"
        case "distinct":
            return f"count(DISTINCT i{at})"
        case "share":
            return f"{count.replace(')', f') FILTER (i{at})', 1)} / nullif({count}, 0)"
        case "first":
            return f"min(i{at})"
        case "last":
            return f"max(i{at})"


def period_conditions(period: Period | None, columns: Columns) -> list[str]:
    """The period, and the days that it touches: a store is divided by day."""
    if period is None:
        return []
    start, end = (moment.astimezone(UTC) for moment in period)
    times = [
        f'"@timestamp" >= TIMESTAMPTZ {literal(start.isoformat())}',
        f'"@timestamp" < TIMESTAMPTZ {literal(end.isoformat())}',
    ]
    days = [f"date BETWEEN DATE '{start:%Y-%m-%d}' AND DATE '{end:%Y-%m-%d}'"] if "date" in columns else []
    return [*days, *times]


def _plain(value: float | datetime) -> str:
    return str(int(value.timestamp() * 1000)) if isinstance(value, datetime) else str(value)


def _dates(step: Step) -> set[int]:
    kinds = ["date"] if step.bucket else []
    kinds += [kind(field) for field in step.fields]
    kinds += ["date" if metric.kind in ("first", "last") else "" for metric in step.metrics]
    return {at for at, one in enumerate(kinds) if one == "date"}


def _value(values: Sequence[Any], number: int | None) -> Any:
    return None if number is None else values[number]


def _date(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
