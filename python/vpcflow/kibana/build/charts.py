"""How each type of panel shows a layer: Lens's ``visualization``, one function a type.

Modelled on states that Kibana's own builder made; `tests/contract/test_assets.py` holds the keys to those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.kibana.build.columns import Layer

__all__ = ["CHARTS", "LAYER"]

#: Each panel has one layer, and this is its name.
LAYER = "flows"

_SHOWN = {"x": True, "yLeft": True, "yRight": True}


def _metric(layer: Layer) -> tuple[str, dict[str, Any]]:
    _takes(layer, time=False, groups=0)
    state = {"layerId": LAYER, "layerType": "data", "metricAccessor": layer.metrics[0], "showBar": False}
    if layer.before:
        state |= {"secondaryMetricAccessor": layer.before[0], "secondaryPrefix": "before"}
    return "lnsMetric", state


def _line(layer: Layer) -> tuple[str, dict[str, Any]]:
    return _over_time(layer, "line")


def _area(layer: Layer) -> tuple[str, dict[str, Any]]:
    return _over_time(layer, "area_stacked")


def _bar(layer: Layer) -> tuple[str, dict[str, Any]]:
    if layer.time:
        return _over_time(layer, "bar_stacked")
    _takes(layer, time=False, groups=1)
    return "lnsXY", _xy("bar_horizontal", layer.groups[0], None, layer.metrics)


def _over_time(layer: Layer, series: str) -> tuple[str, dict[str, Any]]:
    _takes(layer, time=True, groups=min(len(layer.groups), 1))
    split = layer.groups[0] if layer.groups else None
    return "lnsXY", _xy(series, layer.time, split, layer.metrics)


def _xy(series: str, x: str | None, split: str | None, accessors: list[str]) -> dict[str, Any]:
    data = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": series,
        "xAccessor": x,
        "accessors": accessors,
        "yConfig": [{"forAccessor": name} for name in accessors],
    }
    if split:
        data["splitAccessor"] = split
    return {
        "preferredSeriesType": series,
        "layers": [data],
        "legend": {"isVisible": split is not None or len(accessors) > 1, "position": "bottom"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": True, "yRight": True},
        "tickLabelsVisibilitySettings": _SHOWN,
        "gridlinesVisibilitySettings": _SHOWN,
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
    }


def _donut(layer: Layer) -> tuple[str, dict[str, Any]]:
    _takes(layer, time=False, groups=1)
    data = {
        "layerId": LAYER,
        "layerType": "data",
        "primaryGroups": layer.groups,
        "metrics": layer.metrics[:1],
        "numberDisplay": "percent",
        "categoryDisplay": "default",
        "legendDisplay": "show",
        "legendPosition": "right",
    }
    return "lnsPie", {"shape": "donut", "layers": [data]}


def _table(layer: Layer) -> tuple[str, dict[str, Any]]:
    _takes(layer, time=False, groups=len(layer.groups))
    shown = [*layer.groups]
    for number, name in enumerate(layer.metrics):
        shown += [name, *layer.before[number : number + 1]]
    columns = [{"columnId": name} for name in shown]
    return "lnsDatatable", {"layerId": LAYER, "layerType": "data", "columns": columns}


def _heatmap(layer: Layer) -> tuple[str, dict[str, Any]]:
    _takes(layer, time=layer.time is not None, groups=1 if layer.time else 2)
    x, y = (layer.time, layer.groups[0]) if layer.time else layer.groups
    return "lnsHeatmap", {
        "layerId": LAYER,
        "layerType": "data",
        "shape": "heatmap",
        "xAccessor": x,
        "yAccessor": y,
        "valueAccessor": layer.metrics[0],
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": False,
            "isXAxisLabelVisible": True,
            "isXAxisTitleVisible": True,
            "isYAxisLabelVisible": True,
            "isYAxisTitleVisible": True,
        },
        "legend": {"isVisible": True, "position": "right", "type": "heatmap_legend"},
    }


def _map(layer: Layer) -> tuple[str, dict[str, Any]]:
    """Countries by their code of two letters; their shapes come from Elastic Maps Service."""
    _takes(layer, time=False, groups=1)
    return "lnsChoropleth", {
        "layerId": LAYER,
        "layerType": "data",
        "emsLayerId": "world_countries",
        "emsField": "iso2",
        "regionAccessor": layer.groups[0],
        "valueAccessor": layer.metrics[0],
    }


def _takes(layer: Layer, *, time: bool, groups: int) -> None:
    if bool(layer.time) != time or len(layer.groups) != groups or not layer.metrics:
        raise ConfigError(
            f"this type of panel wants {'a' if time else 'no'} bucket, {groups} in group_by and a number in "
            "metrics"
        )


CHARTS: dict[str, Callable[[Layer], tuple[str, dict[str, Any]]]] = {
    "metric": _metric,
    "line": _line,
    "area": _area,
    "bar": _bar,
    "donut": _donut,
    "table": _table,
    "heatmap": _heatmap,
    "map": _map,
}
