"""From a query to the columns of a Lens layer.

The shapes are those that Kibana 8.11 and later writes itself. A share is a formula, which Lens keeps together
with the columns that it is made of: ``X0``, ``X1`` the counts, ``X2`` their quotient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vpcflow.dashboards import LABELS
from vpcflow.errors import ConfigError
from vpcflow.query import kql
from vpcflow.query.fields import kind

if TYPE_CHECKING:
    from vpcflow.query.model import Group, Metric, Query

__all__ = ["Layer", "layer"]

#: The period before the one that is shown, as long as that.
PREVIOUS = "previous"

_RECORDS = "___records___"


@dataclass(slots=True)
class Layer:
    """Columns and which of them is what.

    Attributes:
        columns: Lens's, by id.
        time: the column of time, if there is one.
        groups: columns to group by, outermost first.
        metrics: columns with numbers, in the order of the query.
        before: the same of the period before, where asked for.
        parts: columns that formulas are made of.
    """

    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    time: str | None = None
    groups: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def order(self) -> list[str]:
        """Lens wants what groups first, time last among it, and then the numbers."""
        time = [self.time] if self.time else []
        return [*self.groups, *time, *self.metrics, *self.before, *self.parts]


def layer(query: Query, *, compare: str | None = None) -> Layer:
    """The columns that a query asks for.

    Args:
        query: of a panel.
        compare: ``previous`` adds each number for the period before, ``gone`` orders by the first of these.

    Raises:
        ConfigError: Lens can't show that.
    """
    made = Layer()
    for number, metric in enumerate(query.metrics):
        made.metrics.append(_metric(made, f"metric-{number}", metric, None))
        if compare:
            made.before.append(_metric(made, f"before-{number}", metric, PREVIOUS))
    if query.bucket is not None:
        made.time = "time"
        made.columns["time"] = _histogram(query.bucket)
    by, down = _order(query, made, compare)
    flat = [one for one in query.group_by if one.limit is None]
    nested = [one for one in query.group_by if one.limit is not None]
    if flat:
        made.groups.append("group-0")
        made.columns["group-0"] = _terms(flat, query.limit or 10, by, down=down)
    for one in nested:
        name = f"group-{len(made.groups)}"
        made.groups.append(name)
        made.columns[name] = _terms([one], one.limit or 10, by, down=down)
    return made


def _order(query: Query, made: Layer, compare: str | None) -> tuple[str, bool]:
    """The column that groups are ordered by, and whether the largest come first."""
    name = (query.order_by or f"-{query.metrics[0].name}").lstrip("-")
    down = query.order_by is None or query.order_by.startswith("-")
    names = [metric.name for metric in query.metrics]
    if name not in names:
        raise ConfigError(f"Lens orders groups by a number of the panel; {name} is none")
    place = names.index(name)
    if query.metrics[place].kind == "share" and query.group_by:
        raise ConfigError(f"Lens can't order groups by a share; order by another number than {name}")
    return (made.before if compare == "gone" else made.metrics)[place], down


def _metric(made: Layer, name: str, metric: Metric, shift: str | None) -> str:
    label = f"{_words(metric.name)} before" if shift else _words(metric.name)
    shifted = {"timeShift": shift} if shift else {}
    if metric.kind == "share":
        made.columns |= _share(made, name, metric, label, shift)
        return name
    column: dict[str, Any] = {
        "label": label,
        "customLabel": True,
        "dataType": "number",
        "isBucketed": False,
        "scale": "ratio",
        "operationType": {"count": "count", "sum": "sum", "distinct": "unique_count"}[metric.kind],
        "sourceField": metric.field or _RECORDS,
        "params": {"emptyAsNull": False},
        **shifted,
    }
    if metric.field and metric.field.endswith(".bytes") and metric.kind == "sum":
        column["params"]["format"] = {"id": "bytes", "params": {"decimals": 1}}
    made.columns[name] = column
    return name


def _share(made: Layer, name: str, metric: Metric, label: str, shift: str | None) -> dict[str, Any]:
    part, whole, math = (f"{name}X{number}" for number in range(3))
    made.parts += [part, whole, math]
    text = kql.compile_filter(metric.filter)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    shifted = f", shift='{shift}'" if shift else ""
    formula = f"count(kql='{quoted}'{shifted}) / count({shifted.removeprefix(', ')})"
    common = {
        "label": f"Part of {label}",
        "customLabel": True,
        "dataType": "number",
        "isBucketed": False,
        "scale": "ratio",
    }
    counted = {"operationType": "count", "sourceField": _RECORDS, "params": {"emptyAsNull": False}}
    counted |= {"timeShift": shift} if shift else {}
    ast = {
        "type": "function",
        "name": "divide",
        "args": [part, whole],
        "location": {"min": 0, "max": len(formula)},
        "text": formula,
    }
    return {
        name: {
            **common,
            "label": label,
            "operationType": "formula",
            "references": [math],
            "params": {
                "formula": formula,
                "isFormulaBroken": False,
                "format": {"id": "percent", "params": {"decimals": 1}},
            },
        },
        part: common | counted | {"filter": {"language": "kuery", "query": text}},
        whole: common | counted,
        math: common | {"operationType": "math", "references": [part, whole], "params": {"tinymathAst": ast}},
    }


def _histogram(bucket: str) -> dict[str, Any]:
    """The column of times."""
    return {
        "label": "@timestamp",
        "dataType": "date",
        "isBucketed": True,
        "scale": "interval",
        "operationType": "date_histogram",
        "sourceField": "@timestamp",
        "params": {"interval": bucket, "includeEmptyRows": True, "dropPartials": False},
    }


def _terms(groups: list[Group], size: int, by: str, *, down: bool) -> dict[str, Any]:
    first, *more = (one.field for one in groups)
    params: dict[str, Any] = {
        "size": size,
        "orderBy": {"type": "column", "columnId": by},
        "orderDirection": "desc" if down else "asc",
        "otherBucket": False,
        "missingBucket": False,
        "parentFormat": {"id": "multi_terms" if more else "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": False,
        "excludeIsRegex": False,
    }
    if more:
        params["secondaryFields"] = more
    return {
        "label": " and ".join(LABELS.get(one.field, one.field) for one in groups),
        "customLabel": True,
        "dataType": "string" if more else _data_type(first),
        "isBucketed": True,
        "scale": "ordinal",
        "operationType": "terms",
        "sourceField": first,
        "params": params,
    }


def _data_type(name: str) -> str:
    """Lens's word for a field's type."""
    return {"ip": "ip", "long": "number", "date": "date", "boolean": "boolean"}.get(kind(name), "string")


def _words(name: str) -> str:
    return name[:1].upper() + name[1:]
