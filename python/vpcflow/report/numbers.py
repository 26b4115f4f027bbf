"""What each panel of the dashboards shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from vpcflow.dashboards import Dashboard, Panel, Search
from vpcflow.query.answer import Engine, Step, answer
from vpcflow.query.model import Metric, Period

__all__ = ["LATEST", "Numbers", "Span", "latest", "numbers"]

#: Rows of a saved search.
LATEST = 100

_NO_PERIOD_BEFORE = (
    "It compares with the period before, and this report is over all flows there are. Give --last or --since."
)
_ONLY_KIBANA = "Only Kibana draws this: it is made of percentiles of a field that is computed as it is read."


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a report.

    Attributes:
        period: that of the report.
        before: the same length just before it, None when the report is over all flows.
        bucket: seconds of a piece of time.
    """

    period: Period
    before: Period | None
    bucket: int


@dataclass(slots=True)
class Numbers:
    """A panel and its numbers.

    Attributes:
        fields: what is grouped by, outermost first.
        metrics: the numbers' definitions.
        keys: the groups, by rank: the values of `fields`.
        points: for each group and, over time, each moment: the moment or None, the place of the group in
            `keys`, then the numbers.
        before: for each group its numbers in the period before, None where nothing is compared.
        note: why the panel has nothing, or what is different from Kibana's; empty for none.
    """

    panel: Panel
    fields: tuple[str, ...] = ()
    metrics: tuple[Metric, ...] = ()
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    points: list[tuple[Any, ...]] = field(default_factory=list)
    before: list[tuple[Any, ...]] | None = None
    note: str = ""

    @property
    def over_time(self) -> bool:
        return self.panel.query is not None and self.panel.query.bucket is not None


def numbers(panel: Panel, board: Dashboard, engine: Engine, span: Span) -> Numbers:
    """Asks what a panel shows.

    Raises:
        ConfigError, QueryError, SinkError: from the engine.
    """
    if panel.type == "search" and board.search is not None:
        return _search(panel, board.search, engine, span)
    if panel.query is None:
        return Numbers(panel, note=_ONLY_KIBANA)
    if panel.compare == "gone":
        return _gone(panel, engine, span)
    made = _numbers(panel, engine, span.period, span.bucket)
    if panel.compare and span.before:
        made.before = _before(made, engine, span.before)
    return made


def _numbers(panel: Panel, engine: Engine, period: Period, bucket: int) -> Numbers:
    if (query := panel.query) is None:
        raise TypeError(panel)
    query = replace(query, bucket=f"{bucket}s" if query.bucket else None)
    found = answer(query, engine, period).rows
    fields = tuple(group.field for group in query.group_by)
    made = Numbers(panel, fields, query.metrics)
    if not query.bucket:
        made.keys = [row[: len(fields)] for row in found]
        made.points = [(None, at, *row[len(fields) :]) for at, row in enumerate(found)]
        return made
    ends = 1 + len(fields)
    made.keys = _ranked(found, ends)
    places = {key: at for at, key in enumerate(made.keys)}
    made.points = [(row[0], places[row[1:ends]], *row[ends:]) for row in found]
    return made


def _ranked(rows: Sequence[tuple[Any, ...]], ends: int) -> list[tuple[Any, ...]]:
    """The groups of rows with a time, the largest first."""
    totals: dict[tuple[Any, ...], float] = {}
    for row in rows:
        totals[row[1:ends]] = totals.get(row[1:ends], 0) + (row[ends] or 0)
    return sorted(totals, key=lambda key: (-totals[key], str(key)))


def _before(made: Numbers, engine: Engine, before: Period) -> list[tuple[Any, ...]]:
    """The numbers of the same groups in another period."""
    if (query := made.panel.query) is None:
        raise TypeError(made.panel)
    count = len(made.fields)
    if count and not made.keys:
        return []
    narrowed = query.filter.narrowed(made.fields, made.keys) if count else query.filter
    step = Step(narrowed, before, made.fields, None, query.metrics)
    found = {row[:count]: row[count:] for row in engine(step)}
    nothing = tuple(None if metric.kind == "share" else 0 for metric in query.metrics)
    return [found.get(key, nothing) for key in made.keys]


def _gone(panel: Panel, engine: Engine, span: Span) -> Numbers:
    """What was there before, the most first, and what is left of it."""
    if span.before is None:
        return Numbers(panel, note=_NO_PERIOD_BEFORE)
    then = _numbers(panel, engine, span.before, span.bucket)
    now = _before(then, engine, span.period)
    then.before = [point[2:] for point in then.points]
    then.points = [(None, at, *values) for at, values in enumerate(now)]
    return then


def _search(panel: Panel, search: Search, engine: Engine, span: Span) -> Numbers:
    made = Numbers(replace(panel, title=search.title))
    made.fields, made.metrics, found = latest(search, engine, span)
    made.keys = [row[: len(made.fields)] for row in found]
    made.points = [(None, at, *row[len(made.fields) :]) for at, row in enumerate(found)]
    return made


def latest(
    search: Search, engine: Engine, span: Span
) -> tuple[tuple[str, ...], tuple[Metric, ...], list[tuple[Any, ...]]]:
    """The last flows of a saved search: fields, numbers, and rows, the newest first.

    Flows with equal columns are one row. Only as much of the period is asked as has enough of them.
    """
    sums = ("network.packets", "network.bytes")
    fields = tuple(column for column in search.columns if column not in sums)
    metrics = (
        Metric("last", "last"),
        Metric("count", "flows"),
        *(Metric("sum", one.rpartition(".")[2], one) for one in search.columns if one in sums),
    )
    order = ("last", True)
    pieces = span.bucket
    while True:
        start = max(
            span.period.start,
            datetime.fromtimestamp(span.period.end.timestamp() - pieces, span.period.end.tzinfo),
        )
        step = Step(
            search.query.filter,
            Period(start, span.period.end),
            fields,
            None,
            metrics,
            (),
            order,
            LATEST,
            frozenset(fields),
        )
        rows = engine(step)
        if len(rows) >= LATEST or start == span.period.start:
            newest = sorted(rows, key=lambda row: row[len(fields)], reverse=True)
            return fields, metrics, newest[:LATEST]
        pieces *= 8
