"""How alerts reach people: tables of ``vpcflow.toml``, for Kibana and for ``vpcflow alerts run`` alike.

::

    [kibana.connectors.mail]                     # or [alerts.channels.mail]
    type = "email"
    from = "vpcflow@example.com"
    host = "smtp.example.com"
    port = 587
    to = ["network-team@example.com"]            # who gets what no owner gets

Types and fields are those of Kibana's connectors. What Kibana keeps encrypted (user, password, the URL of a
Slack webhook) comes from the environment and is never shown: ``<PREFIX>_<NAME>_<FIELD>`` or, for mail,
``SMTP_USERNAME`` and ``SMTP_PASSWORD``; each also as ``…_FILE``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vpcflow.elastic.client import secret
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.owners import Owner

__all__ = ["KINDS", "Connector", "Kind", "Section", "read"]


@dataclass(frozen=True, slots=True)
class Connector:
    """One way to reach people.

    Attributes:
        name: of its table.
        type: ``email``, ``index``, ``server-log``, ``webhook``, ``slack``; what else a section has.
        config: what stands in the table, and defaults.
        secrets: by field.
        to: addresses that mail goes to when no owner is there for it.
    """

    name: str
    type: str
    config: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    to: tuple[str, ...] = ()

    def addresses(self, owner: Owner | None) -> list[str]:
        """Who gets mail: an owner alone gets what is theirs; an owner without an address gets none."""
        if owner is None:
            return list(self.to)
        return [owner.email] if owner.email else []


@dataclass(frozen=True, slots=True)
class Kind:
    """What a type takes: required texts, other fields with their default, and its secrets."""

    required: tuple[str, ...] = ()
    optional: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    secrets_needed: bool = False


#: Kibana's own.
#: Facts: elastic/kibana, x-pack/platform/plugins/shared/stack_connectors/server/connector_types.
KINDS: Mapping[str, Kind] = {
    "email": Kind(("from", "host"), {"port": None, "secure": False}, ("user", "password")),
    "index": Kind(("index",), {"refresh": False, "executionTimeField": None}),
    "server-log": Kind(),
    "webhook": Kind(("url",), {"method": "post", "headers": None}, ("user", "password")),
    "slack": Kind((), {}, ("webhookUrl",), secrets_needed=True),
}


@dataclass(frozen=True, slots=True)
class Section:
    """Where tables stand.

    Attributes:
        where: the file, for messages.
        table: what they are below, ``kibana.connectors``.
        prefix: what variables with their secrets begin with.
        kinds: the types that there are.
    """

    where: str
    table: str
    prefix: str
    kinds: Mapping[str, Kind]


def read(
    section: Section, tables: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str] | None = None
) -> list[Connector]:
    """The connectors of a section's tables.

    Args:
        section: where they stand.
        tables: by name.
        environ: where secrets are; by default ``os.environ``.

    Raises:
        ConfigError: one can't be as it is written, or lacks a secret.
    """
    environ = os.environ if environ is None else environ
    return [_connector(section, name, table, environ) for name, table in tables.items()]


#: Another name for a secret, by type and field.
_ALSO = {("email", "user"): "SMTP_USERNAME", ("email", "password"): "SMTP_PASSWORD"}

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,35}")
_ADDRESS = re.compile(r"[^@\s,;:<>()\"\\]+@[^@\s,;:<>()\"\\]+")

#: A name, which must be no riddle to the resolver, or an address.
_HOST = re.compile(r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|[0-9A-Fa-f:.]+")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _are_addresses(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and _ADDRESS.fullmatch(one) for one in value)


def _is_sender(value: Any) -> bool:
    found = getaddresses([value]) if _is_text(value) else []
    return len(found) == 1 and bool(_ADDRESS.fullmatch(found[0][1]))


def _is_url(value: Any) -> bool:
    if not _is_text(value) or not value.isascii() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    host = _HOST.fullmatch(parts.hostname or "")
    return parts.scheme in ("http", "https") and host is not None and port != 0 and "@" not in parts.netloc


def _are_headers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        re.fullmatch(r"[A-Za-z0-9_.-]+", name) and _is_text(text) and text.isascii()
        for name, text in value.items()
    )


#: What a field has to be, where it is not just a text.
_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "from": (
        _is_sender,
        "must be an address, vpcflow@example.com or VPC flow logs <vpcflow@example.com>",
    ),
    "headers": (_are_headers, 'must be a table of ASCII texts, { X-Team = "network" }'),
    "host": (
        lambda value: _is_text(value) and _HOST.fullmatch(value) is not None,
        "must be the name of a host, smtp.example.com",
    ),
    "method": (lambda value: value in ("post", "put"), "must be post or put"),
    "port": (lambda value: type(value) is int and 0 < value < 65536, "must be a number from 1 to 65535"),
    "refresh": (lambda value: isinstance(value, bool), "must be true or false"),
    "secure": (lambda value: isinstance(value, bool), "must be true or false"),
    "starttls": (lambda value: isinstance(value, bool), "must be true or false"),
    "to": (_are_addresses, "must be a list of addresses"),
    "url": (
        _is_url,
        "must begin with https:// or http://, and has no user and password in it",
    ),
}


def _connector(
    section: Section, name: str, table: Mapping[str, Any], environ: Mapping[str, str]
) -> Connector:
    place = f"{section.where}: [{section.table}.{name}]"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{place}: the name may have a to z, 0 to 9, _ and -, up to 36 of them")
    kind = str(table.get("type", "")).removeprefix(".")
    if kind not in section.kinds:
        raise ConfigError(f"{place}: type {table.get('type')!r} is none of {', '.join(section.kinds)}")
    takes = section.kinds[kind]
    known = sorted({"type", *takes.required, *takes.optional} | ({"to"} if kind == "email" else set()))
    for key, value in table.items():
        if key in takes.secrets:
            variable = _variable(section, name, key)
            raise ConfigError(
                f"{place}: {key} is a secret and has no place in a file; set {variable}, or {variable}_FILE"
            )
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise ConfigError(f"{place} has no {key}; {meant}")
        holds, what = _CHECKS.get(key, (_is_text, "must be a text"))
        if key != "type" and not holds(value):
            raise ConfigError(f"{place}: {key} {what}")
    for key in takes.required:
        if key not in table:
            raise ConfigError(f"{place}: {key} is missing")
    config = {key: table[key] for key in takes.required}
    config |= {key: table.get(key, default) for key, default in takes.optional.items()}
    if kind == "email" and config["port"] is None:
        config["port"] = 465 if config["secure"] else 587
    secrets = _secrets(section, name, kind, environ)
    return Connector(name, kind, config, secrets, tuple(table.get("to", ())))


def _secrets(section: Section, name: str, kind: str, environ: Mapping[str, str]) -> dict[str, str]:
    takes = section.kinds[kind]
    found = {}
    for key in takes.secrets:
        value = secret(_variable(section, name, key), environ)
        if value is None and (kind, key) in _ALSO:
            value = secret(_ALSO[kind, key], environ)
        if value is None:
            continue
        if key == "webhookUrl" and not _is_url(value):
            place = f"{section.where}: [{section.table}.{name}]"
            raise ConfigError(
                f"{place}: {_variable(section, name, key)} is no URL; it looks like "
                "https://hooks.slack.com/services/…"
            )
        found[key] = value
    absent = [key for key in takes.secrets if key not in found]
    if absent and (found or takes.secrets_needed):
        names = " and ".join(_variable(section, name, key) for key in absent)
        place = f"{section.where}: [{section.table}.{name}]"
        raise ConfigError(f"{place} lacks its secret {absent[0]}; set {names}, or {names}_FILE")
    return found


def _variable(section: Section, name: str, key: str) -> str:
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)
    return f"{section.prefix}_{name}_{word}".upper().replace("-", "_")
