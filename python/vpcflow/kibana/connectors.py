"""Connectors: how Kibana's rules reach people. Their tables are read by `vpcflow.connectors`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vpcflow.connectors import KINDS, read
from vpcflow.connectors import Section as Tables
from vpcflow.errors import ConfigError, SinkError
from vpcflow.kibana.assets import in_space
from vpcflow.kibana.changes import Change, Section, contains, differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vpcflow.connectors import Connector
    from vpcflow.kibana.client import Kibana

__all__ = ["DEFAULTS", "apply", "id_of", "licensed", "parse", "prepare", "prepare_removal"]

#: Where there is nothing in ``vpcflow.toml``: what every licence has.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "log": {"type": "server-log"},
    "index": {"type": "index", "index": "vpcflow-alerts"},
}


def parse(
    tables: Mapping[str, Mapping[str, Any]], where: str, environ: Mapping[str, str] | None = None
) -> list[Connector]:
    """The connectors of ``[kibana.connectors.…]``, and the ones that are always there.

    Args:
        tables: by name.
        where: the file, for messages.
        environ: where secrets are; by default ``os.environ``.

    Raises:
        ConfigError: a connector can't be as it is written, or lacks a secret.
    """
    named = {name: table for name, table in DEFAULTS.items() if name not in tables} | dict(tables)
    section = Tables(where, "kibana.connectors", "KIBANA_CONNECTOR", KINDS)
    return [_as_kibana_has_it(one) for one in read(section, named, environ)]


def id_of(connector: Connector, space: str) -> str:
    """The id in a space; connectors' ids are unique over all of them."""
    return in_space(f"vpcflow-{connector.name}", space)


def prepare(kibana: Kibana, connectors: Iterable[Connector]) -> tuple[Section, list[Connector]]:
    """Finds out what is to be stored, and which connectors the licence has. Changes nothing."""
    connectors = list(connectors)
    allowed = licensed(kibana, {one.type for one in connectors})
    section, usable = Section(), []
    for one in connectors:
        if (needs := allowed[one.type]) is not None:
            section.notes.append(_without(one, needs))
            continue
        usable.append(one)
        path = f"/api/actions/connector/{quote(id_of(one, kibana.space))}"
        found = kibana.call("GET", path, expected=(404,))
        section.changes.append(_compare(one, kibana.space, None if found.status == 404 else found.body))
    return section, usable


def apply(kibana: Kibana, section: Section) -> None:
    """Does what was found; each change says what came of it.

    Raises:
        ForbiddenError: the credentials don't reach that far.
    """
    for change in section.changes:
        path = f"/api/actions/connector/{quote(change.id)}"
        body = dict(change.body)
        kind = body.pop("connector_type_id", None)
        try:
            if change.what == "created":
                kibana.call("POST", path, json=body | {"connector_type_id": kind}, repeat=False)
            elif change.what == "removed":
                kibana.call("DELETE", path, expected=(404,))
            elif change.what == "changed" or body.get("secrets"):
                kibana.call("PUT", path, json=body)
        except SinkError as error:
            change.error = str(error)


def prepare_removal(kibana: Kibana) -> Section:
    """Finds which of vpcflow's connectors are there. Changes nothing."""
    found = kibana.call("GET", "/api/actions/connectors").body
    suffix = in_space("", kibana.space)
    section = Section()
    for one in found:
        if (
            one["id"].startswith("vpcflow-")
            and one["id"].endswith(suffix)
            and one["name"].startswith("vpcflow ")
        ):
            section.changes.append(Change("connector", one["name"], one["id"], "removed"))
    return section


def licensed(kibana: Kibana, types: Iterable[str]) -> dict[str, str | None]:
    """None for a type that can be used, else what stands against it."""
    found = {one["id"]: one for one in kibana.call("GET", "/api/actions/connector_types").body}
    answers: dict[str, str | None] = {}
    for kind in types:
        one = found.get(f".{kind}")
        if one is None:
            answers[kind] = "this Kibana has no such connectors"
        elif not one.get("enabled_in_license", True):
            answers[kind] = f"the licence has none: it takes {one.get('minimum_license_required', 'another')}"
        elif not one.get("enabled_in_config", True):
            answers[kind] = "xpack.actions.enabledActionTypes of kibana.yml leaves it out"
        else:
            answers[kind] = None
    return answers


def _without(one: Connector, needs: str) -> str:
    note = f"connector {one.name} (.{one.type}): {needs}; alerts go to the other connectors"
    return f"{note}, and vpcflow alerts run mails without Kibana" if one.type == "email" else note


def _compare(one: Connector, space: str, stored: Mapping[str, Any] | None) -> Change:
    name = f"vpcflow {one.name}"
    body = {
        "name": name,
        "connector_type_id": f".{one.type}",
        "config": one.config,
        "secrets": one.secrets,
    }
    change = Change("connector", name, id_of(one, space), "created", body=body)
    if stored is None:
        return change
    if stored.get("connector_type_id") != f".{one.type}":
        raise ConfigError(
            f"connector {change.id} of Kibana is of the type {stored.get('connector_type_id')}, not "
            f".{one.type}; take another name in [kibana.connectors], or delete it in Kibana"
        )
    shown = {"name": name, "config": one.config}
    change.what = "left" if contains(stored, shown) else "changed"
    if change.what == "changed":
        change.why = ", ".join(differences(stored, shown))
    elif one.secrets:
        change.why = "its secrets are sent again"
    return change


def _as_kibana_has_it(one: Connector) -> Connector:
    """With the fields that Kibana wants and nobody needs to write."""
    more: dict[str, Any] = {}
    if one.type in ("email", "webhook"):
        more["hasAuth"] = bool(one.secrets)
    if one.type == "email":
        more["service"] = "other"
    return replace(one, config=one.config | more)
