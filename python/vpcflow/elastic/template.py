"""What set-up stores in Elasticsearch: component templates, and the index template that puts them together.

The names follow Elastic's own: ``…@mappings`` and ``…@settings`` are ours, ``…@custom`` is the user's, comes
last, and need not exist. Nothing here talks to a server; `vpcflow.elastic.setup` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from vpcflow.elastic.fields import DYNAMIC_TEMPLATES, STAND_INS, fields, properties
from vpcflow.errors import ConfigError

__all__ = [
    "DATASET",
    "NAME",
    "STAND_INS",
    "VERSION",
    "Kind",
    "Options",
    "Part",
    "Server",
    "data_stream",
    "fields",
    "flat",
    "parts",
    "template_name",
]

DATASET = "aws.vpcflow"

#: Not ``logs-aws.vpcflow``: that is the name of the template that Elastic's integration installs.
NAME = "vpcflow-logs"

#: Goes up with every change of what `parts` returns, so that an older vpcflow leaves a newer template alone.
VERSION = 3

#: Above the stack's own ``logs-*-*`` (100) and the integration's (200). A namespace's own is above that.
PRIORITY = 250
NAMESPACE_PRIORITY = 260

#: Kept for good; otherwise a number of days or hours.
FOREVER = "forever"

IndexMode = Literal["auto", "logsdb", "standard"]
Kind = Literal["component template", "index template", "ILM policy"]

_FORBIDDEN = '\\/*?"<>| ,#:-'

#: When a backing index gives way to the next: what data stream lifecycle does by itself for such a retention.
#: https://www.elastic.co/docs/manage-data/lifecycle/data-stream (``max_age: auto``)
_ROLLOVER_DAYS = ((1, "1h"), (14, "1d"), (90, "7d"))


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator chooses; None is what was chosen before, and else the default.

    Attributes:
        namespace: of a template for one data stream only.
        shards: primary shards of each backing index; the server's default is 1.
        retention: how long flows are kept at least, ``30d`` or ``12h``; ``forever`` by default.
        index_mode: ``auto`` (the default) takes logsdb where the server has it.
    """

    namespace: str | None = None
    shards: int | None = None
    retention: str | None = None
    index_mode: IndexMode | None = None

    def __post_init__(self) -> None:
        if self.namespace is not None:
            data_stream(self.namespace)
        if self.shards is not None and not 1 <= self.shards <= 1024:
            raise ConfigError(f"shards {self.shards}: an index has 1 to 1024")
        if self.retention not in (None, FOREVER) and not re.fullmatch(
            r"[1-9]\d{0,5}[dh]", self.retention or ""
        ):
            raise ConfigError(
                f"retention {self.retention!r} is no time to keep flows; "
                f"take one such as 30d or 12h, or {FOREVER}"
            )

    def over(self, chosen: dict[str, Any]) -> Options:
        """These options, and where they say nothing the ones chosen before."""
        mine = self.chosen()
        names = ("shards", "retention", "index_mode")
        return Options(self.namespace, **{name: mine.get(name, chosen.get(name)) for name in names})

    def chosen(self) -> dict[str, Any]:
        """What is to be remembered with the template."""
        options = {"shards": self.shards, "retention": self.retention, "index_mode": self.index_mode}
        return {name: value for name, value in options.items() if value is not None}

    @property
    def keep(self) -> str | None:
        """The retention as Elasticsearch writes it; None is for ever."""
        return None if self.retention in (None, FOREVER) else self.retention


@dataclass(slots=True)
class Server:
    """What a server can't do of what the templates ask; to begin with, it can all.

    Attributes:
        stand_ins: types that it lacks, and what is there instead.
        without: parameters of mappings, and settings, that it doesn't know.
        logsdb: whether it has that index mode.
        lifecycle: what deletes old flows there.
    """

    stand_ins: dict[str, str] = field(default_factory=dict)
    without: set[str] = field(default_factory=set)
    logsdb: bool = True
    lifecycle: Literal["data stream lifecycle", "ILM"] | None = "data stream lifecycle"


class Part(NamedTuple):
    """One object as the server's API takes it."""

    kind: Kind
    name: str
    body: dict[str, Any]


def data_stream(namespace: str) -> str:
    """The name of the data stream of a namespace.

    Raises:
        ConfigError: the namespace is not what Elastic's naming scheme allows.
    """
    what = None
    if not namespace:
        what = "empty"
    elif len(namespace.encode()) > 100:
        what = f"{len(namespace.encode())} bytes long, 100 are allowed"
    elif namespace != namespace.lower():
        what = "not lower-case"
    elif bad := sorted({char for char in namespace if char in _FORBIDDEN or not char.isprintable()}):
        what = f"not a name for Elasticsearch, because of {' '.join(map(repr, bad))}"
    if what:
        raise ConfigError(f"namespace {namespace[:120]!r} is {what}; take one such as default or prod_eu")
    return f"logs-{DATASET}-{namespace}"


