"""What ships in kibana/saved_objects: whether Kibana can show it, as far as that can be told without one.

Kibana's import checks next to nothing: a panel that refers to a column that isn't there is imported, and fails
in the browser. So that is checked here.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vpcflow.elastic.fields import fields
from vpcflow.kibana.build.files import ndjson
from vpcflow.kibana.build.needs import need

KIBANA = Path(__file__).parents[2] / "kibana"
OBJECTS = [
    json.loads(line) for line in (KIBANA / "saved_objects" / "vpcflow.ndjson").read_text().splitlines()
]
DASHBOARDS = [one for one in OBJECTS if one["type"] == "dashboard"]
PANELS = [
    pytest.param(one, panel, id=f"{one['id']}-{panel['panelIndex']}")
    for one in DASHBOARDS
    for panel in json.loads(one["attributes"]["panelsJSON"])
]
LENS = [param for param in PANELS if param.values[1]["type"] == "lens"]

#: The newest that Kibana 8.11 knows.
FLOOR = {"dashboard": (8, 9, 0), "index-pattern": (8, 0, 0), "search": (8, 0, 0), "tag": (8, 0, 0)}

#: Keys of Lens's own states. Most from states that Kibana 9.2's builder made; `filter`, `timeShift`, `emptyAsNull`
#: and `tinymathAst`, secondary metrics, several fields in one group and the region map from what Kibana 8 saves
#: (x-pack/plugins/lens/public/datasources/form_based/operations, …/visualizations/metric, …/maps/public/lens).
COLUMN = {
    "label", "customLabel", "dataType", "isBucketed", "scale", "operationType", "sourceField", "params",
    "references", "filter", "timeShift",
}  # fmt: skip
PARAMS = {
    "terms": {
        "size", "orderBy", "orderDirection", "otherBucket", "missingBucket", "parentFormat", "include", "exclude",
        "includeIsRegex", "excludeIsRegex", "secondaryFields",
    },
    "date_histogram": {"interval", "includeEmptyRows", "dropPartials"},
    "count": {"emptyAsNull", "format"},
    "sum": {"emptyAsNull", "format"},
    "unique_count": {"emptyAsNull", "format"},
    "percentile": {"percentile"},
    "formula": {"formula", "isFormulaBroken", "format"},
    "math": {"tinymathAst"},
}  # fmt: skip
XY = {
    "preferredSeriesType", "layers", "legend", "valueLabels", "fittingFunction", "axisTitlesVisibilitySettings",
    "tickLabelsVisibilitySettings", "gridlinesVisibilitySettings", "labelsOrientation", "hideEndzones",
    "emphasizeFitting", "yLeftExtent",
}  # fmt: skip
VISUALIZATION = {
    "lnsMetric": {"layerId", "layerType", "metricAccessor", "showBar", "secondaryMetricAccessor", "secondaryPrefix"},
    "lnsXY": XY,
    "lnsPie": {"shape", "layers"},
    "lnsDatatable": {"layerId", "layerType", "columns"},
    "lnsHeatmap": {
        "layerId", "layerType", "shape", "xAccessor", "yAccessor", "valueAccessor", "gridConfig", "legend",
    },
    "lnsChoropleth": {"layerId", "layerType", "emsLayerId", "emsField", "regionAccessor", "valueAccessor"},
}  # fmt: skip
INNER = {
    "lnsXY": {"layerId", "layerType", "seriesType", "xAccessor", "accessors", "yConfig", "splitAccessor"},
    "lnsPie": {
        "layerId", "layerType", "primaryGroups", "metrics", "allowMultipleMetrics", "numberDisplay",
        "categoryDisplay", "legendDisplay", "legendPosition",
    },
}  # fmt: skip
STATE = {"datasourceStates", "internalReferences", "filters", "query", "visualization", "adHocDataViews"}


def test_the_file_is_what_the_dashboards_make():
    """`make kibana` writes it again."""
    assert (KIBANA / "saved_objects" / "vpcflow.ndjson").read_text() == ndjson(KIBANA)


def test_the_five_dashboards():
    names = [one["id"].removeprefix("vpcflow-") for one in DASHBOARDS]
    assert names == ["overview", "security-groups", "traffic", "threats", "health"]


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
def test_every_object(one):
    assert {"type", "id", "attributes", "references"} <= one.keys()
    assert one["coreMigrationVersion"] == "8.8.0"
    assert tuple(map(int, one["typeMigrationVersion"].split("."))) <= FLOOR[one["type"]]
    there = {(other["type"], other["id"]) for other in OBJECTS}
    assert {(to["type"], to["id"]) for to in one["references"]} <= there
    names = [to["name"] for to in one["references"]]
    assert len(names) == len(set(names))
    for text in json_texts(one["attributes"]):
        json.loads(text)


def json_texts(content):
    """Every value that Kibana parses: their names say so."""
    if isinstance(content, list):
        for part in content:
            yield from json_texts(part)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key.endswith("JSON") or key in ("fieldFormatMap", "runtimeFieldMap", "fieldAttrs"):
                yield value
            else:
                yield from json_texts(value)


def test_ids_are_told_apart():
    keys = [(one["type"], one["id"]) for one in OBJECTS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("one", DASHBOARDS, ids=lambda one: one["id"])
def test_every_name_of_a_reference_leads_somewhere(one):
    panels = {panel["panelIndex"]: panel for panel in json.loads(one["attributes"]["panelsJSON"])}
    controls = json.loads(one["attributes"]["controlGroupInput"]["panelsJSON"])
    for to in one["references"]:
        name, _, rest = to["name"].partition(":")
        if name.startswith("controlGroup_"):
            assert controls[name.removeprefix("controlGroup_")]["type"] == "optionsListControl"
            assert rest == "optionsListDataView"
        elif to["type"] == "tag":
            assert to["name"] == f"tag-ref-{to['id']}"
        else:
            config = panels[name]["embeddableConfig"]
            assert rest in resolved(panels[name], config), to
    for name, panel in panels.items():
        given = {
            to["name"].partition(":")[2] for to in one["references"] if to["name"].startswith(f"{name}:")
        }
        assert given == resolved(panel, panel["embeddableConfig"])


def resolved(panel, config):
    """The names of the references that a panel needs."""
    names = set()
    if panel["type"] == "lens":
        names |= {f"indexpattern-datasource-layer-{name}" for name in layers(config["attributes"])}
        assert {to["name"] for to in config["attributes"]["references"]} == names
    if panel["type"] == "search":
        names.add(panel["panelRefName"])
    if panel["type"] == "links":
        names |= {link["destinationRefName"] for link in config["attributes"]["links"]}
    for event in config.get("enhancements", {}).get("dynamicActions", {}).get("events", []):
        assert event["action"]["factoryId"] == "DASHBOARD_TO_DASHBOARD_DRILLDOWN"
        names.add(f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event['eventId']}:dashboardId")
    return names


def layers(attributes):
    return attributes["state"]["datasourceStates"]["formBased"]["layers"]


@pytest.mark.parametrize("one", DASHBOARDS, ids=lambda one: one["id"])
def test_panels_have_a_place_of_their_own(one):
    cells = set()
    for panel in json.loads(one["attributes"]["panelsJSON"]):
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        assert grid["x"] >= 0
        assert grid["x"] + grid["w"] <= 48
        assert grid["y"] >= 0
        mine = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not mine & cells, panel["title"]
        cells |= mine


@pytest.mark.parametrize(("one", "panel"), LENS)
def test_lens_shows_columns_that_are_there(one, panel):
    attributes = panel["embeddableConfig"]["attributes"]
    ((name, layer),) = layers(attributes).items()
    columns = layer["columns"]
    assert list(columns) == layer["columnOrder"]
    buckets = [columns[column]["isBucketed"] for column in layer["columnOrder"]]
    assert buckets == sorted(buckets, reverse=True)  # what groups, then numbers
    visualization = attributes["state"]["visualization"]
    for layer_id in [
        visualization.get("layerId"),
        *(one["layerId"] for one in visualization.get("layers", [])),
    ]:
        assert layer_id in (name, None)
    shown = list(accessors(visualization))
    assert shown
    assert set(shown) <= columns.keys()
    parts = {to for column in columns.values() for to in column.get("references", [])}
    assert set(columns) == set(shown) | parts  # nothing is asked for that nobody sees
    for column in columns.values():
        if column["operationType"] == "terms":
            order = column["params"]["orderBy"]
            assert columns[order["columnId"]]["operationType"] not in ("formula", "terms")


def accessors(content):
    for key, value in content.items():
        if key in ("accessors", "metrics", "primaryGroups"):
            yield from value
        elif key.endswith("Accessor") or key == "columnId":
            yield value
        elif key in ("layers", "columns"):
            for part in value:
                yield from accessors(part)


@pytest.mark.parametrize(("one", "panel"), LENS)
def test_lens_states_have_the_keys_that_kibana_writes(one, panel):
    attributes = panel["embeddableConfig"]["attributes"]
    assert attributes.keys() == {
        "title", "description", "type", "visualizationType", "references", "state",
    }  # fmt: skip
    assert attributes["state"].keys() == STATE
    kind = attributes["visualizationType"]
    assert attributes["state"]["visualization"].keys() <= VISUALIZATION[kind]
    for inner in attributes["state"]["visualization"].get("layers", []):
        assert inner.keys() <= INNER[kind]
    for layer in layers(attributes).values():
        assert layer.keys() == {"columnOrder", "columns", "incompleteColumns"}
        for column in layer["columns"].values():
            assert column.keys() <= COLUMN
            assert column["params"].keys() <= PARAMS[column["operationType"]]


@pytest.mark.parametrize(("one", "panel"), LENS)
def test_formulas_are_what_their_columns_say(one, panel):
    for layer in layers(panel["embeddableConfig"]["attributes"]).values():
        for column in layer["columns"].values():
            if column["operationType"] != "formula":
                continue
            (math,) = (layer["columns"][name] for name in column["references"])
            ast = math["params"]["tinymathAst"]
            assert ast["text"] == column["params"]["formula"]
            assert ast["args"] == math["references"]
            part, whole = (layer["columns"][name] for name in ast["args"])
            shift = f", shift='{part['timeShift']}'" if "timeShift" in part else ""
            query = part["filter"]["query"].replace("'", "\\'")
            assert column["params"]["formula"].startswith(f"count(kql='{query}'{shift}) / count(")
            assert whole.get("timeShift") == part.get("timeShift")


def used(panel):
    """The fields of a panel: of its columns and of its filters."""
    attributes = panel["embeddableConfig"]["attributes"]
    texts = [attributes["state"]["query"]["query"]]
    for layer in layers(attributes).values():
        for column in layer["columns"].values():
            yield column.get("sourceField")
            yield from column["params"].get("secondaryFields", [])
            texts.append(column.get("filter", {}).get("query", ""))
    for text in texts:
        yield from re.findall(r"([@a-z_]+(?:\.[a-z_]+)*)\s*(?::|[<>]=?)", re.sub(r'"[^"]*"', '""', text))


@pytest.mark.parametrize(("one", "panel"), LENS)
def test_fields_are_mapped_and_what_they_need_is_said(one, panel):
    known = fields().keys() | {"___records___", "vpcflow.lag", None}
    attributes = panel["embeddableConfig"]["attributes"]
    for name in used(panel):
        assert name in known, name
        if name in (None, "___records___", "vpcflow.lag"):
            continue
        if (words := need(name)) is not None:
            assert words in attributes["description"]
            notes = json.loads(one["attributes"]["panelsJSON"])[-1]["embeddableConfig"]["savedVis"]["params"][
                "markdown"
            ]
            assert words in notes


@pytest.mark.parametrize(("one", "panel"), LENS)
def test_a_panel_says_what_it_counts(one, panel):
    title, description = panel["title"], panel["embeddableConfig"]["attributes"]["description"]
    assert title.endswith(("(all interfaces)", "(by interface)"))
    assert ("Over all interfaces" in description) == title.endswith("(all interfaces)")


def test_fields_of_the_saved_search_and_the_controls():
    (search,) = (one for one in OBJECTS if one["type"] == "search")
    assert set(search["attributes"]["columns"]) <= fields().keys()
    for one in DASHBOARDS:
        controls = json.loads(one["attributes"]["controlGroupInput"]["panelsJSON"])
        assert {control["explicitInput"]["fieldName"] for control in controls.values()} <= fields().keys()


@pytest.mark.parametrize("text", ["panels: []", "title: [", "title: a\ndescription: b\npanels: [{}]"])
def test_a_dashboard_that_means_nothing_is_refused_with_its_place(tmp_path, text):
    from vpcflow.errors import ConfigError

    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "mine.yml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yml"):
        ndjson(tmp_path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"type": "pie"}, "type 'pie' is none of metric"),
        ({"counts": "flows"}, "counts 'flows' is none of all, interface"),
        ({"place": [40, 0, 12, 6]}, "end at column 48"),
        ({"place": [0, 0, 12]}, "place must be"),
        ({"opens": "traffic"}, "opens is none of title"),
        ({"open": "nowhere"}, "nowhere is no dashboard"),
        ({"type": "donut"}, "wants no bucket, 1 in group_by"),
        ({"query": {"metrics": [{"sum": "source.byte"}]}}, "source.byte"),
    ],
)
def test_a_panel_that_means_nothing(tmp_path, change, why):
    import yaml

    from vpcflow.errors import ConfigError

    panel = {"title": "T", "type": "metric", "counts": "all", "place": [0, 0, 12, 6]}
    panel |= {"query": {"metrics": [{"count": "flows"}]}}
    board = {"title": "A", "description": "B", "panels": [panel | change]}
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "mine.yml").write_text(yaml.safe_dump(board))
    with pytest.raises(ConfigError, match=re.escape(why)):
        ndjson(tmp_path)
