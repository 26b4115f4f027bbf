"""What a server has of vpcflow: templates, ILM policies, data streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vpcflow.elastic.template import DATASET, NAME, Kind, data_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch import Elasticsearch

__all__ = ["components", "is_ours", "namespaces", "policies", "streams", "templates"]

#: Namespaces that are named at most.
_MANY = 1_000


def templates(client: Elasticsearch) -> dict[str, dict[str, Any]]:
    """Index templates by their names, those of namespaces too."""
    from elasticsearch import NotFoundError

    try:
        found = client.indices.get_index_template(name=f"{NAME}*")["index_templates"]
    except NotFoundError:
        return {}
    return {entry["name"]: entry["index_template"] for entry in found}


def components(client: Elasticsearch) -> dict[tuple[Kind, str], dict[str, Any]]:
    """Component templates by kind and name, users' own (``@custom``) too."""
    from elasticsearch import NotFoundError

    try:
        found = client.cluster.get_component_template(name="vpcflow*", flat_settings=True)
    except NotFoundError:
        return {}
    entries = found["component_templates"]
    return {("component template", entry["name"]): entry["component_template"] for entry in entries}


def policies(client: Elasticsearch, name: str) -> dict[tuple[Kind, str], dict[str, Any]]:
    """The ILM policy of that name, as `components` has them."""
    from elasticsearch import NotFoundError

    try:
        policy = client.ilm.get_lifecycle(name=name)[name]["policy"]
    except NotFoundError:
        return {}
    meta = policy.get("_meta", {})
    return {("ILM policy", name): {"policy": policy, "version": meta.get("version", 0), "_meta": meta}}


def is_ours(stored: Mapping[str, Any]) -> bool:
    """Whether vpcflow has stored it."""
    return bool(stored.get("_meta", {}).get("managed_by") == "vpcflow")


def namespaces(client: Elasticsearch) -> list[str]:
    """Those with flows that the credentials may read; the privilege to read is enough to ask.

    Raises:
        elasticsearch.ApiError: flows can't be searched.
    """
    names = {"terms": {"field": "data_stream.namespace", "size": _MANY}}
    found = client.search(index=f"logs-{DATASET}-*", size=0, aggregations={"names": names})
    if "aggregations" not in found:  # no data stream at all
        return []
    return sorted(bucket["key"] for bucket in found["aggregations"]["names"]["buckets"])


def streams(client: Elasticsearch, namespace: str | None) -> list[str]:
    """Names of the data streams with flows: of a namespace, or all.

    Raises:
        elasticsearch.ApiError: whether there are any can't be seen.
    """
    from elasticsearch import NotFoundError

    pattern = f"logs-{DATASET}-*" if namespace is None else data_stream(namespace)
    try:
        found = client.indices.resolve_index(name=pattern)["data_streams"]
    except NotFoundError:
        return []
    return sorted(entry["name"] for entry in found)
