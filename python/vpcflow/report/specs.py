"""Panels as Vega-Lite charts.

Their data have the name ``rows``: k the group, v the number, t and u the begin and the end of a piece of time
(in milliseconds), x and y the groups of a heatmap; time, part and shown are for reading.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from vpcflow.dashboards import LABELS
from vpcflow.query.model import Metric
from vpcflow.report.numbers import Numbers, Span

__all__ = [
    "COLOURS",
    "DRAWN",
    "chart_rows",
    "coloured",
    "config",
    "cut",
    "label",
    "spec",
    "text",
    "unit",
    "words",
]

#: Types of panels that are charts; the others are numbers and tables.
DRAWN = ("line", "area", "bar", "donut", "heatmap", "map")

#: How many countries are drawn in place of a map.
COUNTRIES = 20

#: Names of colours: variables of the page's style, and what they are on paper.
COLOURS = {
    "c0": "#3366d6",
    "c1": "#0f9d8a",
    "c2": "#e8883a",
    "c3": "#8a5cd1",
    "c4": "#d1477e",
    "c5": "#5a9e2f",
    "c6": "#c9a400",
    "c7": "#00a0c6",
    "c8": "#9a6240",
    "c9": "#7a8699",
    "bad": "#dd4b4b",
    "ink": "#1c2430",
    "muted": "#647082",
    "line": "#e2e7ee",
    "card": "#ffffff",
}

#: Values that have the same colour everywhere.
_FIXED = {"ACCEPT": "c1", "REJECT": "bad", "ingress": "c0", "egress": "c2", "OK": "c1", "SKIPDATA": "bad"}
_FEW = 10
_LABELS = {
    "aws.vpcflow.action": "Action",
    "aws.vpcflow.next_hop_az_id": "Zone of the next hop",
    "aws.vpcflow.vpc_id": "VPC",
    "cloud.availability_zone": "Zone",
    "network.transport": "Protocol",
}

#: Characters of a value that are shown.
_LONGEST = 200


def spec(made: Numbers) -> dict[str, Any]:
    """The chart of a panel whose type is in `DRAWN`, as large as its place; colours are ``@`` and a name."""
    marks = {"line": _over_time, "area": _over_time, "donut": _donut, "heatmap": _heatmap}
    draw = _over_time if made.over_time else marks.get(made.panel.type, _bars)
    return {
        "data": {"name": "rows"},
        "width": "container",
        "height": "container",
        "autosize": {"type": "fit", "contains": "padding"},
        **draw(made),
    }


def config(colour: dict[str, str]) -> dict[str, Any]:
    """What all charts have in common; `colour` is what each name of `COLOURS` is drawn as."""
    text = {"labelColor": colour["muted"], "titleColor": colour["muted"], "labelFontSize": 11}
    return {
        "background": None,
        "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
        "view": {"stroke": None},
        "axis": {
            **text,
            "domain": False,
            "ticks": False,
            "gridColor": colour["line"],
            "labelPadding": 6,
            "title": None,
        },
        # Room for what a filter leaves: the axis is as wide as its first labels.
        "axisY": {"minExtent": 34},
        "legend": {**text, "title": None, "symbolType": "circle", "symbolSize": 70, "labelLimit": 220},
        "rule": {"color": colour["line"]},
        "text": {"color": colour["ink"]},
    }


def words(metric: Metric) -> str:
    """A number's name as a heading."""
    return metric.name[:1].upper() + metric.name[1:]


def unit(metric: Metric) -> str:
    """``bytes``, ``share``, ``time`` or ``count``."""
    if metric.kind == "share":
        return "share"
    if metric.kind in ("first", "last"):
        return "time"
    return "bytes" if metric.kind == "sum" and (metric.field or "").endswith(".bytes") else "count"


def label(field: str) -> str:
    """A field's name as a heading."""
    return LABELS.get(field) or _LABELS.get(field, field)


def text(key: tuple[Any, ...]) -> str:
    """A group as one text."""
    return cut(" · ".join(str(part) for part in key) if key else "all")


def cut(value: str) -> str:
    """A value as long as a page can show it."""
    return f"{value[: _LONGEST - 1]}…" if len(value) > _LONGEST else value


