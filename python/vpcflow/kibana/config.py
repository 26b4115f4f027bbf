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

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vpcflow.config import load_owners, load_table

if TYPE_CHECKING:
    from vpcflow.owners import Owner

__all__ = ["KibanaConfig", "read"]


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
    table = load_table(path, "kibana", ("url", "space"), ("connectors",))
    connectors = table.get("connectors", {})
    owners = load_owners(path)
    return KibanaConfig(table.get("url"), table.get("space"), connectors, owners, os.fspath(path))
