"""The dashboards as people write them: ``kibana/dashboards/*.yml``, checked and with their queries parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.places import Place
from vpcflow.query.fields import kind
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
    """One dashboard; its name is that of its file.

    Attributes:
        where: the file, for messages.
    """

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    search: Search | None
    where: Place = field(repr=False, compare=False)

    def place_of(self, number: int) -> Place:
        """Where a panel stands in the file, the first is 0."""
        return _place(self.where, number, self.panels[number].title)


def load(path: Path) -> Dashboard:
    """A dashboard from its file.

    Raises:
        ConfigError: what is in the file means nothing; the message says file, line and why. Or the package
            that reads it is not installed.
    """
    try:
        import sigma  # noqa: F401 - for the filters; it brings yaml
        import yaml
    except ImportError as error:
        raise ConfigError("dashboards need the package pysigma: pip install 'vpcflow[report]'") from error

    try:
        text = path.read_text(encoding="utf-8")
        content, node = yaml.safe_load(text), yaml.compose(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    where = Place(path, text, node)
    _known(content, ("title", "description", "panels"), ("search",), where)
    if not isinstance(content["panels"], list) or not content["panels"]:
        raise where.within("panels").error("panels must be a list with one at least")
    panels = tuple(_panel(one, _place(where, number)) for number, one in enumerate(content["panels"]))
    search = _search(content["search"], where.within("search", "search")) if "search" in content else None
    title, description = (_text(content, key, where) for key in ("title", "description"))
    board = Dashboard(path.stem, title, description, panels, search, where)
    _check_places(board)
    return board


def _place(where: Place, number: int, title: str = "") -> Place:
    return where.within("panels").within(number, f"panel {title}" if title else "")


def _panel(content: Any, where: Place) -> Panel:
    if isinstance(content, Mapping) and "title" in content:
        where = replace(where, name=f"panel {content['title']}")
    _known(content, ("title", "type", "counts", "place"), ("query", "compare", "about", "open"), where)
    for key, allowed in (("type", _TYPES), ("counts", tuple(COUNTS)), ("compare", (None, *_COMPARE))):
        if content.get(key) not in allowed:
            raise where.within(key).error(
                f"{key} {content.get(key)!r} is none of {', '.join(map(str, allowed))}"
            )
    place = content["place"]
    if not (
        isinstance(place, list) and len(place) == 4 and all(type(one) is int and one >= 0 for one in place)
    ):
        raise where.within("place").error("place must be [x, y, width, height]")
    if place[0] + place[2] > COLUMNS or not place[2] or not place[3]:
        raise where.within("place").error(f"place must have a size, and end at column {COLUMNS}")
    charts = content["type"] in CHARTS
    if charts != ("query" in content):
        raise where.error(f"a {content['type']} {'needs a' if charts else 'takes no'} query", "query", "type")
    query = _query(content["query"], where.within("query")) if charts else None
    texts = {key: _text(content, key, where) for key in ("title", "about", "open") if key in content}
    return Panel(**{**content, **texts, "place": tuple(place), "query": query})


def _search(content: Any, where: Place) -> Search:
    _known(content, ("id", "title", "query", "columns"), (), where)
    if not isinstance(content["query"], Mapping):
        raise where.within("query").error("query must have keys and values")
    query = _query({"metrics": [{"count": "flows"}], **content["query"]}, where.within("query"))
    columns = content["columns"]
    if not isinstance(columns, list) or not columns:
        raise where.within("columns").error("columns must be a list of fields")
    for number, name in enumerate(columns):
        try:
            kind(str(name))
        except ConfigError as error:
            raise where.within("columns").within(number).error(str(error)) from error
    return Search(_text(content, "id", where), _text(content, "title", where), query, tuple(columns))


def _query(content: Any, where: Place) -> Query:
    try:
        return Query.parse(content)
    except ConfigError as error:
        raise where.error(str(error)) from error


def _text(content: Mapping[str, Any], key: str, where: Place) -> str:
    value = content[key]
    if not isinstance(value, str) or not value:
        raise where.within(key).error(f"{key} must be a text")
    return value.strip()


def _known(content: Any, required: tuple[str, ...], optional: tuple[str, ...], where: Place) -> None:
    if not isinstance(content, Mapping):
        raise where.error("must have keys and values")
    for key in content:
        if key not in (*required, *optional):
            raise where.within(key).error(f"{key} is none of {', '.join((*required, *optional))}")
    for key in required:
        if key not in content:
            raise where.error(f"{key} is missing")


def _check_places(board: Dashboard) -> None:
    taken: dict[tuple[int, int], str] = {}
    for number, panel in enumerate(board.panels):
        x, y, width, height = panel.place
        for cell in ((column, row) for column in range(x, x + width) for row in range(y, y + height)):
            if cell in taken:
                raise board.place_of(number).within("place").error(f"lies on {taken[cell]}")
            taken[cell] = panel.title
