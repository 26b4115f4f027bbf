"""Connectors: how Kibana's rules reach people. Secrets come from the environment and are never shown.

A connector of ``vpcflow.toml``::

    [kibana.connectors.mail]
    type = "email"
    from = "vpcflow@example.com"
    host = "smtp.example.com"
    port = 587
    to = ["network-team@example.com"]        # who gets what no owner gets

Each has the fields of Kibana's own type. What Kibana keeps encrypted (user, password, the URL of a Slack
webhook) is read from ``KIBANA_CONNECTOR_<NAME>_<FIELD>`` or, for mail, ``SMTP_USERNAME`` and
``SMTP_PASSWORD``; each also as ``…_FILE``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from vpcflow.elastic.client import secret
from vpcflow.errors import ConfigError, SinkError
from vpcflow.kibana.assets import in_space
from vpcflow.kibana.changes import Change, Section, contains, differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vpcflow.kibana.client import Kibana

__all__ = ["DEFAULTS", "TYPES", "Connector", "apply", "licensed", "parse", "prepare", "prepare_removal"]


@dataclass(frozen=True, slots=True)
class Connector:
    """One connector.

    Attributes:
        name: of the table in ``vpcflow.toml``; the id in Kibana is made of it.
        type: Kibana's, without its dot: ``email``, ``index``, ``server-log``, ``webhook``, ``slack``.
        config: what Kibana shows of it.
        secrets: what Kibana encrypts and gives to nobody.
        to: addresses that mail goes to when no owner is there for it.
    """

    name: str
    type: str
    config: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    to: tuple[str, ...] = ()

    def id(self, space: str) -> str:
        """The id in a space; connectors' ids are unique over all of them."""
        return in_space(f"vpcflow-{self.name}", space)

    @property
    def title(self) -> str:
        return f"vpcflow {self.name}"


@dataclass(frozen=True, slots=True)
class _Type:
    """What a type of connector takes: required fields, others with their default, and its secrets.

    Facts: elastic/kibana, x-pack/platform/plugins/shared/stack_connectors/server/connector_types.
    """

    required: tuple[str, ...] = ()
    optional: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    secrets_needed: bool = False


TYPES = {
    "email": _Type(("from", "host"), {"port": 587, "secure": False}, ("user", "password")),
    "index": _Type(("index",), {"refresh": False, "executionTimeField": None}),
    "server-log": _Type(),
    "webhook": _Type(("url",), {"method": "post", "headers": None}, ("user", "password")),
    "slack": _Type((), {}, ("webhookUrl",), secrets_needed=True),
}

#: Where there is nothing in ``vpcflow.toml``: what every licence has.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "log": {"type": "server-log"},
    "index": {"type": "index", "index": "vpcflow-alerts"},
}

#: Another name for a secret, by type and field.
_ALSO = {("email", "user"): "SMTP_USERNAME", ("email", "password"): "SMTP_PASSWORD"}

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,35}")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")


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
    environ = os.environ if environ is None else environ
    named = {name: table for name, table in DEFAULTS.items() if name not in tables} | dict(tables)
    return [
        _connector(name, table, f"{where}: [kibana.connectors.{name}]", environ)
        for name, table in named.items()
    ]


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
        path = f"/api/actions/connector/{quote(one.id(kibana.space))}"
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
    body = {
        "name": one.title,
        "connector_type_id": f".{one.type}",
        "config": one.config,
        "secrets": one.secrets,
    }
    change = Change("connector", one.title, one.id(space), "created", body=body)
    if stored is None:
        return change
    if stored.get("connector_type_id") != f".{one.type}":
        raise ConfigError(
            f"connector {change.id} of Kibana is of the type {stored.get('connector_type_id')}, not "
            f".{one.type}; take another name in [kibana.connectors], or delete it in Kibana"
        )
    shown = {"name": one.title, "config": one.config}
    change.what = "left" if contains(stored, shown) else "changed"
    if change.what == "changed":
        change.why = ", ".join(differences(stored, shown))
    elif one.secrets:
        change.why = "its secrets are sent again"
    return change


def _connector(name: str, table: Mapping[str, Any], where: str, environ: Mapping[str, str]) -> Connector:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: the name may have a to z, 0 to 9, _ and -, up to 36 of them")
    kind = str(table.get("type", "")).removeprefix(".")
    if kind not in TYPES:
        raise ConfigError(f"{where}: type {table.get('type')!r} is none of {', '.join(TYPES)}")
    takes = TYPES[kind]
    to = table.get("to", [])
    if kind == "email" and not (
        isinstance(to, list) and all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in to)
    ):
        raise ConfigError(f"{where}: to must be a list of addresses")
    known = {"type", *takes.required, *takes.optional} | ({"to"} if kind == "email" else set())
    for key in table:
        if key in takes.secrets:
            raise ConfigError(
                f"{where}: {key} is a secret and has no place in a file; set {_variable(name, key)}, or "
                f"{_variable(name, key)}_FILE"
            )
        if key not in known:
            raise ConfigError(f"{where} has no {key}; there are {', '.join(sorted(known))}")
    for key in takes.required:
        if not isinstance(table.get(key), str) or not table[key]:
            raise ConfigError(f"{where}: {key} is missing; it is a text")
    config = {key: table[key] for key in takes.required}
    config |= {key: table.get(key, default) for key, default in takes.optional.items()}
    secrets = _secrets(name, kind, takes, where, environ)
    if kind == "email":
        if type(config["port"]) is not int or not 0 < config["port"] < 65536:
            raise ConfigError(f"{where}: port must be a number from 1 to 65535")
        config |= {"service": "other", "hasAuth": bool(secrets)}
    if kind == "webhook":
        if urlsplit(config["url"]).scheme not in ("http", "https"):
            raise ConfigError(f"{where}: url must begin with https:// or http://")
        config["hasAuth"] = bool(secrets)
    return Connector(name, kind, config, secrets, tuple(to))


def _secrets(name: str, kind: str, takes: _Type, where: str, environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key in takes.secrets:
        value = secret(_variable(name, key), environ)
        if value is None and (kind, key) in _ALSO:
            value = secret(_ALSO[kind, key], environ)
        if value is not None:
            found[key] = value
    absent = [key for key in takes.secrets if key not in found]
    if absent and (found or takes.secrets_needed):
        names = " and ".join(_variable(name, key) for key in absent)
        raise ConfigError(f"{where} lacks its secret {absent[0]}; set {names}, or {names}_FILE")
    return found


def _variable(name: str, key: str) -> str:
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)
    return f"KIBANA_CONNECTOR_{name}_{word}".upper().replace("-", "_")
