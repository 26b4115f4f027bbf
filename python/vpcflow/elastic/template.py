"""The index template of the data stream: the type of every field that a document can have.

Types come from the core's own list of what it writes. Here stands only what that list can't know: fields that
sources and enrichers add, and mappings that are more than a type.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vpcflow import _core
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch import Elasticsearch

__all__ = ["DATASET", "NAME", "body", "data_stream", "fields", "put_template"]

DATASET = "aws.vpcflow"

#: Not ``logs-aws.vpcflow``: that is the name of the template that Elastic's integration installs.
NAME = "vpcflow-logs"

#: Goes up with every change of what `body` returns, so that an older vpcflow leaves a newer template alone.
VERSION = 1

#: Above the stack's own ``logs-*-*`` (100) and the integration's (200).
PRIORITY = 250

#: Which type stands in where a server is built without one. Whatever is asked of flow logs works on both.
STAND_INS = {"constant_keyword": "keyword", "wildcard": "keyword", "match_only_text": "text"}

#: A longer keyword is kept in the document but can't be searched; Lucene would refuse one over 32 KiB.
_KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}

_GEO = {
    "city_name": _KEYWORD,
    "continent_name": _KEYWORD,
    "country_iso_code": _KEYWORD,
    "country_name": _KEYWORD,
    "region_iso_code": _KEYWORD,
    "region_name": _KEYWORD,
    "location": {"type": "geo_point"},
}

_FORBIDDEN = '\\/*?"<>| ,#:-'

#: What the core doesn't write itself, or where the mapping is more than a type.
_OTHERS: dict[str, dict[str, Any]] = {
    "aws.s3.metadata": {"type": "flattened"},
    "awscloudwatch.ingestion_time": {"type": "date"},
    "awscloudwatch.log_group": _KEYWORD,
    "awscloudwatch.log_stream": _KEYWORD,
    "cloud.image.id": _KEYWORD,
    # Kept to be read, not to be searched; so a line of any length can be stored.
    "event.original": {"type": "keyword", "index": False, "doc_values": False},
    "host.containerized": {"type": "boolean"},
    "host.os.build": _KEYWORD,
    "host.os.codename": _KEYWORD,
    **{f"{side}.geo.{name}": mapping for side in ("source", "destination") for name, mapping in _GEO.items()},
    **{f"{side}.as.number": {"type": "long"} for side in ("source", "destination")},
    **{f"{side}.as.organization.name": _KEYWORD for side in ("source", "destination")},
}


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


def fields() -> dict[str, dict[str, Any]]:
    """The mapping of every field by its dotted name."""
    core = {name: _KEYWORD if kind == "keyword" else {"type": kind} for name, kind, _ in _core.columns()}
    return dict(sorted((core | _OTHERS).items()))


def body(stand_ins: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The template as Elasticsearch takes it, with other types in the place of those that a server lacks."""
    properties: dict[str, Any] = {}
    mapped = fields()
    for name, mapping in mapped.items():
        *parents, leaf = name.split(".")
        if any(".".join(parents[:depth]) in mapped for depth in range(1, len(parents) + 1)):
            continue  # a part of a field that is mapped as a whole, such as the latitude of a geo_point
        level = properties
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[leaf] = _stand_in(mapping, stand_ins or {})
    return {
        "index_patterns": [f"logs-{DATASET}-*"],
        "priority": PRIORITY,
        "version": VERSION,
        "data_stream": {},
        "template": {
            "mappings": {
                "date_detection": False,  # a field that AWS adds later stays what it is in the log: text
                "dynamic_templates": [{"strings": {"match_mapping_type": "string", "mapping": _KEYWORD}}],
                "properties": properties,
            }
        },
        "_meta": {"managed_by": "vpcflow", "description": "AWS VPC Flow Logs in ECS, written by vpcflow"},
    }


def put_template(client: Elasticsearch) -> list[str]:
    """Stores the template unless the server has this one or a newer one; returns what the user should know.

    It holds for data streams that are made, and backing indices that are rolled over to, from then on.

    Raises:
        elasticsearch.ApiError, elasticsearch.TransportError: as the client raises them.
    """
    from elasticsearch import BadRequestError

    stored = _stored(client)
    if stored.get("version", 0) > VERSION and stored.get("_meta", {}).get("managed_by") == "vpcflow":
        return [f"the index template {NAME} was written by a newer vpcflow: it is left as it is"]
    stand_ins: dict[str, str] = {}
    while True:
        wanted = body(stand_ins)
        if all(stored.get(key) == wanted[key] for key in wanted if key != "data_stream"):
            break
        try:
            arguments = {key.lstrip("_"): value for key, value in wanted.items()}
            client.indices.put_index_template(name=NAME, **arguments)
            break
        except BadRequestError as error:
            lacks = re.search(r"mapper type \[(\w+)\]", str(error.body))
            if lacks is None or lacks[1] not in STAND_INS.keys() - stand_ins.keys():
                raise
            stand_ins[lacks[1]] = STAND_INS[lacks[1]]
    return [f"the server has no field type {lacks}: {other} stands in" for lacks, other in stand_ins.items()]


def _stored(client: Elasticsearch) -> dict[str, Any]:
    from elasticsearch import NotFoundError

    try:
        found = client.indices.get_index_template(name=NAME)["index_templates"]
    except NotFoundError:
        return {}
    stored: dict[str, Any] = found[0]["index_template"] if found else {}
    return stored


def _stand_in(mapping: dict[str, Any], stand_ins: Mapping[str, str]) -> dict[str, Any]:
    if mapping["type"] not in stand_ins:
        return mapping
    kind = stand_ins[mapping["type"]]
    return _KEYWORD if kind == "keyword" else {"type": kind}
