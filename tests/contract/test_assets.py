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
LENS = [
    param for param in PANELS if param.values[1]["type"] == "lens" and "Lag" not in param.values[1]["title"]
]
LAG = next(param.values for param in PANELS if param.values[1].get("title", "").startswith("Lag"))

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


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("overview", "Flows, Bytes, Packets, Rejected, Accepted and rejected flows, Bytes by direction, "
         "Bytes by country of the destination, Protocols by bytes, Top sources, Top destinations, Top ports, "
         "Top interfaces"),
        ("security-groups", "Rejected flows by interface, Subnets, Ports, Peers, Internal hosts that are refused, "
         "Refused answers to accepted requests, Reasons of rejects, Rejected flows"),
        ("traffic", "Talker pairs, Bytes by interface, Instances, VPCs by bytes, Availability zones from and to, "
         "Bytes through NAT gateways, Transit gateway attachments, AWS services by bytes, Paths out of the VPC"),
        ("threats", "Port scans, Sweeps, SSH and RDP by source, Countries now and in the period before, Big egress, "
         "Threat-list hits"),
        ("health", "Intervals without traffic, Intervals that AWS skipped, Unreadable lines, Lag, "
         "Interfaces that went quiet"),
    ],
)  # fmt: skip
def test_what_each_dashboard_shows(name, asked):
    (one,) = (one for one in DASHBOARDS if one["id"] == f"vpcflow-{name}")
    titles = [
        panel.get("title", "").replace(",", "") for panel in json.loads(one["attributes"]["panelsJSON"])
    ]
    for title in asked.split(", "):
        assert any(shown.startswith(title) for shown in titles), title


def test_numbers_of_the_overview_stand_beside_those_of_the_period_before():
    panels = json.loads(DASHBOARDS[0]["attributes"]["panelsJSON"])
    for title in ("Flows", "Bytes", "Packets", "Rejected"):
        panel = next(one for one in panels if one.get("title") == f"{title} (all interfaces)")
        state = panel["embeddableConfig"]["attributes"]["state"]["visualization"]
        assert state["secondaryMetricAccessor"] == "before-0"


def test_every_dashboard_has_the_controls_and_leads_to_the_others():
    for one in DASHBOARDS:
        controls = json.loads(one["attributes"]["controlGroupInput"]["panelsJSON"]).values()
        titles = [control["explicitInput"]["title"] for control in controls]
        assert titles == ["Account", "VPC", "Interface", "Action", "Direction"]
        links = json.loads(one["attributes"]["panelsJSON"])[0]["embeddableConfig"]["attributes"]["links"]
        assert len(links) == 5


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
    (source,) = attributes["state"]["datasourceStates"].values()
    return source["layers"]


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


def test_the_panel_in_esql_shows_columns_of_its_query():
    """Its keys are those that 8.11 keeps (`allColumns` too) and that 9.2's builder writes."""
    _, panel = LAG
    attributes = panel["embeddableConfig"]["attributes"]
    state = attributes["state"]
    assert state.keys() == STATE
    ((name, layer),) = layers(attributes).items()
    assert layer.keys() == {"index", "query", "columns", "allColumns", "timeField"}
    assert layer["columns"] == layer["allColumns"]
    assert [to["id"] for to in attributes["references"]] == [layer["index"]]
    assert state["query"] == layer["query"]
    (shown,) = state["visualization"]["layers"]
    assert shown["layerId"] == name
    assert {column["columnId"] for column in layer["columns"]} == set(accessors({"layers": [shown]}))
    for column in layer["columns"]:
        assert column["fieldName"] in layer["query"]["esql"]


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
    known = fields().keys() | {"___records___", None}
    attributes = panel["embeddableConfig"]["attributes"]
    for name in used(panel):
        assert name in known, name
        if name in (None, "___records___"):
            continue
        if (words := need(name)) is not None:
            assert words in attributes["description"]
            notes = json.loads(one["attributes"]["panelsJSON"])[-1]["embeddableConfig"]["savedVis"]["params"][
                "markdown"
            ]
            assert words in notes


@pytest.mark.parametrize(("one", "panel"), [*LENS, LAG])
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


