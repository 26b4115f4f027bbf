"""An alert rule as a query, for whoever can answer one: a store, or an Elasticsearch."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from vpcflow.query.model import Group, Having, Metric, Period, Query

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule

__all__ = ["to_query"]

_KINDS: dict[str, Literal["count", "sum", "distinct"]] = {
    "event_count": "count",
    "value_count": "distinct",
    "value_sum": "sum",
}


def to_query(rule: Rule, now: datetime, *, since: datetime | None = None) -> tuple[Query, Period]:
    """The query whose rows are what the rule has to say, and the flows that it is about.

    A threshold gives a row for each piece of time and group that reached it. A change gives a row for each
    group that is new or gone as of `now`, with the time of its first or last flow in the column ``period``.

    Args:
        rule: the rule.
        now: the end of the period, not included.
        since: where a threshold's period begins, and from when on something is new; by default one piece of
            time before `now`. What a change is compared with is the rule's own.
    """
    number = Metric(_KINDS[rule.kind], rule.value, rule.field)
    reached = Having(rule.value, rule.threshold[0], rule.threshold[1])  # type: ignore[arg-type] # one of four
    groups = tuple(Group(field) for field in rule.groups)
    span = timedelta(seconds=rule.timespan)
    if rule.change is None:
        query = Query(rule.filter, groups, rule.span, (number,), having=(reached,))
        return query, Period(since or now - span, now)
    if rule.change == "new":
        moment, changed = Metric("first", "period"), Having("period", ">=", since or now - span)
    else:
        moment, changed = Metric("last", "period"), Having("period", "<", now - span)
    query = Query(rule.filter, groups, None, (number, moment), having=(reached, changed))
    return query, Period(now - timedelta(seconds=rule.window), now)
