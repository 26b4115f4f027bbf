"""From a store or an Elasticsearch to a report."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vpcflow.dashboards import Dashboard, Panel, load
from vpcflow.errors import ConfigError
from vpcflow.query.answer import Engine, Step
from vpcflow.query.condensed import Need, condense, copied, read_ahead
from vpcflow.query.fields import has_several, kind
from vpcflow.query.filters import Filter
from vpcflow.query.flows import open_flows
from vpcflow.query.model import Metric, Period, Query
from vpcflow.query.threads import threads
from vpcflow.report.cubes import DIMENSIONS, Cube, Values, cubes, values
from vpcflow.report.numbers import Numbers, Span, numbers

__all__ = ["Board", "Report", "build", "dashboards"]

#: Pieces of time that a report has at most, and how long they can be.
_PIECES = 60
_LENGTHS = (60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000)

_TIMELINE = Panel(
    "Flows over time",
    "bar",
    "all",
    (0, 0, 48, 4),
    Query.parse({"bucket": "auto", "metrics": [{"count": "flows"}]}),
)

#: Up to so many flows of a store are copied into memory as they are.
_FEW = 1_000_000
_MINUTE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: what its panels show, and for each panel its cubes."""

    dashboard: Dashboard
    panels: list[Numbers]
    cubes: list[list[Cube]]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is shown.

    Attributes:
        source: whom was asked, without credentials.
        whole: whether it is over all flows that there are.
        flows: records in the period.
        timeline: how many flows there are in each piece of time.
    """

    source: str
    span: Span
    whole: bool
    flows: int
    values: list[Values]
    timeline: Numbers
    timeline_cubes: list[Cube]
    boards: list[Board]


def dashboards(names: Sequence[str] = ()) -> list[Dashboard]:
    """The dashboards that ship, or those of them that are named; the overview comes first.

    Raises:
        ConfigError: there is none of that name.
    """
    from vpcflow.kibana.assets import folder

    paths = {path.stem: path for path in sorted((folder() / "dashboards").glob("*.yml"))}
    for name in names:
        if name not in paths:
            close = difflib.get_close_matches(name, paths, 1)
            meant = f"did you mean {close[0]}? " if close else ""
            raise ConfigError(f"there is no dashboard {name}; {meant}there are {', '.join(paths)}")
    order = dict.fromkeys(names or ("overview", "traffic", "security-groups", "threats", "health", *paths))
    return [load(paths[name]) for name in order if name in paths]


def build(
    target: str | os.PathLike[str],
    boards: Sequence[Dashboard],
    *,
    period: Period | None = None,
    with_cubes: bool = True,
    namespace: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Report:
    """Asks for all that the dashboards show.

    Args:
        target: folder of a Parquet store, or Elasticsearch's URL.
        boards: what to show.
        period: of the flows; None is all of them.
        with_cubes: whether a reader can filter.
        namespace: of the data stream in Elasticsearch; None is all of them.
        ca: file with the certificates to trust for Elasticsearch.
        told: called after each panel with how many are done, and how many there are.

    Raises:
        ConfigError: there is no store or nothing in it or in the period, or the URL or credentials won't do.
        QueryError, SinkError: from whom is asked.
    """
    with open_flows(target, namespace=namespace, ca=ca) as flows:
        span, total = _span(flows, period, _public(target))
        if total <= _FEW:
            whole = Period((span.before or span.period).start, span.period.end)
            engine = copied(flows, _fields(boards), whole)
        else:
            engine = _read_ahead(flows, boards, span)
        chosen = values(engine, span.period)
        made = _boards(boards, engine, span, chosen if with_cubes else None, told)
        timeline = numbers(_TIMELINE, boards[0], engine, span)
        _say_what_lacks([one for board in made for one in board.panels], engine, span)
        return Report(
            source=_public(target),
            span=span,
            whole=period is None,
            flows=sum(point[2] for point in timeline.points),
            values=chosen,
            timeline=timeline,
            timeline_cubes=cubes(timeline, engine, span, chosen) if with_cubes else [],
            boards=made,
        )


def _boards(
    boards: Sequence[Dashboard],
    engine: Engine,
    span: Span,
    chosen: Sequence[Values] | None,
    told: Callable[[int, int], None] | None,
) -> list[Board]:
    """What the dashboards show. Two panels at a time: while one is counted, another is put in order."""

    def ask(board: Dashboard, panel: Panel) -> tuple[Numbers, list[Cube]]:
        made = numbers(panel, board, engine, span)
        return made, cubes(made, engine, span, chosen) if chosen else []

    # In the order in which people read.
    panels = [
        (board, panel) for board in boards for panel in sorted(board.panels, key=lambda one: one.place[1::-1])
    ]
    found: dict[str, list[tuple[Numbers, list[Cube]]]] = {board.name: [] for board in boards}
    with threads(2) as pool:
        asked = [(board, pool.submit(ask, board, panel)) for board, panel in panels]
        for done, (board, one) in enumerate(asked, 1):
            found[board.name].append(one.result())
            if told:
                told(done, len(asked))
    return [
        Board(board, [made for made, _ in found[board.name]], [cubes for _, cubes in found[board.name]])
        for board in boards
    ]


def _span(engine: Engine, period: Period | None, where: str) -> tuple[Span, int]:
    """The time of the report, and how many flows there are at any time."""
    ends = (Metric("first", "first"), Metric("last", "last"), Metric("count", "n"))
    ((first, last, total),) = engine(Step(Filter(), None, (), None, ends)) or [(None, None, 0)]
    if first is None:
        raise ConfigError(f"{where}: there are no flows; bring some with: vpcflow index SOURCE --to {where}")
    if period is None:
        bucket = _bucket(last.timestamp() - first.timestamp())
        start, end = (int(moment.timestamp()) // bucket * bucket for moment in (first, last))
        whole = Period(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end + bucket, UTC))
        return Span(whole, None, bucket), total
    if last < period.start or first >= period.end:
        raise ConfigError(
            f"{where}: there are no flows from {period.start:{_MINUTE}} to {period.end:{_MINUTE}} UTC;"
            f" those there are go from {first:{_MINUTE}} to {last:{_MINUTE}}"
        )
    length = period.end - period.start
    before = Period(period.start - length, period.start)
    return Span(period, before, _bucket(length.total_seconds())), total


def _fields(boards: Iterable[Dashboard]) -> set[str]:
    """Every field that a report asks for."""
    queries = [panel.query for board in boards for panel in board.panels if panel.query]
    searches = [board.search for board in boards if board.search]
    fields = {field for query in queries for field in query.fields()} | set(DIMENSIONS.values())
    return fields.union(*(one.columns for one in searches), *(one.query.fields() for one in searches))


def _bucket(seconds: float) -> int:
    return next((one for one in _LENGTHS if seconds / one <= _PIECES), _LENGTHS[-1])


def _read_ahead(engine: Engine, boards: Iterable[Dashboard], span: Span) -> Engine:
    """Tables in place of a large store: of its flows, and of those fields that go well together.

    The files of lines that can't be read are left out: of them the store itself has few.
    """
    asked = [(panel, panel.query) for board in boards for panel in board.panels if panel.query]
    few = [query for _, query in asked if not any(map(_many, query.fields()))]
    many = [query for _, query in asked if query not in few and "log.file.path" not in query.fields()]
    dimensions = frozenset(DIMENSIONS.values())

    def need(queries: Sequence[Query], period: Period, bucket: int | None = span.bucket) -> Need:
        fields = frozenset(field for query in queries for field in query.fields() if not has_several(field))
        sums = _sums(queries)
        return Need(Filter(), (fields - sums) | dimensions, sums, period, bucket)

    before = [query for panel, query in asked if panel.compare and query in few]
    if span.before and before:
        engine = read_ahead(engine, need(before, span.before), grouped=True)
    engine = read_ahead(engine, need([*few, *many], span.period))
    engine = condense(engine, need(few, span.period))
    hosts = [query for query in many if not query.bucket and not any(map(_is_port, query.fields()))]
    engine = condense(engine, need(hosts, span.period, None))
    for condition in dict.fromkeys(query.filter for query in many if query.filter.tree):
        # Of a filter that all of them have no field is needed.
        alike = [replace(query, filter=Filter()) for query in many if query.filter == condition]
        if len(alike) > 1:
            engine = condense(engine, replace(need(alike, span.period), filter=condition))
    return engine


def _many(field: str) -> bool:
    return kind(field) == "ip" or _is_port(field) or field == "log.file.path"


def _is_port(field: str) -> bool:
    return field.endswith(".port")


def _sums(queries: Iterable[Query]) -> frozenset[str]:
    metrics = (metric for query in queries for metric in query.metrics)
    return frozenset(metric.field for metric in metrics if metric.kind == "sum" and metric.field)


def _say_what_lacks(panels: Sequence[Numbers], engine: Engine, span: Span) -> None:
    """Words in place of an empty panel: which field no flow has, and what would bring it."""
    from vpcflow.kibana.build.needs import needs

    empty = [one for one in panels if one.panel.query and not one.note and _is_empty(one)]
    # What every flow log has is not asked for: it takes another reading of the store.
    asked = dict.fromkeys(field for one in empty for field in _asked(one.panel))
    fields = [field for field in asked if not _many(field) or needs([field])]
    # One by one: none of the tables that were read ahead has all of them.
    exists = [Metric("share", field, filter=Filter({f"{field}|exists": True})) for field in fields]
    lacking = {one.name for one in exists if not engine(Step(Filter(), span.period, (), None, (one,)))[0][0]}
    for one in empty:
        if missing := [field for field in _asked(one.panel) if field in lacking]:
            wanted = needs(missing)
            one.note = f"No flow here has {' or '.join(missing)}."
            one.note = f"Needs {', '.join(wanted)}." if wanted else one.note
        elif one.fields:
            one.note = "Nothing like that in this time."


def _is_empty(one: Numbers) -> bool:
    return not any(number for point in one.points for number in point[2:])


def _asked(panel: Panel) -> list[str]:
    return panel.query.fields() if panel.query else []


def _public(target: str | os.PathLike[str]) -> str:
    text = os.fspath(target)
    if "://" not in text:
        return text
    from vpcflow.elastic.client import public_url

    return public_url(text)
