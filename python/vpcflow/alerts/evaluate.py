"""What a rule has to say, of a store or an Elasticsearch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from vpcflow.alerts.notice import Row
from vpcflow.alerts.queries import to_query
from vpcflow.alerts.rules import LATE, Rule
from vpcflow.errors import QueryError
from vpcflow.query.answer import Engine, Step, seconds
from vpcflow.query.filters import Filter
from vpcflow.query.model import Group, Metric, Period, Query

__all__ = [
    "ask",
    "evaluate",
    "fields",
    "history",
    "lacking",
    "looks_back",
    "newest",
    "of_owners",
    "piece_of",
    "row_of",
]

# Whose job a flow is, as the run that indexed it wrote it.
_OWNER = "labels.owner"

#: Rows that are asked for at first: ES|QL ranks so many. Who has more to say is asked for all.
_FIRST = 9_999

#: So many groups are looked for by name in the time before.
_FEW = 100

_DAY = timedelta(days=1)

#: Pieces of time of a chart.
_CHART = 24


def looks_back(rule: Rule, last: datetime) -> datetime:
    """Where the time to look at begins when it was looked at `last`.

    What had not come by then is seen now, and each piece of time is counted whole.
    """
    return piece_of(rule, last - timedelta(seconds=LATE))


def piece_of(rule: Rule, moment: datetime) -> datetime:
    """The begin of the piece of time that a moment is in."""
    at = int(moment.timestamp())
    return datetime.fromtimestamp(at - at % rule.timespan, UTC)


def evaluate(
    rule: Rule, engine: Engine, now: datetime, since: datetime, *, by_owner: bool
) -> dict[str | None, list[Row]]:
    """The groups that a rule has something to say of, each with each piece of time, by owner.

    Args:
        rule: the rule.
        engine: who is asked.
        now: the end of the time that is looked at, not included.
        since: where it begins, and from when on something is new.
        by_owner: count the flows of each owner, and those of nobody, by themselves, as Kibana's rules do.
            Else all flows count together, under None.

    Raises:
        QueryError, ConfigError, SinkError: from the engine.
    """
    query, period = to_query(rule, now, since=since)

    def find(query: Query) -> list[tuple[object, ...]]:
        return _news(engine, query, period, since) if rule.change == "new" else ask(engine, query, period)

    found = of_owners(query, find, by_owner=by_owner)
    return {owner: [row_of(rule, row) for row in rows] for owner, rows in found.items()}


def of_owners(
    query: Query, find: Callable[[Query], list[tuple[object, ...]]], *, by_owner: bool
) -> dict[str | None, list[tuple[object, ...]]]:
    """The rows of a query by owner; under None those of flows that nobody owns, or of all flows.

    Args:
        query: what is asked of all flows.
        find: asks it.
        by_owner: as of `evaluate`.
    """
    if not by_owner:
        return {None: find(query)}
    # Two questions, however many owners there are: flows without an owner are in no group of owners.
    found: dict[str | None, list[tuple[object, ...]]] = defaultdict(list)
    found[None] = find(replace(query, filter=query.filter.narrowed([_OWNER], [(None,)])))
    at = 0 if query.bucket is None else 1
    for row in find(replace(query, group_by=(Group(_OWNER), *query.group_by))):
        found[str(row[at])].append((*row[:at], *row[at + 1 :]))
    return found


def _news(engine: Engine, query: Query, period: Period, since: datetime) -> list[tuple[object, ...]]:
    """What is there since then, and was not before.

    The same as to ask for all that was there in the whole period; but most of what is there today was there
    yesterday, and the days before are asked for the rest alone.
    """
    recent = Period(since, period.end)
    rows = ask(engine, replace(query, having=query.having[:1]), recent)
    fields = [group.field for group in query.group_by]
    end = since
    for days in (1, 7, None):
        if len(rows) > _FEW:
            return ask(engine, query, period)
        start = period.start if days is None else max(period.start, since - days * _DAY)
        if not rows or start >= end:
            continue
        before = Period(start, end)
        narrowed = (
            query.filter.narrowed(fields, [row[: len(fields)] for row in rows]) if fields else query.filter
        )
        counted = replace(query, filter=narrowed, metrics=query.metrics[:1], having=())
        known = {row[: len(fields)] for row in ask(engine, counted, before)}
        rows = [row for row in rows if row[: len(fields)] not in known]
        end = start
    return rows


def ask(engine: Engine, query: Query, period: Period) -> list[tuple[object, ...]]:
    """The rows of a query in which no group has a limit, in any order.

    Args:
        engine: who is asked.
        query: what is asked.
        period: of the flows.
    """
    groups = tuple(group.field for group in query.group_by)
    bucket = seconds(query.bucket, period) if query.bucket else None
    order = (query.metrics[0].name, True)
    step = Step(query.filter, period, groups, bucket, query.metrics, query.having, order, _FIRST)
    try:
        rows = engine(step)
    except QueryError:
        # ES|QL knows no fields and indices that are not there; the query DSL takes them for empty.
        rows = engine(replace(step, order=None, limit=None))
    if len(rows) >= _FIRST:
        rows = engine(replace(step, order=None, limit=None))
    return rows


def history(
    rule: Rule, engine: Engine, owner: str | None, rows: Iterable[Row], now: datetime, *, by_owner: bool
) -> tuple[tuple[datetime, float], ...]:
    """The number of some groups together in the last pieces of time, oldest first; of a change nothing."""
    if rule.change is not None:
        return ()
    query, _ = to_query(rule, now)
    narrowed = rule.filter
    if rule.groups:
        narrowed = narrowed.narrowed(rule.groups, [row.groups for row in rows])
    if by_owner:
        narrowed = narrowed.narrowed([_OWNER], [(owner,)])
    start = piece_of(rule, now) - timedelta(seconds=rule.timespan * (_CHART - 1))
    pieces = {
        start + timedelta(seconds=rule.timespan * number): 0.0 for number in range(_CHART)
    }  # those in which nothing was are zero
    period = Period(start, now)
    total = replace(query, filter=narrowed, group_by=(), having=())
    for begin, number in ask(engine, total, period):
        pieces[begin] = float(number)  # type: ignore[index,arg-type] # of a query with buckets and one number
    return tuple(pieces.items())


def lacking(engine: Engine, names: Sequence[str], period: Period | None = None) -> set[str] | None:
    """Those of some fields that no flow has, of a period or at all; None when there are no flows."""
    metrics = [
        Metric("share", f"has{at}", filter=Filter({f"{name}|exists": True})) for at, name in enumerate(names)
    ]
    every = Step(Filter(), period, (), None, (Metric("count", "flows"), *metrics))
    rows = engine(every)
    if not rows or not rows[0][0]:
        return None
    return {name for name, share in zip(names, rows[0][1:], strict=True) if not share}


def newest(engine: Engine, period: Period | None = None) -> datetime | None:
    """When the last flow of a period, or of all, ended; None when there is none."""
    rows = engine(Step(Filter(), period, (), None, (Metric("last", "last"),)))
    return rows[0][0] if rows else None


def fields(rule: Rule) -> list[str]:
    """What a rule asks for, each once."""
    counted = [rule.field] if rule.field else []
    return list(dict.fromkeys([*rule.filter.fields(), *rule.groups, *counted]))


def row_of(rule: Rule, row: Sequence[object]) -> Row:
    """A row of the engine: of a threshold (piece, groups, number), of a change (groups, number, moment)."""
    if rule.change is None:
        since, *groups, value = row
    else:
        *groups, value, since = row
    return Row(tuple(groups), value, since)  # type: ignore[arg-type] # as the engine promises
