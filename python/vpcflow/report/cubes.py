"""The numbers by what a reader can filter by, so that a page without a server can add them up again.

A cube has the numbers of a panel's groups for each combination of some of account, VPC, interface, action,
direction and time. Which combinations a panel has is a matter of how many there are: all of them, else
without time, else without interfaces, and so on. What is in no cube, the page says, and does not guess.
Different values can't be added up, so they are in no cube.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from vpcflow.query.answer import Engine, Step
from vpcflow.query.condensed import Need, condense
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period
from vpcflow.report.numbers import Numbers, Span

__all__ = ["CELLS", "DIMENSIONS", "Cube", "Values", "cubes", "values"]

#: What can be filtered by, beside time.
DIMENSIONS = {
    "account": "cloud.account.id",
    "vpc": "aws.vpcflow.vpc_id",
    "interface": "aws.vpcflow.interface_id",
    "action": "aws.vpcflow.action",
    "direction": "network.direction",
}

#: Cells that a cube has at most.
CELLS = 6_000
#: Values of a filter that a reader can choose from, those with the most flows.
_LISTED = 200

#: What a panel's cubes are by: the first that is small enough, and those after it that add something.
_PLANS = (
    ("account", "vpc", "interface", "action", "direction", "time"),
    ("account", "vpc", "interface", "action", "direction"),
    ("account", "vpc", "action", "direction", "time"),
    ("action", "direction", "time"),
    ("account", "vpc", "action", "direction"),
    ("action", "direction"),
)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one filter.

    Attributes:
        name: a key of `DIMENSIONS`.
        values: the ones with the most flows first; None stands for records without the field.
        more: whether there are others.
    """

    name: str
    values: tuple[str | None, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Cube:
    """Cells, column by column.

    Attributes:
        by: what there are columns for: names of `DIMENSIONS`, ``time``.
        columns: the place of the group, for each of `by` the place of the value (-1 for one that is not
            listed; the number of the piece of time), the numbers as `added` has them, the flows.
    """

    by: tuple[str, ...]
    columns: list[list[int | float]]


def values(engine: Engine, period: Period) -> list[Values]:
    """What a reader can choose from, of each filter whose field the flows have."""
    found = []
    for name, field in DIMENSIONS.items():
        step = Step(
            Filter(),
            period,
            (field,),
            None,
            (Metric("count", "n"),),
            (),
            ("n", True),
            _LISTED + 2,
            frozenset([field]),
        )
        rows = sorted(engine(step), key=lambda row: (-row[1], str(row[0])))
        if any(row[0] is not None for row in rows):
            listed = tuple(row[0] for row in rows[:_LISTED])
            found.append(Values(name, listed, len(rows) > _LISTED))
    return found


def added(metrics: Sequence[Metric]) -> list[Metric]:
    """The numbers that can be added up; of a share, the flows that it is the share of."""
    return [metric for metric in metrics if metric.kind in ("count", "sum", "share")]


def cubes(made: Numbers, engine: Engine, span: Span, chosen: Sequence[Values]) -> list[Cube]:
    """The cubes of a panel; none if nothing in it can be added up, or there is nothing."""
    if made.panel.query is None or not made.keys or not added(made.metrics):
        return []
    there = {one.name for one in chosen} | {"time"}

    @functools.cache
    def rows(by: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
        nonlocal engine
        step = _step(made, span, by)
        sums = frozenset(metric.field for metric in step.metrics if metric.kind == "sum" and metric.field)
        fields = frozenset([*step.fields, *_shared(step.metrics)])
        engine = condense(engine, Need(step.filter, fields, sums, span.period, step.bucket))
        found = engine(step)
        return found if len(found) <= CELLS else None

    taken: list[Cube] = []
    for by in dict.fromkeys(tuple(name for name in plan if name in there) for plan in _PLANS):
        if any(set(by) <= set(cube.by) for cube in taken) or (made.over_time and "time" not in by):
            continue
        # With time there are as many cells as without, or more, and they take longer to count.
        without = tuple(name for name in by if name != "time")
        if rows(without) is not None and (found := rows(by)) is not None:
            taken.append(_cells(made, _step(made, span, by), found, by, chosen))
    return taken


def _shared(metrics: Sequence[Metric]) -> list[str]:
    """What shares are of."""
    return [field for metric in metrics if metric.filter is not None for field in metric.filter.fields()]


def _step(made: Numbers, span: Span, by: tuple[str, ...]) -> Step:
    if made.panel.query is None:
        raise TypeError(made.panel)
    dimensions = tuple(DIMENSIONS[name] for name in by if name != "time")
    condition = made.panel.query.filter
    for at, field in enumerate(made.fields):
        one_each = dict.fromkeys(key[at] for key in made.keys)
        condition = condition.narrowed((field,), [(value,) for value in one_each])
    return Step(
        condition,
        span.period,
        tuple(dict.fromkeys([*made.fields, *dimensions])),  # a field can be a group and a filter at once
        span.bucket if "time" in by else None,
        (*added(made.metrics), Metric("count", "#")),
        (),
        None,
        CELLS + 1,
        frozenset(dimensions) - frozenset(made.fields),
    )


def _cells(
    made: Numbers, step: Step, rows: Sequence[tuple[Any, ...]], by: tuple[str, ...], chosen: Sequence[Values]
) -> Cube:
    names = [*(["time"] if step.bucket else []), *step.fields]
    found = dict(zip(names, zip(*rows, strict=True), strict=False)) if rows else dict.fromkeys(names, ())
    groups = {key: at for at, key in enumerate(made.keys)}
    keys = (
        zip(*(found[field] for field in made.fields), strict=True) if made.fields else repeat((), len(rows))
    )
    columns = [[groups.get(key, -1) for key in keys]]
    for name in by:
        if name == "time" and step.bucket and step.period:
            first = int(step.period.start.timestamp()) // step.bucket
            columns.append([int(time.timestamp()) // step.bucket - first for time in found["time"]])
        else:
            listed = next(one.values for one in chosen if one.name == name)
            places = {value: at for at, value in enumerate(listed)}
            columns.append([places.get(value, -1) for value in found[DIMENSIONS[name]]])
    cells: dict[tuple[int, ...], list[int | float]] = {}
    for cell, row in zip(zip(*columns, strict=True), rows, strict=True):
        if cell[0] < 0:
            continue
        summed = _summed(row[len(names) :], step.metrics)
        if (before := cells.setdefault(cell, summed)) is not summed:
            cells[cell] = [one + other for one, other in zip(before, summed, strict=True)]
    # Neighbours that are alike pack well.
    ordered = sorted(cells.items())
    wide = 1 + len(by) + len(step.metrics)
    packed = zip(*((*cell, *sums) for cell, sums in ordered), strict=True)
    return Cube(by, [list(column) for column in packed] or [[] for _ in range(wide)])


def _summed(found: Sequence[Any], metrics: Sequence[Metric]) -> list[int | float]:
    """What of a row can be added up: of a share the flows that are in it. The last number is all flows."""
    flows = found[-1]
    return [
        round((number or 0) * flows) if metric.kind == "share" else number
        for metric, number in zip(metrics, found, strict=True)
    ]
