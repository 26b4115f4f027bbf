"""What a log must have for a field to be there: in words, for panels that stay empty without it."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from vpcflow import _core

__all__ = ["need", "needs"]

#: What every document has, or every flow in AWS's default format.
_ALWAYS = (
    "@timestamp",
    "agent.",
    "data_stream.",
    "ecs.version",
    "error.message",
    "input.type",
    "log.",
    "tags",
)
_DEFAULT_FORMAT = {
    "cloud.account.id",
    "cloud.provider",
    "destination.address",
    "destination.ip",
    "destination.port",
    "related.ip",
    "source.address",
    "source.bytes",
    "source.ip",
    "source.packets",
    "source.port",
}

#: Fields of a flow log whose ECS name is another one.
_NAMED = {
    "aws.vpcflow.pkt_dst_service": "pkt-dst-aws-service",
    "aws.vpcflow.pkt_src_service": "pkt-src-aws-service",
    "cloud.availability_zone": "az-id",
    "cloud.instance.id": "instance-id",
    "cloud.region": "region",
    "event.reason": "reject-reason",
}

#: Of these, what an inventory says, too.
_INVENTORY = (
    "aws.vpcflow.instance_id",
    "aws.vpcflow.subnet_id",
    "aws.vpcflow.vpc_id",
    "cloud.availability_zone",
    "cloud.instance.id",
    "cloud.region",
)

#: What isn't in a flow log: who adds it.
_ADDED = {
    ".geo.": "countries and cities of addresses, which vpcflow index adds from a geo database",
    ".as.": "networks of addresses, which vpcflow index adds from an ASN database",
    "labels.": "labels, which vpcflow index adds from an inventory and from [[owners]]",
    "threat.": "threat lists, which vpcflow index compares addresses with",
}


def need(field: str) -> str | None:
    """What one field needs; None when a flow log in the default format has it."""
    if field in _DEFAULT_FORMAT or field.startswith(_ALWAYS):
        return None
    for part, words in _ADDED.items():
        if part in f".{field}" or field.startswith(part):
            return words
    name = _NAMED.get(field)
    if name is None and field.startswith("aws.vpcflow."):
        name = field.removeprefix("aws.vpcflow.").replace("_", "-")
    if name is None and field.partition(".")[0] in ("event", "network"):
        return None
    version = _versions().get(name or "")
    if version is None:
        return f"{field}, which no flow log has: vpcflow index adds it, from an inventory for one"
    words = f"${{{name}}} in the flow log's format (version {version})"
    if field in _INVENTORY:
        words += ", or an inventory of vpcflow index"
    return words if version > 2 else None


def needs(fields: Iterable[str]) -> list[str]:
    """What some fields need, each once, in their order."""
    return list(dict.fromkeys(words for field in fields if (words := need(field)) is not None))


@functools.cache
def _versions() -> dict[str, int]:
    return {name: version for version, name, _, _ in _core.fields()}