def template_name(namespace: str | None) -> str:
    """Of the index template, and of the ILM policy where there is one."""
    return NAME if namespace is None else f"{NAME}-{namespace}"


def parts(options: Options, server: Server, notes: list[str] | None = None) -> list[Part]:
    """Everything that is stored, in the order in which it has to be.

    `notes` is what the index template shall remember of how the server differs, for those who write into it.
    """
    own = "vpcflow" if options.namespace is None else f"vpcflow-{options.namespace}"
    name = template_name(options.namespace)
    custom = ["vpcflow@custom"] if options.namespace is None else ["vpcflow@custom", f"{own}@custom"]
    aws, ecs = _mappings(server)
    made = [
        _component("vpcflow-ecs@mappings", {"mappings": ecs}, "ECS fields"),
        _component("vpcflow-aws@mappings", {"mappings": aws}, "AWS's own fields"),
        _component(f"{own}@settings", _settings(options, server), "storage and retention"),
    ]
    if server.lifecycle == "ILM":
        made.insert(0, Part("ILM policy", name, {"policy": _policy(options)}))
    pattern = f"logs-{DATASET}-*" if options.namespace is None else data_stream(options.namespace)
    meta = {"managed_by": "vpcflow", "description": "AWS VPC Flow Logs in ECS, written by vpcflow"}
    index: dict[str, Any] = {
        "index_patterns": [pattern],
        "priority": PRIORITY if options.namespace is None else NAMESPACE_PRIORITY,
        "version": VERSION,
        "data_stream": {},
        "composed_of": [part.name for part in made if part.kind == "component template"] + custom,
        "ignore_missing_component_templates": custom,
        "_meta": meta | {"options": options.chosen(), "notes": notes or []},
    }
    return [*made, Part("index template", name, index)]


def flat(options: Options, server: Server) -> dict[str, Any]:
    """All of it as one ``template``: what the server can be asked about before anything is stored."""
    aws, ecs = _mappings(server)
    mappings = ecs | {
        "dynamic_templates": aws["dynamic_templates"],
        "properties": ecs["properties"] | aws["properties"],
    }
    return {"mappings": mappings, **_settings(options, server)}


def _component(name: str, template: dict[str, Any], what: str) -> Part:
    meta = {"managed_by": "vpcflow", "description": f"AWS VPC Flow Logs: {what}"}
    return Part("component template", name, {"template": template, "version": VERSION, "_meta": meta})


def _mappings(server: Server) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that AWS names, and all the others."""
    tree = properties(server.stand_ins, server.without)
    aws = {name: tree.pop(name) for name in ("aws", "awscloudwatch")}
    ecs = {"dynamic": False, "date_detection": False, "properties": tree}
    return {"dynamic_templates": DYNAMIC_TEMPLATES, "properties": aws}, ecs


def _settings(options: Options, server: Server) -> dict[str, Any]:
    mode = options.index_mode or "auto"
    settings: dict[str, Any] = {
        "index.codec": "best_compression",
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": "true",
    }
    if mode == "logsdb" or (mode == "auto" and server.logsdb):
        settings["index.mode"] = "logsdb"
    if options.shards is not None:
        settings["index.number_of_shards"] = str(options.shards)
    template: dict[str, Any] = {}
    if server.lifecycle == "ILM":
        settings["index.lifecycle.name"] = template_name(options.namespace)
    elif server.lifecycle is not None:
        lifecycle: dict[str, Any] = {"enabled": True}
        template["lifecycle"] = lifecycle | ({"data_retention": options.keep} if options.keep else {})
    known = {key: value for key, value in sorted(settings.items()) if key not in server.without}
    return {"settings": known, **template}


def _policy(options: Options) -> dict[str, Any]:
    keep = options.keep
    days = None if keep is None else int(keep[:-1]) / (24 if keep.endswith("h") else 1)
    age = "30d"
    if days is not None:
        age = next((age for most, age in _ROLLOVER_DAYS if days <= most), "30d")
    hot = {"min_age": "0ms", "actions": {"rollover": {"max_age": age, "max_primary_shard_size": "50gb"}}}
    phases: dict[str, Any] = {"hot": hot}
    if keep is not None:
        phases["delete"] = {"min_age": keep, "actions": {"delete": {}}}
    return {"phases": phases, "_meta": {"managed_by": "vpcflow", "version": VERSION}}
