"""How Elasticsearch maps each field that a document can have: type, index, doc values.

Types come from the core's own list of what it writes. Here stands what that list can't know: fields that
sources and enrichers add (ECS 8.11 and the "AWS VPC Flow" integration say their types), and mappings that
are more than a type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vpcflow import _core

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

__all__ = ["DYNAMIC_TEMPLATES", "STAND_INS", "fields", "properties"]

#: Which type stands in where a server is built without one. Whatever is asked of flow logs works on both.
STAND_INS = {"constant_keyword": "keyword", "wildcard": "keyword", "match_only_text": "text"}

#: A longer keyword is kept in the document but can't be searched; Lucene would refuse one over 32 KiB.
_KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}
_LONG: dict[str, Any] = {"type": "long"}
_DATE: dict[str, Any] = {"type": "date"}

#: Objects that take fields nobody has listed: AWS adds fields, and labels are the user's. All else that is
#: not listed is kept in the document and not mapped (``dynamic: false``): no input can swell the mapping.
_OPEN: dict[str, dict[str, Any]] = {
    "aws.vpcflow": {"dynamic": True},
    # A label may have dots in its name and be another label's beginning (team, team.mail): no objects there.
    "labels": {"dynamic": True, "subobjects": False, "type": "object"},
}

#: What a field becomes that is not listed: text, as it is in the log; labels are keywords in ECS.
DYNAMIC_TEMPLATES: list[dict[str, Any]] = [
    {"labels": {"path_match": "labels.*", "match_mapping_type": "*", "mapping": _KEYWORD}},
    {"strings": {"match_mapping_type": "string", "mapping": _KEYWORD}},
]

#: Asked for sums, histograms and ranges among other conditions, or the same as a field that has an index: doc
#: values answer that. Whatever can be asked of an indexed field can be asked of these, by looking at more
#: documents.
_DOC_VALUES_ONLY = frozenset(
    {
        "event.start",
        "event.end",
        "event.ingested",
        "source.bytes",
        "source.packets",
        "network.bytes",
        "network.packets",
        "log.offset",
        # The same as source.ip and destination.ip.
        "source.address",
        "destination.address",
    }
)

_SIDES = ("source", "destination")

_GEO = {
    "city_name": _KEYWORD,
    "continent_name": _KEYWORD,
    "country_iso_code": _KEYWORD,
    "country_name": _KEYWORD,
    "region_iso_code": _KEYWORD,
    "region_name": _KEYWORD,
    "location": {"type": "geo_point"},
}

#: What an inventory says of an end of a flow that is ours. ECS has no cloud and no interface below source and
#: destination: the names are those that its cloud and interface have elsewhere.
_END = {
    "cloud.account.id": _KEYWORD,
    "cloud.availability_zone": _KEYWORD,
    "cloud.instance.id": _KEYWORD,
    "cloud.instance.name": _KEYWORD,
    "domain": _KEYWORD,
    "interface.id": _KEYWORD,
    "interface.type": _KEYWORD,
}

#: What the core doesn't write itself, or where the mapping is more than a type.
_OTHERS: dict[str, dict[str, Any]] = {
    "aws.s3.metadata": {"type": "flattened"},
    "aws.vpcflow.interface.description": _KEYWORD,
    "aws.vpcflow.interface.name": _KEYWORD,
    "aws.vpcflow.interface.owner": _KEYWORD,
    "aws.vpcflow.interface.type": _KEYWORD,
    "aws.vpcflow.security_groups": _KEYWORD,
    "aws.vpcflow.vpc_name": _KEYWORD,
    "awscloudwatch.ingestion_time": _DATE,
    "awscloudwatch.log_group": _KEYWORD,
    "awscloudwatch.log_stream": _KEYWORD,
    "cloud.image.id": _KEYWORD,
    "cloud.instance.name": _KEYWORD,
    "cloud.machine.type": _KEYWORD,
    "data_stream.dataset": {"type": "constant_keyword", "value": "aws.vpcflow"},
    "data_stream.type": {"type": "constant_keyword", "value": "logs"},
    "event.module": {"type": "constant_keyword", "value": "aws"},
    # Kept to be read, not to be searched; so a line of any length can be stored.
    "event.original": {"type": "keyword", "index": False, "doc_values": False},
    "host.containerized": {"type": "boolean"},
    "host.hostname": _KEYWORD,
    "host.id": _KEYWORD,
    "host.name": _KEYWORD,
    "host.os.build": _KEYWORD,
    "host.os.codename": _KEYWORD,
    "host.type": _KEYWORD,
    # Other labels are mapped as they come; rules ask for these from the start.
    "labels.owner": _KEYWORD,
    "labels.team": _KEYWORD,
    "network.application": _KEYWORD,
    "network.name": _KEYWORD,
    "network.protocol": _KEYWORD,
    "service.type": _KEYWORD,
    **{
        f"{side}.{name}": mapping
        for side in _SIDES
        for name, mapping in {
            "as.number": _LONG,
            "as.organization.name": _KEYWORD,
            **{f"geo.{name}": mapping for name, mapping in _GEO.items()},
            **_END,
        }.items()
    },
    "threat.feed.description": _KEYWORD,
    "threat.feed.name": _KEYWORD,
    "threat.feed.reference": _KEYWORD,
    "threat.indicator.confidence": _KEYWORD,
    "threat.indicator.description": _KEYWORD,
    "threat.indicator.first_seen": _DATE,
    "threat.indicator.ip": {"type": "ip"},
    "threat.indicator.last_seen": _DATE,
    "threat.indicator.marking.tlp": _KEYWORD,
    "threat.indicator.modified_at": _DATE,
    "threat.indicator.name": _KEYWORD,
    "threat.indicator.provider": _KEYWORD,
    "threat.indicator.reference": _KEYWORD,
    "threat.indicator.sightings": _LONG,
    "threat.indicator.type": _KEYWORD,
}


def fields() -> dict[str, dict[str, Any]]:
    """The mapping of every field by its dotted name."""
    core = {name: _KEYWORD if kind == "keyword" else {"type": kind} for name, kind, _ in _core.columns()}
    mapped = core | _OTHERS
    for name in _DOC_VALUES_ONLY:
        mapped[name] = mapped[name] | {"index": False}
    return dict(sorted(mapped.items()))


def properties(
    stand_ins: Mapping[str, str] | None = None, without: Container[str] = ()
) -> dict[str, dict[str, Any]]:
    """The fields as a mapping's ``properties``, with other types in the place of those that a server lacks.

    Args:
        stand_ins: type to type.
        without: parameters that the server doesn't know; what they ask for is left to it.
    """
    tree: dict[str, Any] = {}
    mapped = fields()
    for name, mapping in mapped.items():
        *parents, leaf = name.split(".")
        if any(".".join(parents[:depth]) in mapped for depth in range(1, len(parents) + 1)):
            continue  # a part of a field that is mapped as a whole, such as the latitude of a geo_point
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[leaf] = _adapted(mapping, stand_ins or {}, without)
    for name, mapping in _OPEN.items():
        *parents, leaf = name.split(".")
        level = tree
        for parent in parents:
            level = level[parent]["properties"]
        level[leaf] = level.get(leaf, {}) | {key: mapping[key] for key in mapping if key not in without}
    return tree


def _adapted(
    mapping: dict[str, Any], stand_ins: Mapping[str, str], without: Container[str]
) -> dict[str, Any]:
    if mapping["type"] in stand_ins:
        kind = stand_ins[mapping["type"]]
        mapping = _KEYWORD if kind == "keyword" else {"type": kind}
    return {key: value for key, value in mapping.items() if key not in without}
