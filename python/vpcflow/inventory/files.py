"""Inventory files: JSON as `vpcflow inventory pull` writes it, and CSV from anywhere else.

JSON holds lists of things, each of which is an object with the attributes of its class in `model`, spelled
with hyphens; one stands on a line, so that two files can be compared::

    {"version": 1,
     "vpcs": [{"vpc-id": "vpc-0a1b", "account-id": "123456789012", "tags": {"Name": "prod"}}],
     "subnets": […], "instances": […], "interfaces": […]}
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import IO, Any

from vpcflow.errors import ConfigError
from vpcflow.inventory.model import Instance, NetworkInterface, Parts, Subnet, Vpc

__all__ = ["VERSION", "TroubleError", "checked", "load", "meant", "write"]

#: Of the JSON format. A file of a newer one is refused: what it says might mean something else.
VERSION = 1

_KINDS: dict[str, type[Any]] = {
    "vpcs": Vpc,
    "subnets": Subnet,
    "instances": Instance,
    "interfaces": NetworkInterface,
}
_LISTS = {"cidrs", "security_groups", "addresses", "prefixes"}
_ACCOUNT = re.compile(r"\d{12}")
#: How ids begin. A column under the wrong heading shows by that.
_BEGINNINGS: dict[str, tuple[str, ...]] = {
    "vpc_id": ("vpc-",),
    "subnet_id": ("subnet-",),
    "instance_id": ("i-", "mi-"),
    "interface_id": ("eni-",),
}


class TroubleError(Exception):
    """What is wrong with an attribute. Who knows the line says where."""


def load(path: str | os.PathLike[str]) -> Parts:
    """Reads a file, JSON or CSV, told by content.

    Raises:
        ConfigError: it can't be read, or something in it can't be: with the line and the reason.
    """
    from vpcflow.inventory import table

    where = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{where}: {error.strerror}; `vpcflow inventory pull -o {where}` makes an inventory"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: is neither JSON nor CSV: byte {error.start} is not UTF-8") from error
    return _json(where, text) if text.lstrip().startswith(("{", "[")) else table.read(where, text)


def write(parts: Parts, file: IO[bytes]) -> None:
    """Writes a file that `load` reads. The same things are always written in the same order."""
    file.write(f'{{\n"version": {VERSION}'.encode())
    for name, kind in _KINDS.items():
        lines = sorted(json.dumps(_plain(kind, it), ensure_ascii=False) for it in getattr(parts, name))
        shown = "\n" + ",\n".join(lines) + "\n" if lines else ""
        file.write(f',\n"{name}": [{shown}]'.encode())
    file.write(b"\n}\n")


def checked(kind: type[Any], values: dict[str, Any]) -> Any:
    """A thing of a class of `model`.

    Args:
        kind: the class.
        values: its attributes, in Python's spelling; lists for tuples.

    Raises:
        TroubleError: an attribute can't be what it is; `args` are its name with hyphens, and what is wrong.
    """
    for name, value in values.items():
        if trouble := _wrong(name, value):
            raise TroubleError(name.replace("_", "-"), trouble)
    identity = next(iter(fields(kind))).name
    if kind is not NetworkInterface and identity not in values:
        raise TroubleError(identity.replace("_", "-"), "is missing")
    if kind is NetworkInterface and identity not in values and not values.get("addresses"):
        raise TroubleError(identity.replace("_", "-"), "is missing, and there is no address either")
    return kind(**{name: _compact(value) for name, value in values.items()})


def _compact(value: Any) -> Any:
    """A value as it is kept. Most texts are those of many things: each is kept once."""
    if isinstance(value, list):
        return tuple(map(sys.intern, value))
    if isinstance(value, dict):
        return {sys.intern(key): sys.intern(text) for key, text in value.items()}
    return sys.intern(value)


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    close = difflib.get_close_matches(name, known := list(known), 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"


def _wrong(name: str, value: Any) -> str | None:
    """What is wrong with an attribute's value, if anything."""
    if name == "tags":
        texts = isinstance(value, dict) and all(isinstance(it, str) for it in value.values())
        return None if texts else "must be an object of texts"
    if name in _LISTS:
        return _wrong_list(name, value)
    if not isinstance(value, str) or not value:
        return "must be a text"
    if name == "account_id" and not _ACCOUNT.fullmatch(value):
        zeros = "; spreadsheets drop the zeros that it begins with" if value.isdigit() else ""
        return f'"{value}" is not twelve digits{zeros}'
    if name in _BEGINNINGS and not value.startswith(_BEGINNINGS[name]):
        return f'"{value}" does not begin with {_BEGINNINGS[name][0]}'
    return None


def _wrong_list(name: str, value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(it, str) for it in value):
        return "must be a list of texts"
    if name == "security_groups":
        return None
    for it in value:
        try:
            if name == "addresses":
                ip_address(it)
            else:
                ip_network(it)
        except ValueError:
            return f'"{it}" is no {"IP address" if name == "addresses" else "CIDR"}'
    return None


def _json(where: str, text: str) -> Parts:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}, line {error.lineno}: is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: is not an inventory: it is nested too deeply") from error
    if not isinstance(content, dict) or "version" not in content:
        raise ConfigError(
            f"{where}: is not an inventory: it has no version; `vpcflow inventory pull` makes one"
        )
    version = content.pop("version")
    if version != VERSION:
        raise ConfigError(
            f"{where}: is of version {version!r}, and this vpcflow reads version {VERSION}; pull it again"
        )
    parts = Parts()
    for name, entries in content.items():
        if name not in _KINDS:
            raise ConfigError(f'{where}: "{name}" means nothing in an inventory{meant(name, _KINDS)}')
        if not isinstance(entries, list):
            raise ConfigError(f"{where}: {name} must be a list")
        for number, entry in enumerate(entries, 1):
            try:
                getattr(parts, name).append(_thing(_KINDS[name], entry))
            except TroubleError as trouble:
                key, what = trouble.args
                raise ConfigError(
                    f"{where}{_line(text, _KINDS[name], entry)}: {name}, number {number}: {key} {what}"
                ) from None
    return parts


def _thing(kind: type[Any], entry: Any) -> Any:
    if not isinstance(entry, dict):
        raise TroubleError("it", "must be an object")
    known = {field.name.replace("_", "-"): field.name for field in fields(kind)}
    for key in entry:
        if key not in known:
            raise TroubleError(key, f"means nothing there{meant(key, known)}")
    return checked(kind, {known[key]: value for key, value in entry.items() if value not in (None, "")})


def _line(text: str, kind: type[Any], entry: Any) -> str:
    """Where an entry stands, by its id: JSON's reader doesn't tell."""
    identity = next(iter(fields(kind))).name.replace("_", "-")
    value = entry.get(identity) if isinstance(entry, dict) else None
    found = re.search(rf'"{identity}"\s*:\s*{re.escape(json.dumps(value, ensure_ascii=False))}', text)
    return f", line {text.count(chr(10), 0, found.start()) + 1}" if value and found else ""


def _plain(kind: type[Any], thing: Any) -> dict[str, Any]:
    """What JSON says of a thing: what is known of it."""
    values = ((field.name.replace("_", "-"), getattr(thing, field.name)) for field in fields(kind))
    return {name: value for name, value in values if value}
