"""The table ``[kibana]`` of ``vpcflow.toml``.

::

    [kibana]
    url = "https://kibana.example.com:5601"
    space = "network"

    [kibana.connectors.mail]
    type = "email"
    from = "vpcflow@example.com"
    host = "smtp.example.com"
    to = ["network-team@example.com"]
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vpcflow.config import load, load_owners
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.owners import Owner

__all__ = ["KibanaConfig", "read"]

_KEYS = ("url", "space", "connectors")


@dataclass(frozen=True, slots=True)
class KibanaConfig:
    """What ``vpcflow setup`` takes from a file.

    Attributes:
        url: of Kibana.
        space: to set up.
        connectors: the tables ``[kibana.connectors.<name>]`` by name, as they are written.
        owners: of flows; alerts on theirs go to them. None when there is no file.
        where: the file, for messages.
    """

    url: str | None = None
    space: str | None = None
    connectors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    owners: Sequence[Owner] | None = None
    where: str = "vpcflow.toml"


def read(path: str | os.PathLike[str]) -> KibanaConfig:
    """What a file says of Kibana.

    Raises:
        ConfigError: the file can't be read, is not TOML, or has a table, key or value that means nothing.
    """
    load(path)  # the rest of the file is right, too
    where = os.fspath(path)
    table = tomllib.loads(Path(path).read_text(encoding="utf-8")).get("kibana", {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: kibana must be a table, [kibana]")
    for key, value in table.items():
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, 1)
            meant = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(_KEYS)}"
            raise ConfigError(f"{where}: [kibana] has no {key}{meant}")
        if key == "connectors":
            if not isinstance(value, Mapping) or not all(isinstance(one, Mapping) for one in value.values()):
                raise ConfigError(f"{where}: [kibana] connectors are tables, [kibana.connectors.NAME]")
        elif not isinstance(value, str) or not value:
            raise ConfigError(f"{where}: [kibana] {key} must be a text")
    connectors = table.get("connectors", {})
    owners = load_owners(path)
    return KibanaConfig(table.get("url"), table.get("space"), connectors, owners, where)
