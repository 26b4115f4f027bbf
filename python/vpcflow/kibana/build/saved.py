"""Saved objects from dashboards: what `make kibana` writes and Kibana imports."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from vpcflow.dashboards import COLUMNS, COUNTS, Dashboard, Panel, Search
from vpcflow.elastic.template import DATASET
from vpcflow.errors import ConfigError
from vpcflow.kibana.build.lens import DATA_VIEW, REFERENCE, attributes
from vpcflow.kibana.build.needs import needs
from vpcflow.query import kql

__all__ = ["saved_objects"]

#: No newer than Kibana 8.11 writes: an object from the future is refused (422), an older one is migrated.
_CORE = "8.8.0"
_VERSIONS = {"dashboard": "8.9.0", "index-pattern": "8.0.0", "search": "8.0.0", "tag": "8.0.0"}
_PANEL = "8.11.0"

_TAG = "vpcflow-tag"
_CONTROLS = {
    "cloud.account.id": "Account",
    "aws.vpcflow.vpc_id": "VPC",
    "aws.vpcflow.interface_id": "Interface",
    "aws.vpcflow.action": "Action",
    "network.direction": "Direction",
}
_HEAD = 4
_EMPTY = json.dumps({"query": {"language": "kuery", "query": ""}, "filter": []})
_BYTES = ("source.bytes", "network.bytes")


def saved_objects(dashboards: Iterable[Dashboard]) -> list[dict[str, Any]]:
    """Data view, tag, saved searches and dashboards, what is referred to first.

    Raises:
        ConfigError: a dashboard asks for what can't be.
    """
    dashboards = sorted(dashboards, key=lambda one: _ORDER.get(one.name, len(_ORDER)))
    names = {one.name: one.title for one in dashboards}
    objects = [_data_view(), _tag()]
    objects += [_search(one.search) for one in dashboards if one.search]
    return objects + [_Builder(one, names).build() for one in dashboards]


#: The way through them: from everything to something.
_ORDER = {
    name: place for place, name in enumerate(("overview", "security-groups", "traffic", "threats", "health"))
}


def _object(kind: str, name: str, values: dict[str, Any], references: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "type": kind,
        "id": name,
        "attributes": values,
        "references": references,
        "coreMigrationVersion": _CORE,
        "typeMigrationVersion": _VERSIONS[kind],
    }


def _data_view() -> dict[str, Any]:
    values = {
        "title": f"logs-{DATASET}-*",
        "name": "VPC flows",
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,
        "fieldFormatMap": _json({name: {"id": "bytes"} for name in _BYTES}),
        "runtimeFieldMap": "{}",
        "fieldAttrs": "{}",
    }
    return _object("index-pattern", DATA_VIEW, values, [])


def _tag() -> dict[str, Any]:
    values = {"name": "vpcflow", "color": "#0b64dd", "description": "Made by vpcflow."}
    return _object("tag", _TAG, values, [])


def _search(search: Search) -> dict[str, Any]:
    reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": _kuery(search), "filter": [], "indexRefName": reference}
    values = {
        "title": search.title,
        "description": "",
        "columns": list(search.columns),
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)},
    }
    references = [{"type": "index-pattern", "id": DATA_VIEW, "name": reference}, _tagged()]
    return _object("search", search.id, values, references)


class _Builder:
    """One dashboard: its panels below a row of links, notes at the foot."""

    def __init__(self, dashboard: Dashboard, names: dict[str, str]) -> None:
        self.dashboard = dashboard
        self.names = names
        self.panels: list[dict[str, Any]] = []
        self.references: list[dict[str, str]] = [_tagged()]
        self.wanting: dict[str, list[str]] = {}

    def build(self) -> dict[str, Any]:
        self._links()
        for number, panel in enumerate(self.dashboard.panels):
            try:
                self._panel(panel)
            except ConfigError as error:
                raise self.dashboard.place_of(number).error(str(error)) from error
        if self.wanting:
            self._notes()
        values = {
            "title": self.dashboard.title,
            "description": self.dashboard.description,
            "panelsJSON": _json(self.panels),
            "optionsJSON": _json({"useMargins": True, "syncColors": False, "hidePanelTitles": False}),
            "timeRestore": True,
            "timeFrom": "now-24h",
            "timeTo": "now",
            "version": 1,
            "controlGroupInput": self._controls(),
            "kibanaSavedObjectMeta": {"searchSourceJSON": _EMPTY},
        }
        return _object("dashboard", _id(self.dashboard.name), values, self.references)

    def _panel(self, panel: Panel) -> None:
        name = f"panel-{len(self.panels)}"
        short, long = COUNTS[panel.counts]
        described = [panel.about, long]
        config: dict[str, Any] = {"enhancements": {}, "hidePanelTitles": False}
        if panel.type == "search":
            self._search_panel(panel, name, config)
        else:
            fields = [] if panel.query is None else panel.query.fields()
            wants = needs(fields)
            if panel.type == "map":
                wants.append("Elastic Maps Service, or a copy of it, for the shapes of countries")
            for words in wants:
                self.wanting.setdefault(words, []).append(panel.title)
            described += [f"Needs {words}." for words in wants]
            config["attributes"] = attributes(panel, " ".join(filter(None, described)))
            self._refer(name, REFERENCE, "index-pattern", DATA_VIEW)
        if panel.open:
            self._open(panel, name, config)
        self._add(
            name,
            "search" if panel.type == "search" else "lens",
            panel.place,
            config,
            f"{panel.title} ({short})",
        )

    def _search_panel(self, panel: Panel, name: str, config: dict[str, Any]) -> None:
        if self.dashboard.search is None:
            raise ConfigError("it shows a search, and the file has none")
        config["columns"] = list(self.dashboard.search.columns)
        self._refer(name, f"panel_{name}", "search", self.dashboard.search.id)

    def _open(self, panel: Panel, name: str, config: dict[str, Any]) -> None:
        """A click on a value leads to another dashboard, filtered by it; by reference, so in any space."""
        event = f"{name}-open"
        action = {
            "factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN",
            "name": f"Open {self._titled(panel.open)}",
            "config": {"useCurrentFilters": True, "useCurrentDateRange": True, "openInNewTab": False},
        }
        events = [{"eventId": event, "triggers": ["FILTER_TRIGGER"], "action": action}]
        config["enhancements"] = {"dynamicActions": {"events": events}}
        to = f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event}:dashboardId"
        self._refer(name, to, "dashboard", _id(str(panel.open)))

    def _titled(self, name: str | None) -> str:
        if name not in self.names:
            raise ConfigError(f"open {name} is no dashboard; there are {', '.join(self.names)}")
        return self.names[name]

    def _links(self) -> None:
        name = "links"
        links = []
        for place, (target, title) in enumerate(self.names.items()):
            reference = f"link_{target}_dashboard"
            links.append(
                {
                    "id": target,
                    "type": "dashboardLink",
                    "label": title.partition(", ")[2].capitalize() or title,
                    "order": place,
                    "destinationRefName": reference,
                    "options": {
                        "openInNewTab": False,
                        "useCurrentDateRange": True,
                        "useCurrentFilters": True,
                    },
                }
            )
            self._refer(name, reference, "dashboard", _id(target))
        config = {"attributes": {"layout": "horizontal", "links": links}, "enhancements": {}}
        self._add(name, "links", (0, -_HEAD, COLUMNS, _HEAD), config, "")

    def _notes(self) -> None:
        lines = [f"* **{', '.join(titles)}**: {words}" for words, titles in self.wanting.items()]
        text = "Panels that stay empty unless there is:\n\n" + "\n".join(lines)
        foot = max(panel.place[1] + panel.place[3] for panel in self.dashboard.panels)
        saved = {
            "type": "markdown",
            "title": "",
            "description": "",
            "params": {"fontSize": 12, "markdown": text, "openLinksInNewTab": False},
            "uiState": {},
            "data": {"aggs": [], "searchSource": {"query": {"language": "kuery", "query": ""}, "filter": []}},
        }
        height = 4 + 2 * len(lines)
        config = {"savedVis": saved, "enhancements": {}}
        self._add("notes", "visualization", (0, foot, COLUMNS, height), config, "What the panels need")

    def _controls(self) -> dict[str, Any]:
        panels = {}
        for place, (field, title) in enumerate(_CONTROLS.items()):
            name = f"control-{place}"
            given = {
                "id": name,
                "fieldName": field,
                "title": title,
                "selectedOptions": [],
                "enhancements": {},
            }
            panels[name] = {
                "type": "optionsListControl",
                "order": place,
                "grow": True,
                "width": "medium",
                "explicitInput": given,
            }
            reference = f"controlGroup_{name}:optionsListDataView"
            self.references.append({"type": "index-pattern", "id": DATA_VIEW, "name": reference})
        ignored = dict.fromkeys(
            ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations"), False
        )
        return {
            "controlStyle": "oneLine",
            "chainingSystem": "HIERARCHICAL",
            "ignoreParentSettingsJSON": _json(ignored),
            "panelsJSON": _json(panels),
        }

    def _refer(self, panel: str, name: str, kind: str, to: str) -> None:
        self.references.append({"type": kind, "id": to, "name": f"{panel}:{name}"})

    def _add(
        self, name: str, kind: str, place: tuple[int, int, int, int], config: dict[str, Any], title: str
    ) -> None:
        x, y, width, height = place
        panel = {
            "version": _PANEL,
            "type": kind,
            "panelIndex": name,
            "gridData": {"x": x, "y": y + _HEAD, "w": width, "h": height, "i": name},
            "embeddableConfig": config,
        }
        if title:
            panel["title"] = title
        if kind == "search":
            panel["panelRefName"] = f"panel_{name}"
        self.panels.append(panel)


def _kuery(search: Search) -> dict[str, str]:
    return {"language": "kuery", "query": kql.compile_filter(search.query.filter)}


def _tagged() -> dict[str, str]:
    return {"type": "tag", "id": _TAG, "name": f"tag-ref-{_TAG}"}


def _id(name: str) -> str:
    return f"vpcflow-{name}"


def _json(content: object) -> str:
    return json.dumps(content, separators=(",", ":"))
