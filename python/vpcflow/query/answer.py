"""Asks a query of whoever can group and count, and puts the rows in order: the same rows from everyone.

An engine takes a `Step`, one grouping in one request, and returns its rows: `vpcflow.query.engine_sql`,
`engine_esql` and `engine_dsl` make such engines. What a query wants beyond that is done here: groups within
groups, time buckets of the largest groups only, and the order of equals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from vpcflow.query.fields import kind
from vpcflow.query.filters import Filter
from vpcflow.query.model import Group, Having, Metric, Period, Query

__all__ = ["PRECISION", "Answer", "Engine", "Step", "answer", "comparable", "seconds"]

#: The most that Elasticsearch takes: up to as many different values are counted, above that estimated. Hashes
#: of two may be the same: 20,000 ports are 19,999 there.
PRECISION = 40_000

#: As many buckets as ``auto`` gives at most.
_BUCKETS = 120
_AUTO = ("1m", "5m", "10m", "30m", "1h", "3h", "12h", "1d", "7d", "30d")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Step:
    """One grouping.

    Attributes:
        fields: to group by; documents that lack one are left out, unless it is in `absent`.
        bucket: seconds of a time bucket, None for no buckets.
        order: name of a number, and whether the largest come first. An engine that can't cut may ignore
            `order` and `limit`.
        limit: so many rows, any of them if there is no `order`.
        within: so many of `fields`, the first, for each group of which `limit` is; 0 is for all rows.
        absent: fields, none with several values, whose documents without it are a group of their own, None.
    """

    filter: Filter
    period: Period | None
    fields: tuple[str, ...]
    bucket: int | None
    metrics: tuple[Metric, ...]
    having: tuple[Having, ...] = ()
    order: tuple[str, bool] | None = None
    limit: int | None = None
    absent: frozenset[str] = frozenset()
    within: int = 0

    def needs(self) -> set[str]:
        """Every field that is needed for an answer."""
        names = {*self.fields, *self.filter.fields()}
        for metric in self.metrics:
            names |= {metric.field} if metric.field else set()
            names |= set(metric.filter.fields()) if metric.filter is not None else set()
        return names


#: Rows of a step, in any order: start of the bucket if there are buckets, values of the fields, numbers.
#: Times are datetime in UTC, addresses and keywords str, numbers int, shares float or None.
Engine = Callable[[Step], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns and rows.

    Attributes:
        columns: ``@timestamp`` if there are buckets, the fields of the groups, the numbers' names.
        rows: as of `Engine`; by time if there are buckets, else by rank.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]


def answer(query: Query, engine: Engine, period: Period | None = None) -> Answer:
    """The answer to a query.

    Args:
        query: what is asked.
        engine: who is asked.
        period: of the flows, by ``@timestamp``; all of them by default.

    Raises:
        QueryError, ConfigError, SinkError: from the engine.
    """
    length = seconds(query.bucket, period) if query.bucket else None
    fields = tuple(group.field for group in query.group_by)
    columns = [*(["@timestamp"] if length else []), *fields, *(metric.name for metric in query.metrics)]
    levels = _levels(query)
    cut = any(limit is not None for _, limit in levels)
    ranked = _ranked(query, levels, period, engine, last=length is None) if cut or length is None else []
    if length is None:
        return Answer(columns, ranked)
    narrowed, keys = query.filter, [row[: len(fields)] for row in ranked]
    if cut:
        if not keys:
            return Answer(columns, [])
        narrowed = query.filter.narrowed(fields, keys)
    rows = engine(Step(narrowed, period, fields, length, query.metrics, query.having))
    if cut:
        rank = {key: place for place, key in enumerate(keys)}
        rows = [row for row in rows if row[1 : 1 + len(fields)] in rank]
        return Answer(columns, sorted(rows, key=lambda row: (row[0], rank[row[1 : 1 + len(fields)]])))
    return Answer(columns, sorted(rows, key=lambda row: (row[0], _by_value(fields, row[1:]))))


def seconds(bucket: str, period: Period | None) -> int:
    """The length of a time bucket."""
    if bucket != "auto":
        return int(bucket[:-1]) * _UNITS[bucket[-1]]
    whole = (period.end - period.start).total_seconds() if period else 86400.0
    lengths = [int(one[:-1]) * _UNITS[one[-1]] for one in _AUTO]
    return next((one for one in lengths if whole / one <= _BUCKETS), lengths[-1])


def _levels(query: Query) -> list[tuple[tuple[Group, ...], int | None]]:
    """The fields that are ranked together, and how many of their groups stay within each one before."""
    flat = tuple(group for group in query.group_by if group.limit is None)
    nested = [((group,), group.limit) for group in query.group_by if group.limit is not None]
    return [*([(flat, query.limit)] if flat or not nested else []), *nested]


def _ranked(
    query: Query,
    levels: list[tuple[tuple[Group, ...], int | None]],
    period: Period | None,
    engine: Engine,
    *,
    last: bool,
) -> list[tuple[Any, ...]]:
    """The groups that stay, in their order; with all numbers if this is the last that is asked."""
    name = (query.order_by or f"-{query.metrics[0].name}").removeprefix("-")
    down = query.order_by is None or query.order_by.startswith("-")
    by = next(metric for metric in query.metrics if metric.name == name)
    fields: tuple[str, ...] = ()
    kept: list[tuple[Any, ...]] = [()]
    narrowed = query.filter
    for depth, (groups, limit) in enumerate(levels):
        before, fields = len(fields), fields + tuple(group.field for group in groups)
        final = last and depth == len(levels) - 1
        metrics = query.metrics if final else (by,)
        step = Step(
            narrowed,
            period,
            fields,
            None,
            metrics,
            query.having if final else (),
            (name, down),
            limit,
            within=before,
        )
        column = len(fields) + metrics.index(by)
        rows = sorted(engine(step), key=lambda row: (_rank(row[column], down), _by_value(fields, row)))
        kept = [row for prefix in kept for row in _first(rows, prefix[:before], limit)]
        if not kept:
            return []
        if limit is not None and depth < len(levels) - 1:
            narrowed = query.filter.narrowed(fields, [row[: len(fields)] for row in kept])
    order = tuple(group.field for group in query.group_by)
    return [_in_order(row, fields, order) for row in kept]


def _first(rows: list[tuple[Any, ...]], prefix: tuple[Any, ...], limit: int | None) -> list[tuple[Any, ...]]:
    return [row for row in rows if row[: len(prefix)] == prefix][:limit]


def _in_order(row: tuple[Any, ...], fields: Sequence[str], order: Sequence[str]) -> tuple[Any, ...]:
    """The row with its groups as the query names them: those that are ranked together come first here."""
    values = dict(zip(fields, row, strict=False))
    return (*(values[field] for field in order), *row[len(fields) :])


def _rank(number: Any, down: bool) -> tuple[bool, Any]:
    if number is None:
        return (True, 0)
    value = number if isinstance(number, int | float) else number.timestamp()
    return (False, -value if down else value)


def _by_value(fields: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(comparable(field, value) for field, value in zip(fields, values, strict=False))


def comparable(field: str, value: Any) -> Any:
    """What sorts as the values of a field: addresses go by bits, as Elasticsearch has them, IPv4 as IPv6."""
    if kind(field) != "ip":
        return value
    address = ip_address(value)
    return int(address) + (0xFFFF << 32 if address.version == 4 else 0)
