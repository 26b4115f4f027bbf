"""Takes out of a server what `vpcflow.elastic.setup` stored there; flows stay, and what users wrote."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from vpcflow.elastic import stored
from vpcflow.elastic.setup import Change, Plan, carry_out
from vpcflow.elastic.template import NAME, Part, template_name

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

__all__ = ["apply", "prepare"]

#: Data streams that are named; a cluster can have hundreds.
_NAMED = 5

_KINDS = ("index template", "component template", "ILM policy")


def prepare(client: Elasticsearch, namespace: str | None) -> Plan:
    """Finds what of vpcflow is there. Changes nothing.

    Args:
        client: of the server.
        namespace: whose own templates are to go; None is everything, those of all namespaces included.

    Raises:
        elasticsearch.ApiError, elasticsearch.TransportError: as the client raises them.
    """
    components = stored.components(client)
    there = dict(components)
    there |= {("index template", name): body for name, body in stored.templates(client).items()}
    for (_, name), body in components.items():
        policy = body.get("template", {}).get("settings", {}).get("index.lifecycle.name", "")
        if name.endswith("@settings") and (policy == NAME or policy.startswith(f"{NAME}-")):
            there |= stored.policies(client, policy)
    wanted = {key for key, body in there.items() if stored.is_ours(body)}
    if namespace is not None:
        policy = template_name(namespace)
        wanted &= {
            ("index template", policy),
            ("component template", f"vpcflow-{namespace}@settings"),
            ("ILM policy", policy),
        }
    # All of a namespace before what is for all; in each, what uses something before that.
    order = sorted(
        wanted, key=lambda key: (not _namespace(key[1]), _namespace(key[1]), _KINDS.index(key[0]), key)
    )
    plan = Plan([Change(Part(kind, name, {}), "removed") for kind, name in order], [], [])
    for kind, name in sorted(there.keys() - wanted):
        if name.endswith("@custom") and namespace in (None, name[8:-7]):
            plan.notes.append(f"{kind} {name} is yours: it stays")
    if names := stored.streams(client, namespace):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        plan.notes.append(
            f"data streams stay, with their flows: {', '.join(names[:_NAMED])}{more}; unless another "
            "template holds for them, the server keeps ours; DELETE /_data_stream/NAME deletes one"
        )
    return plan


def apply(client: Elasticsearch, plan: Plan) -> None:
    """Does what the plan says, until the server refuses something; each change says what came of it.

    Raises:
        elasticsearch.ApiError: the credentials don't reach that far.
        elasticsearch.TransportError: as the client raises it.
    """
    from elasticsearch import NotFoundError

    def delete(part: Part) -> None:
        with suppress(NotFoundError):  # somebody else was faster
            _delete(client, part)

    carry_out(plan, delete)
    for change in plan.changes:
        if change.error:
            change.error += f"; {_ADVICE[change.part.kind]}"


def _namespace(name: str) -> str:
    """What an object is for, empty when for all: ``vpcflow-logs-prod`` and ``vpcflow-prod@settings``."""
    if name.endswith("@settings"):
        return name.removeprefix("vpcflow").removesuffix("@settings").removeprefix("-")
    return name.removeprefix(f"{NAME}-") if name.startswith(f"{NAME}-") else ""


_ADVICE = {
    "index template": "delete those data streams, flows and all, or give them another template of lower "
    "priority; then remove this one",
    "component template": "take it out of those templates, then remove it",
    "ILM policy": "delete those indices, or give them another policy, then remove this one",
}


def _delete(client: Elasticsearch, part: Part) -> None:
    if part.kind == "index template":
        client.indices.delete_index_template(name=part.name)
    elif part.kind == "component template":
        client.cluster.delete_component_template(name=part.name)
    else:
        client.ilm.delete_lifecycle(name=part.name)
