"""The dashboards as people write them: ``kibana/dashboards/*.yml``, checked and with their queries parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.model import Query

__all__ = ["CHARTS", "COLUMNS", "COUNTS", "LABELS", "Dashboard", "Panel", "Search", "load"]

#: Kibana's grid.
COLUMNS = 48

#: What a panel counts, in its title and in its description.
COUNTS = {
    "all": (
        "all interfaces",
        "Over all interfaces: a flow between two that are both logged counts at each of them.",
    ),
    "interface": ("by interface", "At each interface by itself: no flow counts twice."),
}

#: What a field is called where people read it; the others go by their names.
LABELS = {
    "source.ip": "Source",
    "source.port": "Source port",
    "destination.ip": "Destination",
    "destination.port": "Port",
    "destination.geo.country_name": "Country",
    "aws.vpcflow.interface_id": "Interface",
    "aws.vpcflow.subnet_id": "Subnet",
    "aws.vpcflow.tgw_attachment_id": "Attachment",
    "cloud.instance.id": "Instance",
    "log.file.path": "Object or file",
    "threat.feed.name": "List",
}

#: Types of panels that a query is drawn as.
CHARTS = ("metric", "line", "area", "bar", "donut", "table", "heatmap", "map")
_TYPES = (*CHARTS, "lag", "search")
_COMPARE = ("previous", "gone")


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        counts: a key of `COUNTS`.
        place: x, y, width and height on the grid.
        query: none for `lag` and `search`.
        compare: ``previous`` shows the period before too, ``gone`` orders by it.
        about: what to know to read it.
        open: the dashboard that a click on a value leads to.
    """

    title: str
    type: str
    counts: str
    place: tuple[int, int, int, int]
    query: Query | None = None
    compare: str | None = None
    about: str = ""
    open: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A saved search: which documents, and which of their fields as columns."""

    id: str
    title: str
    query: Query
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard; its name is that of its file."""

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    search: Search | None = None


def load(path: Path) -> Dashboard:
    """A dashboard from its file.

    Raises:
        ConfigError: what is in the file means nothing; the message says where.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    where = str(path)
    _known(content, ("title", "description", "panels"), ("search",), where)
    if not isinstance(content["panels"], list) or not content["panels"]:
        raise ConfigError(f"{where}: panels must be a list with one at least")
    panels = tuple(_panel(one, f"{where}: panel {number}") for number, one in enumerate(content["panels"], 1))
    search = _search(content["search"], f"{where}: search") if "search" in content else None
    _check_places(panels, where)
    return Dashboard(path.stem, content["title"], content["description"], panels, search)


def _panel(content: Any, where: str) -> Panel:
    _known(content, ("title", "type", "counts", "place"), ("query", "compare", "about", "open"), where)
    where = f"{where} ({content['title']})"
    for key, allowed in (("type", _TYPES), ("counts", tuple(COUNTS)), ("compare", (None, *_COMPARE))):
        if content.get(key) not in allowed:
            raise ConfigError(
                f"{where}: {key} {content.get(key)!r} is none of {', '.join(map(str, allowed))}"
            )
    place = content["place"]
    if not (
        isinstance(place, list) and len(place) == 4 and all(type(one) is int and one >= 0 for one in place)
    ):
        raise ConfigError(f"{where}: place must be [x, y, width, height]")
    if place[0] + place[2] > COLUMNS or not place[2] or not place[3]:
        raise ConfigError(f"{where}: place must have a size, and end at column {COLUMNS}")
    charts = content["type"] in CHARTS
    if charts != ("query" in content):
        raise ConfigError(f"{where}: a {content['type']} {'needs' if charts else 'takes no'} query")
    query = _query(content["query"], where) if charts else None
    return Panel(
        **{**content, "place": tuple(place), "query": query, "about": content.get("about", "").strip()}
    )


def _search(content: Any, where: str) -> Search:
    _known(content, ("id", "title", "query", "columns"), (), where)
    query = _query({"metrics": [{"count": "flows"}], **content["query"]}, where)
    return Search(content["id"], content["title"], query, tuple(content["columns"]))


def _query(content: Any, where: str) -> Query:
    try:
        return Query.parse(content)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _known(content: Any, required: tuple[str, ...], optional: tuple[str, ...], where: str) -> None:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: must have keys and values")
    for key in required:
        if key not in content:
            raise ConfigError(f"{where}: {key} is missing")
    for key in content:
        if key not in (*required, *optional):
            raise ConfigError(f"{where}: {key} is none of {', '.join((*required, *optional))}")


def _check_places(panels: tuple[Panel, ...], where: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        x, y, width, height = panel.place
        for cell in ((column, row) for column in range(x, x + width) for row in range(y, y + height)):
            if cell in taken:
                raise ConfigError(f"{where}: {panel.title} lies on {taken[cell]}")
            taken[cell] = panel.title