def chart_rows(made: Numbers, span: Span) -> list[dict[str, Any]]:
    """The data of a panel's chart, as far as they are drawn: what page.js makes for the page."""
    names = [text(key) for key in made.keys]
    if not made.over_time:
        # Parts that nobody could see make the arc of the largest end where it begins: it would not be drawn.
        least = sum(point[2] for point in made.points) / 1000 if made.panel.type == "donut" else 0
        return [
            {"k": names[group], "v": values[0], "x": str(made.keys[group][0]), "y": str(made.keys[group][-1])}
            for _, group, *values in made.points
            if values[0] >= least
        ]
    found = {(time, group): values[0] for time, group, *values in made.points}
    length = timedelta(seconds=span.bucket)
    time = datetime.fromtimestamp(span.period.start.timestamp() // span.bucket * span.bucket, UTC)
    rows = []
    while time < span.period.end:
        t, u = (int(moment.timestamp() * 1000) for moment in (time, time + length * 0.9))
        rows += [{"k": k, "v": found.get((time, at), 0), "t": t, "u": u} for at, k in enumerate(names)]
        time += length
    return rows


def _over_time(made: Numbers) -> dict[str, Any]:
    kind = made.panel.type
    marks: dict[str, dict[str, Any]] = {
        "area": {"type": "area", "opacity": 0.78, "line": {"strokeWidth": 1.2}},
        "line": {"type": "line", "strokeWidth": 2, "point": {"size": 14}},
        "bar": {"type": "bar", "opacity": 0.9, "orient": "vertical"},
    }
    x: dict[str, Any] = {
        "field": "t",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {
            "grid": False,
            "tickCount": 8,
            "labelFlush": True,
            "labelOverlap": True,
            "format": {"minutes": "%H:%M", "hours": "%H:%M", "day": "%a %d", "date": "%a %d"},
        },
    }
    encoding = {
        "x": x,
        "y": {**_value(made), "stack": None if kind == "line" else "zero"},
        "tooltip": _tooltip("time", "k"),
    }
    if kind == "bar":
        x["bandPosition"] = 0
        encoding["x2"] = {"field": "u"}
    if made.fields:
        encoding["color"] = _colour(
            made, {"orient": "top", "direction": "horizontal", "columns": _columns(made)}
        )
    mark = marks.get(kind, marks["area"]) | ({} if made.fields else {"color": "@c0"})
    return {"mark": mark, "encoding": encoding}


def _columns(made: Numbers) -> dict[str, str]:
    """As many names side by side as there is room for."""
    longest = max((len(text(key)) for key in made.keys), default=0)
    return {"expr": f"max(1, floor(width / {7 * min(longest, 34) + 34}))"}


def _bars(made: Numbers) -> dict[str, Any]:
    names = [text(key) for key in made.keys]
    value = _value(made)
    return {
        "mark": {"type": "bar", "color": "@c0", "cornerRadiusEnd": 3, "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": "k",
                "type": "nominal",
                "sort": names,
                "axis": {"labelLimit": 170, "labelColor": "@ink"},
            },
            "x": {**value, "axis": {**value["axis"], "tickCount": 4}},
            "tooltip": _tooltip("k"),
        },
    }


def _donut(made: Numbers) -> dict[str, Any]:
    return {
        "mark": {"type": "arc", "innerRadius": {"expr": "min(width, height) * 0.3"}, "stroke": "@card"},
        "encoding": {
            "theta": {"field": "v", "type": "quantitative", "stack": "normalize"},
            "order": {"field": "v", "type": "quantitative", "sort": "descending"},
            "color": _colour(made, {"orient": "right"}),
            "tooltip": _tooltip("k", "part"),
        },
    }


def _heatmap(made: Numbers) -> dict[str, Any]:
    x, y = made.fields[:2]
    axis = {"labelAngle": 0, "labelLimit": 90}
    return {
        "mark": {"type": "rect", "color": "@c0", "cornerRadius": 3},
        "encoding": {
            "x": {"field": "x", "type": "nominal", "title": label(x), "axis": axis | {"title": label(x)}},
            "y": {"field": "y", "type": "nominal", "axis": {"title": label(y), "labelLimit": 90}},
            "opacity": {
                "field": "v",
                "type": "quantitative",
                "scale": {"range": [0.12, 1], "domainMin": 0},
                "legend": None,
            },
            "tooltip": _tooltip("x", "y"),
        },
    }


def _value(made: Numbers) -> dict[str, Any]:
    forms = {
        "bytes": {"labelExpr": "datum.value === 0 ? '0' : format(datum.value, '~s') + 'B'"},
        "share": {"format": ".0%"},
        # A format would be one for all ticks: 0k, 0.2k, and there is no half of a record.
        "count": {"labelExpr": "datum.value % 1 ? '' : format(datum.value, '~s')"},
    }
    axis = {"tickCount": 5, **forms[unit(made.metrics[0])]}
    return {"field": "v", "type": "quantitative", "axis": axis}


def _colour(made: Numbers, legend: dict[str, Any]) -> dict[str, Any]:
    names = [text(key) for key in made.keys]
    free = [f"c{at}" for at in range(_FEW) if f"c{at}" not in {_FIXED.get(name) for name in names}]
    colours = [_FIXED.get(name) or free.pop(0) if free else "c9" for name in names]
    scale = {"domain": names, "range": [f"@{colour}" for colour in colours]}
    return {"field": "k", "type": "nominal", "scale": scale, "legend": legend}


def _tooltip(*fields: str) -> list[dict[str, str]]:
    titles = {"time": "Time", "k": "Group", "part": "Share", "x": "To", "y": "From"}
    shown = [{"field": field, "type": "nominal", "title": titles[field]} for field in fields]
    return [*shown, {"field": "shown", "type": "nominal", "title": "Number"}]


def coloured(content: Any, colour: dict[str, str]) -> Any:
    """The chart with each ``@name`` as it is drawn."""
    if isinstance(content, dict):
        return {key: coloured(value, colour) for key, value in content.items()}
    if isinstance(content, list):
        return [coloured(value, colour) for value in content]
    if isinstance(content, str) and content.startswith("@"):
        return colour.get(content[1:], content)
    return content
