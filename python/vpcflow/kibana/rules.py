"""Brings alert rules into Kibana: each once for all flows, or once for each owner and once for the rest.

A rule carries, as tags, ``vpcflow`` and a digest of what was sent: what is stored otherwise was edited by
somebody.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vpcflow.errors import SinkError
from vpcflow.kibana.changes import Change, Section, contains, differences, digest
from vpcflow.kibana.rule_body import body_of

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.connectors import Connector
    from vpcflow.kibana.client import Kibana
    from vpcflow.owners import Owner

__all__ = ["apply", "prepare", "prepare_removal"]

_TAG = "vpcflow"
_DIGEST = "vpcflow-digest:"
_PAGE = 100


def prepare(
    kibana: Kibana,
    alerts: Iterable[Rule],
    owners: Sequence[Owner] | None,
    connectors: Sequence[Connector],
    *,
    keep_edits: bool = False,
) -> Section:
    """Finds out what is to be stored, and which rules of owners that are gone are to be taken away.

    Args:
        kibana: where to.
        alerts: what is to be watched for.
        owners: empty for rules on all flows; None when nobody said whether there are any.
        connectors: that can be used.
        keep_edits: leave alone what somebody has edited in Kibana.
    """
    section = Section()
    stored = {one["id"]: one for one in _find(kibana)}
    for alert in alerts:
        for owner, rest in _instances(owners or ()):
            body, why_not = body_of(alert, owner, connectors, kibana, rest=rest)
            if body is None:
                section.notes.append(f"rule {alert.title}: {why_not}")
                break
            name = _id(alert.id, owner, kibana.space)
            tags = [_TAG, *body["tags"]]
            body |= {"tags": [*tags, _DIGEST + digest(body | {"tags": tags})]}
            section.changes.append(_compare(name, body, stored.pop(name, None), keep_edits=keep_edits))
    if stored and owners is None:
        one = next(iter(stored.values()))
        return Section(
            refused=[
                f"Kibana has rules that are not for all flows, such as {one['name']}; give the vpcflow.toml "
                "that names the owners (--config), or one without owners to take them away"
            ]
        )
    for name, one in stored.items():
        change = Change("rule", one["name"], name, "removed", "no rule or owner asks for it any more")
        section.changes.append(change)
    if kibana.login.api_key and any(change.what in ("created", "changed") for change in section.changes):
        section.notes.append("the rules run with the API key that made them: when it goes, they stop")
    return section


def prepare_removal(kibana: Kibana) -> Section:
    """Finds which of vpcflow's rules are there. Changes nothing."""
    return Section([Change("rule", one["name"], one["id"], "removed") for one in _find(kibana)])


def apply(kibana: Kibana, section: Section) -> None:
    """Does what was found; each change says what came of it.

    Raises:
        ForbiddenError: the credentials don't reach that far.
    """
    for change in section.changes:
        path = f"/api/alerting/rule/{quote(change.id)}"
        fixed = {key: change.body[key] for key in ("rule_type_id", "consumer") if key in change.body}
        body = {key: value for key, value in change.body.items() if key not in fixed}
        try:
            if change.what == "created":
                kibana.call("POST", path, json=body | fixed | {"enabled": True}, repeat=False)
            elif change.what == "changed":
                kibana.call("PUT", path, json=body)
            elif change.what == "removed":
                kibana.call("DELETE", path, expected=(404,))
        except SinkError as error:
            change.error = str(error)


def _instances(owners: Sequence[Owner]) -> list[tuple[Owner | None, bool]]:
    """Each owner's rule, and one for what nobody owns; without owners, one for all."""
    return [*((owner, False) for owner in owners), (None, bool(owners))]


def _compare(name: str, body: dict[str, Any], stored: dict[str, Any] | None, *, keep_edits: bool) -> Change:
    change = Change("rule", body["name"], name, "created", body=body)
    if stored is None:
        return change
    shown = {key: value for key, value in body.items() if key not in ("rule_type_id", "consumer")}
    if contains(stored, shown):
        change.what = "left"
        if not stored.get("enabled", True):
            change.why = "switched off in Kibana"
        return change
    change.what, change.why = "changed", ", ".join(differences(stored, shown))
    if _edited(stored, body):
        change.edited, change.why = True, "edited in Kibana since"
        if keep_edits:
            change.what = "kept"
    return change


def _edited(stored: dict[str, Any], body: dict[str, Any]) -> bool:
    """Whether what is stored is other than what was sent then: Kibana's own additions aside."""
    tags = stored.get("tags", [])
    marks = [tag.removeprefix(_DIGEST) for tag in tags if tag.startswith(_DIGEST)]
    plain = [tag for tag in tags if not tag.startswith(_DIGEST)]
    return marks != [digest(_like(stored, body) | {"tags": plain})]


def _like(stored: Any, shape: Any) -> Any:
    """What is stored, of the keys that are sent."""
    if isinstance(shape, dict) and isinstance(stored, dict):
        return {key: _like(stored[key], value) for key, value in shape.items() if key in stored}
    if isinstance(shape, list) and isinstance(stored, list) and shape and isinstance(shape[0], dict):
        return [_like(one, shape[min(place, len(shape) - 1)]) for place, one in enumerate(stored)]
    return stored


def _find(kibana: Kibana) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        query: dict[str, str | int] = {
            "search": f'"{_TAG}"',
            "search_fields": "tags",
            "per_page": _PAGE,
            "page": len(found) // _PAGE + 1,
        }
        answer = kibana.call("GET", "/api/alerting/rules/_find", query=query).body
        found += answer["data"]
        if not answer["data"] or len(found) >= answer["total"]:
            return [
                one
                for one in found
                if _TAG in one["tags"] and any(tag.startswith(_DIGEST) for tag in one["tags"])
            ]


def _id(rule: str, owner: Owner | None, space: str) -> str:
    """A UUID: what Kibana encrypts in part may have no other id in all of its versions."""
    text = "\n".join(("vpcflow", rule, owner.name if owner else "", space))
    return str(uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4))
