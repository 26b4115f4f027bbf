"""The channels of ``vpcflow.toml``.

::

    [alerts.channels.mail]
    type = "email"
    from = "vpcflow@example.com"
    host = "smtp.example.com"
    to = ["network-team@example.com"]

Types and fields are those of ``[kibana.connectors]``, and a few more. Without ``[alerts.channels]`` those
connectors are the channels; without either there is standard output.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vpcflow.config import load, load_table
from vpcflow.connectors import KINDS, Connector, Kind, Section, read
from vpcflow.kibana.client import public_url
from vpcflow.kibana.config import read as read_kibana
from vpcflow.sinks import DEFAULT_TARGET, without_userinfo

if TYPE_CHECKING:
    from vpcflow.kibana.config import KibanaConfig

__all__ = ["KINDS_OF_CHANNELS", "Settings", "read_settings"]


def _with(name: str, **optional: object) -> Kind:
    return replace(KINDS[name], optional={**KINDS[name].optional, **optional})


#: Kibana's fields, and what Kibana has in its own set-up: where Elasticsearch is, which authorities to trust.
KINDS_OF_CHANNELS: Mapping[str, Kind] = {
    "email": _with("email", starttls=None, ca=None),
    "index": _with("index", url=None, ca=None),
    "webhook": _with("webhook", ca=None),
    "slack": _with("slack", ca=None),
    "stdout": Kind(),
}

_ELASTICSEARCH = ("http:", "https:", "cloud:")

#: What Kibana writes into its own log has no other place here.
_STDOUT = Connector("stdout", "stdout", {})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file says of telling.

    Attributes:
        connectors: the channels.
        kibana: URL of Kibana without credentials, for links; None when there is none.
        space: of Kibana.
        owned: whether there are owners: what has none is then a part of the flows, else it is all of them.
        elasticsearch: where documents go to, for channels that say nothing else.
        flows: where the flows are, without credentials, for commands; None is where they are by default.
    """

    connectors: tuple[Connector, ...] = (_STDOUT,)
    kibana: str | None = None
    space: str = "default"
    owned: bool = False
    elasticsearch: str | None = None
    flows: str | None = None


def read_settings(
    path: str | os.PathLike[str] | None, environ: Mapping[str, str], flows: str | None = None
) -> Settings:
    """What a file says of telling; without a file, standard output is told.

    Args:
        path: of the file.
        environ: where secrets are, and where Elasticsearch is.
        flows: where the flows are.

    Raises:
        ConfigError: the file can't be read, is not TOML, or has something that means nothing, or a secret is
            missing.
    """
    told = without_userinfo(flows) if flows and flows != DEFAULT_TARGET else None
    if path is None:
        return Settings(flows=told)
    tables = load_table(path, "alerts", (), ("channels",)).get("channels")
    kibana = read_kibana(path)
    targets = (environ.get("ELASTICSEARCH_URL"), flows, load(path).get("to"))
    return Settings(
        connectors=_channels(tables, kibana, environ) or (_STDOUT,),
        kibana=public_url(kibana.url) if kibana.url else None,
        space=kibana.space or "default",
        owned=bool(kibana.owners),
        elasticsearch=next((one for one in targets if one and one.startswith(_ELASTICSEARCH)), None),
        flows=told,
    )


def _channels(
    tables: Mapping[str, Mapping[str, object]] | None, kibana: KibanaConfig, environ: Mapping[str, str]
) -> tuple[Connector, ...]:
    if tables:
        section = Section(kibana.where, "alerts.channels", "VPCFLOW_CHANNEL", KINDS_OF_CHANNELS)
        return tuple(read(section, tables, environ))
    section = Section(kibana.where, "kibana.connectors", "KIBANA_CONNECTOR", KINDS)
    found = read(section, kibana.connectors, environ)
    return tuple(replace(one, type="stdout") if one.type == "server-log" else one for one in found)
