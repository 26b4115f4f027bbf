"""A panel as Lens keeps it: by value, which is in the dashboard and nowhere else."""

from __future__ import annotations

from typing import Any

from vpcflow.dashboards import Panel
from vpcflow.kibana.build.charts import CHARTS, LAYER
from vpcflow.kibana.build.columns import Layer, histogram, layer
from vpcflow.query import kql

__all__ = ["DATA_VIEW", "LAG", "REFERENCE", "attributes"]

DATA_VIEW = "vpcflow-flows"
REFERENCE = f"indexpattern-datasource-layer-{LAYER}"

#: A runtime field of the data view: seconds from the end of an interval to its document.
LAG = "vpcflow.lag"


def attributes(panel: Panel, description: str) -> dict[str, Any]:
    """What Kibana calls the attributes of a Lens chart.

    Raises:
        ConfigError: Lens can't show what the panel asks for.
    """
    text = ""
    if panel.query is None:
        shown = _lag()
        kind, visualization = CHARTS["line"](shown)
    else:
        shown = layer(panel.query, compare=panel.compare)
        kind, visualization = CHARTS[panel.type](shown)
        text = kql.compile_filter(panel.query.filter)
    return {
        "title": "",
        "description": description,
        "type": "lens",
        "visualizationType": kind,
        "references": [{"type": "index-pattern", "id": DATA_VIEW, "name": REFERENCE}],
        "state": {
            "datasourceStates": {
                "formBased": {
                    "layers": {
                        LAYER: {
                            "columnOrder": shown.order,
                            "columns": {name: shown.columns[name] for name in shown.order},
                            "incompleteColumns": {},
                        }
                    }
                }
            },
            "visualization": visualization,
            "query": {"language": "kuery", "query": text},
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _lag() -> Layer:
    """The one panel on a number that no document holds."""
    shown = Layer({"time": histogram("auto")}, time="time")
    for percent, label in ((50, "Median"), (95, "95th percentile")):
        name = f"percentile-{percent}"
        shown.metrics.append(name)
        shown.columns[name] = {
            "label": f"{label}, s",
            "customLabel": True,
            "dataType": "number",
            "isBucketed": False,
            "scale": "ratio",
            "operationType": "percentile",
            "sourceField": LAG,
            "params": {"percentile": percent},
        }
    return shown
