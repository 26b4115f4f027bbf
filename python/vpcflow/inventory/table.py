"""An inventory as CSV: a row an interface, or an address of one.

The headings are AWS's names, as flow logs write them. `COLUMNS` are all of them; ``tag:KEY`` is a tag.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.inventory.files import TroubleError, checked, meant
from vpcflow.inventory.model import Instance, NetworkInterface, Parts, Subnet, Vpc

__all__ = ["COLUMNS", "read"]

_ADDRESSES = ("private-ip", "public-ip", "ipv6")
_OF_INTERFACE = (
    "interface-id", "account-id", "region", "availability-zone", "vpc-id", "subnet-id", "instance-id",
    "interface-type", "description", "requester-id",
)  # fmt: skip
#: What is said of the row's instance, subnet and VPC.
_OF_OTHERS = ("instance-type", "image-id", "subnet-name", "vpc-name")

COLUMNS = (*_OF_INTERFACE, "security-groups", *_ADDRESSES, "name", *_OF_OTHERS)

_SEVERAL = re.compile(r"[\s;,]+")


def read(where: str, text: str) -> Parts:
    """Reads CSV, with commas or semicolons between.

    Raises:
        ConfigError: a heading means nothing, or a value can't be what it is under: with the line.
    """
    first = text.partition("\n")[0]
    rows = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if first.count(";") > first.count(",") else ","
    )
    try:
        headings = [_heading(it) for it in next(rows, [])]
        _check(where, headings)
        collected = _Collected()
        for row in rows:
            if any(cell.strip() for cell in row):
                _take(f"{where}, line {rows.line_num}", headings, row, collected)
    except csv.Error as error:
        raise ConfigError(f"{where}, line {rows.line_num}: is not CSV: {error}") from error
    return collected.parts()


class _Collected:
    """Things by their ids; each may be told of by several rows."""

    def __init__(self) -> None:
        self._found: dict[tuple[type[Any], str], tuple[str, dict[str, Any]]] = {}

    def add(self, where: str, kind: type[Any], identity: str, values: dict[str, Any]) -> None:
        """Adds what a row says. What rows say of one thing must agree; their addresses and tags add up.

        Raises:
            TroubleError: it doesn't.
        """
        earlier, known = self._found.setdefault((kind, identity), (where, {}))
        for name, value in values.items():
            if isinstance(value, list):
                known[name] = list(dict.fromkeys([*known.get(name, []), *value]))
            elif isinstance(value, dict):
                tags = known.setdefault(name, {})
                for key, text in value.items():
                    _keep(tags, key, text, f"tag {key} of {identity}", earlier)
            else:
                _keep(known, name, value, f"{name.replace('_', '-')} of {identity}", earlier)

    def parts(self) -> Parts:
        parts = Parts()
        lists: dict[type[Any], list[Any]] = {
            Vpc: parts.vpcs,
            Subnet: parts.subnets,
            Instance: parts.instances,
            NetworkInterface: parts.interfaces,
        }
        for (kind, _), (_, values) in self._found.items():
            lists[kind].append(checked(kind, values))
        return parts


def _keep(known: dict[str, Any], key: str, value: str, what: str, earlier: str) -> None:
    if known.setdefault(key, value) != value:
        before = earlier.rpartition(", ")[2]
        raise TroubleError(what, f'is "{value}" here, and "{known[key]}" in {before}')


def _heading(text: str) -> str:
    """A heading in the one spelling: tags as they are."""
    text = text.strip()
    if text[:4].lower() == "tag:":
        return f"tag:{text[4:]}"
    return re.sub(r"[\s_]+", "-", text.lower())


def _check(where: str, headings: list[str]) -> None:
    for heading in headings:
        if not heading.startswith("tag:") and heading not in COLUMNS:
            own = f"; a column tag:{heading} would become a tag" if heading else ""
            raise ConfigError(f'{where}, line 1: "{heading}" means nothing{meant(heading, COLUMNS)}{own}')
    if twice := [it for it in headings if headings.count(it) > 1]:
        raise ConfigError(f'{where}, line 1: "{twice[0]}" is there twice')
    if not {"interface-id", *_ADDRESSES} & set(headings):
        raise ConfigError(f"{where}, line 1: there must be a column interface-id or private-ip")


def _take(where: str, headings: list[str], row: list[str], collected: _Collected) -> None:
    if len(row) != len(headings):
        raise ConfigError(f"{where}: has {len(row)} values, and there are {len(headings)} headings")
    said = {
        heading: text
        for heading, cell in zip(headings, row, strict=True)
        if (text := cell.strip()) not in {"", "-"}
    }
    try:
        for kind, values in _things(said):
            thing = checked(kind, values)
            identity = getattr(thing, kind.__slots__[0]) or thing.addresses[0]
            collected.add(where, kind, identity, values)
    except TroubleError as trouble:
        key, what = trouble.args
        raise ConfigError(f"{where}: {key} {what}") from None


def _things(said: dict[str, str]) -> list[tuple[type[Any], dict[str, Any]]]:
    """What a row tells of: the interface, its instance, subnet and VPC."""
    interface = _of(said, *_OF_INTERFACE)
    addresses = [it for column in _ADDRESSES for it in _SEVERAL.split(said.get(column, "")) if it]
    if addresses:
        interface["addresses"] = addresses
    if "security-groups" in said:
        interface["security_groups"] = [it for it in _SEVERAL.split(said["security-groups"]) if it]
    interface["tags"] = {column[4:]: text for column, text in said.items() if column.startswith("tag:")}
    place = _of(said, "account-id", "region")
    found: list[tuple[type[Any], dict[str, Any]]] = [(NetworkInterface, interface)]
    if "instance-id" in said:
        own = _of(said, "instance-id", "instance-type", "image-id")
        found.append((Instance, {**own, **place, "tags": _name(said, "name")}))
    elif "name" in said:
        interface["tags"] |= _name(said, "name")
    if "subnet-id" in said:
        own = _of(said, "subnet-id", "availability-zone", "vpc-id")
        found.append((Subnet, {**own, **place, "tags": _name(said, "subnet-name")}))
    if "vpc-id" in said:
        found.append((Vpc, {**_of(said, "vpc-id"), **place, "tags": _name(said, "vpc-name")}))
    return found


def _of(said: dict[str, str], *columns: str) -> dict[str, Any]:
    """What is said under some headings, by the names of attributes."""
    return {column.replace("-", "_"): said[column] for column in columns if column in said}


def _name(said: dict[str, str], column: str) -> dict[str, str]:
    return {"Name": said[column]} if column in said else {}
