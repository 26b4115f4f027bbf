"""The document that tells of an alert in an index: the same from Kibana's rules and from vpcflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.owners import Owner

__all__ = ["document"]


def document(
    rule: Rule, owner: Owner | None, *, time: str, name: str, state: str, value: str, hits: str
) -> dict[str, Any]:
    """One alert. All texts: Kibana fills braces in them, and an index has one type for a field.

    Args:
        rule: what was watched for.
        owner: whose flows; None is for those without an owner, and for all where there are no owners.
        time: of the alert.
        name: the rule's with its owner's, as Kibana shows it.
        state: ``fired`` or ``over``.
        value: how many there are.
        hits: some of them, in JSON.
    """
    told = {
        "@timestamp": time,
        "event.kind": "alert",
        "message": name,
        "rule.id": rule.id,
        "rule.name": rule.title,
        "vpcflow.level": rule.level,
        "vpcflow.state": state,
        "vpcflow.value": value,
        "vpcflow.hits": hits,
    }
    return told | ({"labels.owner": owner.name} if owner else {})
