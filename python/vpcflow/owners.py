"""Whose job something is: the ``[[owners]]`` of a vpcflow.toml.

::

    [[owners]]
    name = "Jane Roe"
    team = "payments"
    email = "payments@example.com"
    match = { vpcs = ["vpc-0a1b2c3d"], cidrs = ["10.20.0.0/16"], tags = ["Team=payments"] }

The first entry that matches counts. It matches where anything of its ``match`` does.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from vpcflow.errors import ConfigError

__all__ = ["Match", "Owner", "read"]

_ACCOUNT = re.compile(r"\d{12}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_TEXTS = ("name", "team", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What belongs to an owner: whatever any of these names.

    Attributes:
        accounts, vpcs, subnets, interfaces: ids.
        cidrs: networks of either end of a flow.
        tags: ``KEY=VALUE`` of an interface, its instance, subnet or VPC.
    """

    accounts: tuple[str, ...] = ()
    vpcs: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Somebody who answers for something.

    Attributes:
        name: of a person or group: ``labels.owner``.
        team: ``labels.team``, which is the name where there is none.
        email: for alerts; documents don't have it.
        match: what is theirs.
    """

    name: str
    team: str | None = None
    email: str | None = None
    match: Match


def read(where: str, text: str, entries: Any) -> tuple[Owner, ...]:
    """The owners of a configuration file.

    Args:
        where: the file, as messages name it.
        text: of the file: TOML's reader doesn't tell lines.
        entries: what TOML has under ``owners``.

    Raises:
        ConfigError: an entry can't be as it is: with the line and the reason.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"{where}: owners must be tables, [[owners]]")
    return tuple(_owner(_Place(where, text, number), entry) for number, entry in enumerate(entries))


class _Place:
    """Where an entry stands in its file."""

    def __init__(self, where: str, text: str, number: int) -> None:
        self._where = where
        self._number = number
        self._lines = text.splitlines()
        starts = [at for at, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*owners\s*\]\]", line)]
        self._start = starts[number] if number < len(starts) else None
        self._end = starts[number + 1] if number + 1 < len(starts) else len(self._lines)

    def error(self, what: str, near: object = None) -> ConfigError:
        """An error, with the line of the first of the entry that has the text `near`."""
        line = ""
        if self._start is not None:
            found = (
                at
                for at in range(self._start, self._end)
                if near is not None and str(near) in self._lines[at]
            )
            line = f", line {next(found, self._start) + 1}"
        return ConfigError(f"{self._where}{line}: [[owners]] number {self._number + 1}: {what}")


def _owner(place: _Place, entry: dict[str, Any]) -> Owner:
    for key in entry:
        if key not in (*_TEXTS, "match"):
            belongs = "; it belongs into match" if key in _MATCHES else _meant(key, [*_TEXTS, "match"])
            raise place.error(f"there is no {key}{belongs}", key)
    for key in _TEXTS:
        if key in entry and not (isinstance(entry[key], str) and entry[key].strip()):
            raise place.error(f"{key} must be a text", key)
    if "name" not in entry:
        raise place.error("has no name; it says what labels.owner is to be")
    if "email" in entry and not _EMAIL.fullmatch(entry["email"]):
        raise place.error(f'email: "{entry["email"]}" is no address of e-mail', entry["email"])
    match = entry.get("match")
    if not isinstance(match, dict) or not match:
        raise place.error(
            f'{entry["name"]} has no match; say what is theirs: match = {{ vpcs = ["vpc-0a1b2c3d"] }}',
            "match",
        )
    found: dict[str, Any] = {key: _several(place, key, values) for key, values in match.items()}
    if not any(found.values()):
        raise place.error(f"{entry['name']} has an empty match; say what is theirs", "match")
    return Owner(**{key: entry[key].strip() for key in _TEXTS if key in entry}, match=Match(**found))


def _several(place: _Place, key: str, values: Any) -> tuple[Any, ...]:
    if key not in _MATCHES:
        raise place.error(f"match has no {key}{_meant(key, _MATCHES)}", key)
    many = values if isinstance(values, list) else [values]
    found = []
    for value in many:
        if not isinstance(value, str):
            hint = " in quotes" if isinstance(value, int) else ""
            raise place.error(f"{key}: {value} must be a text{hint}", value)
        try:
            found.append(_MATCHES[key](value))
        except ValueError as error:
            raise place.error(f'{key}: "{value}" {error}', value) from None
    return tuple(found)


def _account(value: str) -> str:
    if not _ACCOUNT.fullmatch(value):
        raise ValueError("is not the twelve digits of an account")
    return value


def _id(beginning: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not value.startswith(beginning):
            raise ValueError(f"does not begin with {beginning}")
        return value

    return check


def _cidr(value: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError("is no CIDR; it looks like 10.20.0.0/16 or 2001:db8::/32") from None
    raise ValueError(f"is an address in a network; the network is {meant}")


def _tag(value: str) -> str:
    if "=" not in value.strip("="):
        raise ValueError("is no tag; it looks like Team=payments")
    return value


_MATCHES: dict[str, Callable[[str], Any]] = {
    "accounts": _account,
    "vpcs": _id("vpc-"),
    "subnets": _id("subnet-"),
    "interfaces": _id("eni-"),
    "cidrs": _cidr,
    "tags": _tag,
}


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
