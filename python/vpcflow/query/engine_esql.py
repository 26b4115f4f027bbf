"""Steps in ES|QL, from Elasticsearch 8.11 on.

It does without what came later: no ``WHERE`` within ``STATS``, no expression after ``BY``, no ``BUCKET``, no
``MV_CONTAINS``. Only to compare a field that has several values it needs ``MV_APPEND``, which 8.11 has not.
Run on 8.19 alone.
https://www.elastic.co/docs/reference/query-languages/esql
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vpcflow.query.answer import PRECISION, Engine, Step
from vpcflow.query.esql import compile_filter, name, text
from vpcflow.query.model import Metric

if TYPE_CHECKING:
    from vpcflow.elastic.reader import Reader

__all__ = ["compile_step", "engine"]


def engine(reader: Reader, index: str = "logs-aws.vpcflow-*") -> Engine:
    """Asks an Elasticsearch in ES|QL; an answer has at most 10,000 groups.

    Args:
        reader: of the server.
        index: data stream, or a pattern.
    """

    def ask(step: Step) -> list[tuple[Any, ...]]:
        return reader.query(compile_step(step, index)).rows

    return ask


def compile_step(step: Step, index: str, *, now: datetime | None = None) -> str:
    """The query; its columns are those of the step, in their order.

    Args:
        step: the grouping.
        index: data stream, or a pattern.
        now: makes times of `having` ones before the moment of asking, as long as they are before this: for
            whoever keeps the query and asks it again and again.
    """
    there = [field for field in step.fields if field not in step.absent]
    wheres = [compile_filter(step.filter), *(f"{name(field)} IS NOT NULL" for field in there)]
    if step.period is not None:
        start, end = (_time(moment) for moment in step.period)
        wheres += [f"@timestamp >= {start}", f"@timestamp < {end}"]
    shares = [
        f"part{at} = CASE({compile_filter(metric.filter) or 'true'}, 1, 0)"
        for at, metric in enumerate(step.metrics)
        if metric.kind == "share" and metric.filter is not None
    ]
    buckets = [f"bucket = DATE_TRUNC({step.bucket} seconds, @timestamp)"] if step.bucket else []
    keys = [*(["bucket"] if step.bucket else []), *map(name, step.fields)]
    numbers = [one for at, metric in enumerate(step.metrics) for one in _numbers(at, metric)]
    quotients = [
        f"n{at} = CASE(whole{at} > 0, TO_DOUBLE(n{at}) / whole{at}, null)"
        for at, metric in enumerate(step.metrics)
        if metric.kind == "share"
    ]
    sums = [f"n{at} = COALESCE(n{at}, 0)" for at, metric in enumerate(step.metrics) if metric.kind == "sum"]
    places = {metric.name: f"n{at}" for at, metric in enumerate(step.metrics)}
    commands = [f"FROM {index}", *(f"WHERE {where}" for where in wheres if where)]
    commands += [f"EVAL {', '.join(buckets + shares)}"] if buckets or shares else []
    commands += [f"STATS {', '.join(numbers)}" + (f" BY {', '.join(keys)}" if keys else "")]
    commands += [f"EVAL {', '.join(quotients + sums)}"] if quotients or sums else []
    commands += [f"WHERE {places[one.name]} {one.operator} {_value(one.value, now)}" for one in step.having]
    kept = [*keys, *places.values()]
    # ES|QL has no limit for each group of others.
    limit = step.limit if keys and not step.within else None
    if step.order is not None and limit is not None:
        by, down = step.order
        first = f"{places[by]} {'DESC' if down else 'ASC'} NULLS LAST"
        commands += [f"SORT {', '.join([first, *map(name, step.fields)])}"]
    commands += [f"LIMIT {limit}"] if limit is not None else []
    return "\n| ".join([*commands, f"KEEP {', '.join(kept)}"])


def _numbers(at: int, metric: Metric) -> list[str]:
    field = name(metric.field or "@timestamp")
    match metric.kind:
        case "count":
            return [f"n{at} = COUNT(*)"]
        case "sum":
            return [f"n{at} = SUM({field})"]
        case "distinct":
            return [f"n{at} = COUNT_DISTINCT({field}, {PRECISION})"]
        case "share":
            return [f"n{at} = SUM(part{at})", f"whole{at} = COUNT(*)"]
        case "first":
            return [f"n{at} = MIN({field})"]
        case "last":
            return [f"n{at} = MAX({field})"]


def _time(moment: datetime) -> str:
    return f"TO_DATETIME({text(moment.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3] + 'Z')})"


def _value(value: float | datetime, now: datetime | None) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return _time(value) if now is None else f"NOW() - {(now - value).total_seconds():.0f} seconds"