BOARD = """\
title: Mine
description: What is mine.
panels:
  - title: Flows
    type: metric
    counts: all
    place: [0, 0, 12, 6]
    query:
      metrics: [{count: flows}]
  - title: Top sources
    type: table
    counts: all
    open: mine
    place: [12, 0, 12, 6]
    query:
      filter:
        aws.vpcflow.action: REJECT
        source.port|lt: 1024
      group_by: [source.ip]
      metrics:
        - {sum: network.bytes, as: bytes}
        - {count: flows}
      order_by: -bytes
  - title: Rejected
    type: search
    counts: all
    place: [24, 0, 12, 6]
search:
  id: mine-rejected
  title: Rejected
  query:
    filter: {aws.vpcflow.action: REJECT}
  columns:
    - source.ip
    - destination.ip
"""


def built(folder, text):
    (folder / "dashboards").mkdir(exist_ok=True)
    (folder / "dashboards" / "mine.yml").write_text(text)
    return ndjson(folder)


def test_a_dashboard_of_ones_own(tmp_path):
    assert '"id":"vpcflow-mine"' in built(tmp_path, BOARD)


def test_a_field_that_no_flow_log_has_is_said_in_words(tmp_path):
    mine = BOARD.replace("group_by: [source.ip]", "group_by: [labels.team, source.domain]")
    made = built(tmp_path, mine)
    assert "labels, which vpcflow index adds from an inventory" in made
    assert "source.domain, which no flow log has" in made


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("title: Mine", "titel: Mine", 1, "titel is none of title, description, panels"),
        ("title: Mine", "title: [Mine]", 1, "title must be a text"),
        ("type: table", "type: pie", 11, "panel Top sources: type 'pie' is none of metric"),
        ("type: table", "type: metric", 19, "wants no bucket, 0 in group_by"),
        ("    open: mine", "    opens: mine", 13, "opens is none of title"),
        ("open: mine", "open: nowhere", 13, "open nowhere is no dashboard; there are mine"),
        ("    place: [12, 0, 12, 6]", "    place: [40, 0, 12, 6]", 14, "end at column 48"),
        ("    place: [12, 0, 12, 6]", "    place: [12, 0, 12]", 14, "place must be [x, y"),
        ("    place: [12, 0, 12, 6]", "    place: [11, 0, 12, 6]", 14, "panel Top sources: lies on Flows"),
        ("    place: [12, 0, 12, 6]\n", "", 10, "panel Top sources: place is missing"),
        ("source.port|lt", "source.prot|lt", 18, "there is no field source.prot; did you mean source.port"),
        ("source.port|lt", "source.port|below", 18, "below"),
        ("source.port|lt: 1024", "source.ip|lt: 1024", 18, "source.ip is no number"),
        ("lt: 1024", "lt: many", 18, "many"),
        ("[source.ip]", "[source.pi]", 19, "there is no field source.pi"),
        ("sum: network.bytes", "sum: network.transport", 21, "sum of network.transport: it is no number"),
        ("order_by: -bytes", "order_by: -size", 23, "order_by '-size' is none of bytes, flows"),
        ("      order_by: -bytes", "      sort_by: -bytes", 23, "the query has no sort_by"),
        ("type: search\n", "type: search\n    query: {}\n", 26, "a search takes no query"),
        ("    - destination.ip", "    - destination.pi", 35, "there is no field destination.pi"),
        ("{aws.vpcflow.action: REJECT}", "REJECT", 32, "the filter"),
    ],
)
def test_a_dashboard_that_means_nothing_is_refused_with_file_and_line(tmp_path, old, new, line, why):
    from vpcflow.errors import ConfigError

    with pytest.raises(ConfigError, match=re.escape(why)) as error:
        built(tmp_path, BOARD.replace(old, new, 1))
    assert str(error.value).startswith(f"{tmp_path}/dashboards/mine.yml, line {line}: "), error.value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("panels: []", "title is missing"),
        ("title: [", "line 1"),
        ("", "must have keys and values"),
        ("title: a\ndescription: b\npanels: [{}]", "line 3: title is missing"),
        ("title: a\ndescription: b\npanels: []", "line 3: panels must be a list"),
    ],
)
def test_a_file_that_is_no_dashboard(tmp_path, text, why):
    from vpcflow.errors import ConfigError

    with pytest.raises(ConfigError, match=re.escape(why)) as error:
        built(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path}/dashboards/mine.yml")
