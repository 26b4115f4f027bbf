"""The files of ``kibana/``: they ship inside the package; in a checkout its own ones count.

Objects of a space other than ``default`` carry its name in their ids: Kibana wants ids unique over all
spaces, and gives an object another one when its own is taken, so that links to it would end nowhere.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError

__all__ = ["SAVED_OBJECTS", "folder", "in_space", "saved_objects"]

#: Data view, tag, saved search and dashboards in one file, as Kibana imports them.
SAVED_OBJECTS = "saved_objects/vpcflow.ndjson"


@functools.cache
def folder() -> Path:
    """Where ``dashboards``, ``rules`` and ``saved_objects`` are.

    Raises:
        ConfigError: the installation lacks them.
    """
    package = Path(__file__).parents[1]
    checkout = package.parents[1]
    own = checkout / "kibana"
    # What was edited there is what counts, not what the last build took along.
    if (checkout / "pyproject.toml").is_file() and own.is_dir():
        return own
    shipped = package / "assets" / "kibana"
    if not shipped.is_dir():
        raise ConfigError(f"{shipped}: is not there; install vpcflow again")
    return shipped


def in_space(name: str, space: str) -> str:
    """The id that an object has in a space."""
    return name if space == "default" else f"{name}-{space}"


def saved_objects(space: str = "default") -> list[dict[str, Any]]:
    """The objects to import, with the ids that they have in the space."""
    lines = (folder() / SAVED_OBJECTS).read_text(encoding="utf-8").splitlines()
    objects = [json.loads(line) for line in lines]
    ids = {(one["type"], one["id"]) for one in objects}
    return [_renamed(one, ids, space) for one in objects] if space != "default" else objects


def _renamed(content: Any, ids: set[tuple[str, str]], space: str) -> Any:
    """The same with the space in each id: of objects, of references, and in JSON that is kept as text."""
    if isinstance(content, list):
        return [_renamed(part, ids, space) for part in content]
    if not isinstance(content, dict):
        return content
    named = {
        key: _text(value, ids, space) if key == "panelsJSON" else _renamed(value, ids, space)
        for key, value in content.items()
    }
    if (content.get("type"), content.get("id")) in ids:
        named["id"] = in_space(content["id"], space)
    return named


def _text(value: str, ids: set[tuple[str, str]], space: str) -> str:
    return json.dumps(_renamed(json.loads(value), ids, space), separators=(",", ":"))
