"""How often rules would have fired, over what is in a store or an Elasticsearch.

A threshold is asked of each day by itself, of the same pieces of time as a run asks. A change is asked once:
when each group was there, and from that when it was new, or gone. With owners, the flows of each and those of
nobody count by themselves, as in a run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from vpcflow.alerts.evaluate import ask, of_owners, piece_of, row_of
from vpcflow.alerts.notice import Row
from vpcflow.alerts.queries import to_query
from vpcflow.query.model import Period

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.query.answer import Engine

__all__ = ["Day", "backtest", "by_day"]


@dataclass(frozen=True, slots=True)
class Day:
    """What a rule would have said on one day, of one owner's flows.

    Attributes:
        day: in UTC.
        rule: the rule.
        owner: whose flows: `labels.owner`. None is those of nobody, or all where there are no owners.
        fired: how often a group reached the threshold in a piece of time.
        groups: how many groups did.
        messages: as many would have been sent, by the rule's throttle, by a run each piece of time.
        top: the groups that did so most often, and how often each.
    """

    day: date
    rule: Rule
    owner: str | None
    fired: int
    groups: int
    messages: int
    top: tuple[tuple[tuple[object, ...], int], ...]


def backtest(
    rules: Sequence[Rule],
    engine: Engine,
    period: Period,
    begins: Callable[[date], None] = lambda day: None,
    *,
    by_owner: bool = False,
) -> Iterator[tuple[Rule, dict[str | None, list[Row]]]]:
    """Each rule with every group that would have fired in each piece of time, by owner, in the order of time.

    Args:
        rules: what is watched for.
        engine: who is asked.
        period: when.
        begins: hears of each day that is asked about.
        by_owner: as of `vpcflow.alerts.evaluate.evaluate`. An owner without a row is left out.

    Raises:
        QueryError, ConfigError, SinkError: from the engine.
    """
    found: dict[str, dict[str | None, list[Row]]] = {rule.id: defaultdict(list) for rule in rules}
    for part in _days(period):
        begins(part.start.date())
        for rule in rules:
            if rule.change is None:
                for owner, rows in _pieces(
                    rule, engine, _whole(rule, part, period), by_owner=by_owner
                ).items():
                    found[rule.id][owner] += rows
    for rule in rules:
        if rule.change is not None:
            found[rule.id] = _changes(rule, engine, period, by_owner=by_owner)
        yield (
            rule,
            {
                owner: sorted(rows, key=lambda row: row.since)
                for owner, rows in found[rule.id].items()
                if rows
            },
        )


def by_day(rule: Rule, found: Mapping[str | None, Sequence[Row]], top: int = 3) -> list[Day]:
    """The days on which a rule would have fired, of each owner by themselves.

    Args:
        rule: the rule.
        found: of `backtest`.
        top: so many groups are named each day.
    """
    return [day for owner, rows in found.items() for day in _of_owner(rule, owner, rows, top)]


def _of_owner(rule: Rule, owner: str | None, rows: Sequence[Row], top: int) -> list[Day]:
    messages = _messages(rule, rows)
    days: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        days[row.since.astimezone(UTC).date()].append(row)
    found = []
    for day, several in days.items():
        times = Counter(row.groups for row in several)
        largest: dict[tuple[object, ...], float] = defaultdict(float)
        for row in several:
            largest[row.groups] = max(largest[row.groups], row.value)
        ranked = sorted(times.items(), key=lambda one: (-one[1], -largest[one[0]], str(one[0])))
        found.append(Day(day, rule, owner, len(several), len(times), messages[day], tuple(ranked[:top])))
    return found


def _messages(rule: Rule, rows: Sequence[Row]) -> Counter[date]:
    """A message is about all groups that are to be told at the end of a piece of time."""
    told: dict[tuple[object, ...], datetime] = {}
    moments: dict[datetime, None] = {}
    for row in rows:
        before = told.get(row.groups)
        if before is None or row.since - before >= timedelta(seconds=rule.quiet):
            told[row.groups] = row.since
            moments[row.since] = None
    return Counter(moment.astimezone(UTC).date() for moment in moments)


def _days(period: Period) -> Iterator[Period]:
    """The days in UTC that a period is made of."""
    start = period.start.astimezone(UTC)
    while start < period.end:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield Period(start, min(midnight, period.end))
        start = midnight


def _pieces(rule: Rule, engine: Engine, pieces: Period, *, by_owner: bool) -> dict[str | None, list[Row]]:
    if pieces.start >= pieces.end:
        return {}
    query, asked = to_query(rule, pieces.end, since=pieces.start)
    found = of_owners(query, lambda query: ask(engine, query, asked), by_owner=by_owner)
    return {owner: [row_of(rule, row) for row in rows] for owner, rows in found.items()}


def _whole(rule: Rule, part: Period, period: Period) -> Period:
    """The pieces of time that begin within a part, and the one in which the whole period begins."""
    span = timedelta(seconds=rule.timespan)
    start, end = (piece_of(rule, moment - timedelta(microseconds=1)) + span for moment in part)
    if part.start == period.start:
        start = piece_of(rule, part.start)
    return Period(start, part.end if part.end == period.end else end)


def _changes(rule: Rule, engine: Engine, period: Period, *, by_owner: bool) -> dict[str | None, list[Row]]:
    query, _ = to_query(rule, period.end)
    counted = replace(query, bucket=rule.span, metrics=query.metrics[:1], having=())
    whole = Period(piece_of(rule, period.start) - timedelta(seconds=rule.window), period.end)
    found = of_owners(counted, lambda query: ask(engine, query, whole), by_owner=by_owner)
    return {owner: _changed(rule, rows, period) for owner, rows in found.items()}


def _changed(rule: Rule, rows: Sequence[tuple[object, ...]], period: Period) -> list[Row]:
    """When groups were new, or gone: as a run at the end of each piece of time would have seen it."""
    span, window = timedelta(seconds=rule.timespan), timedelta(seconds=rule.window)
    start = piece_of(rule, period.start)
    there: dict[tuple[object, ...], list[tuple[datetime, float]]] = defaultdict(list)
    for begin, *groups, number in rows:
        there[tuple(groups)].append((begin, number))  # type: ignore[arg-type] # as the engine promises
    seen = _news if rule.change == "new" else _gone
    return [
        Row(groups, number, at)
        for groups, pieces in there.items()
        for at, number in seen(sorted(pieces), span, window, period.end)
        if at >= start and _reached(rule, number)
    ]


def _news(
    pieces: list[tuple[datetime, float]], span: timedelta, window: timedelta, end: datetime
) -> Iterator[tuple[datetime, float]]:
    """The pieces of time before which nothing was there for long."""
    before = None
    for at, number in pieces:
        if before is None or before < at + span - window:
            yield at, number
        before = at


def _gone(
    pieces: list[tuple[datetime, float]], span: timedelta, window: timedelta, end: datetime
) -> Iterator[tuple[datetime, float]]:
    """The first pieces of time in which nothing was there any more, with the number of the time before."""
    for place, (at, _) in enumerate(pieces):
        silent = at + span
        later = pieces[place + 1][0] if place + 1 < len(pieces) else None
        if (later is None or later > silent) and silent + span <= end:
            yield (
                silent,
                sum(number for when, number in pieces[: place + 1] if when >= silent + span - window),
            )


def _reached(rule: Rule, number: float) -> bool:
    operator, threshold = rule.threshold
    return {
        ">": number > threshold,
        ">=": number >= threshold,
        "<": number < threshold,
        "<=": number <= threshold,
    }[operator]
