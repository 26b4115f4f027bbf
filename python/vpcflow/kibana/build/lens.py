"""A panel as Lens keeps it: by value, which is in the dashboard and nowhere else."""

from __future__ import annotations

from typing import Any

from vpcflow.dashboards import Panel
from vpcflow.elastic.template import DATASET
from vpcflow.kibana.build.charts import CHARTS, LAYER
from vpcflow.kibana.build.columns import Layer, layer
from vpcflow.query import kql

__all__ = ["DATA_VIEW", "LAG", "REFERENCE", "attributes"]

DATA_VIEW = "vpcflow-flows"
REFERENCE = f"indexpattern-datasource-layer-{LAYER}"

#: The one panel on a number that no document holds: seconds from the end of an interval to its document. In
#: ES|QL as 8.11 has it, so that the tests can run it; a runtime field would want painless, which they can't.
#: The pieces of time are fixed: what suits the time shown (`BUCKET`) came later.
LAG = (
    f"FROM logs-{DATASET}-* | EVAL lag = (TO_LONG(event.ingested) - TO_LONG(@timestamp)) / 1000"
    ", period = DATE_TRUNC(10 minutes, @timestamp)"
    " | WHERE lag IS NOT NULL"
    " | STATS Median = PERCENTILE(lag, 50), `95th percentile` = PERCENTILE(lag, 95) BY period"
    " | SORT period | LIMIT 10000"
)


def attributes(panel: Panel, description: str) -> dict[str, Any]:
    """What Kibana calls the attributes of a Lens chart.

    Raises:
        ConfigError: Lens can't show what the panel asks for.
    """
    if panel.query is None:
        return _lag(description)
    shown = layer(panel.query, compare=panel.compare)
    kind, visualization = CHARTS[panel.type](shown)
    columns = {
        "columnOrder": shown.order,
        "columns": {name: shown.columns[name] for name in shown.order},
        "incompleteColumns": {},
    }
    query = {"language": "kuery", "query": kql.compile_filter(panel.query.filter)}
    return _chart(kind, description, {"formBased": {"layers": {LAYER: columns}}}, visualization, query)


def _lag(description: str) -> dict[str, Any]:
    names = {"period": "date", "Median": "number", "95th percentile": "number"}
    columns = [
        {"columnId": f"column-{number}", "fieldName": name, "meta": {"type": kind}}
        for number, (name, kind) in enumerate(names.items())
    ]
    time, *metrics = (column["columnId"] for column in columns)
    kind, visualization = CHARTS["line"](Layer(time=str(time), metrics=list(map(str, metrics))))
    asked = {
        "index": DATA_VIEW,
        "query": {"esql": LAG},
        "columns": columns,
        "allColumns": columns,  # 8.11 wants it, later ones don't look
        "timeField": "@timestamp",
    }
    states = {"textBased": {"layers": {LAYER: asked}}}
    return _chart(kind, description, states, visualization, {"esql": LAG})


def _chart(
    kind: str,
    description: str,
    states: dict[str, Any],
    visualization: dict[str, Any],
    query: dict[str, str],
) -> dict[str, Any]:
    return {
        "title": "",
        "description": description,
        "type": "lens",
        "visualizationType": kind,
        "references": [{"type": "index-pattern", "id": DATA_VIEW, "name": REFERENCE}],
        "state": {
            "datasourceStates": states,
            "visualization": visualization,
            "query": query,
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
