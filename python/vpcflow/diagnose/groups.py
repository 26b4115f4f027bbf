"""Security groups, network ACLs and prefix lists: as EC2's API and the AWS CLI write them in JSON.

The files are what these print, in one file or several::

    aws ec2 describe-security-groups > groups.json
    aws ec2 describe-network-acls > acls.json
    aws ec2 describe-prefix-lists > prefix-lists.json
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from vpcflow.diagnose.model import ICMP, Acl, AclEntry, Direction, Group, GroupRule, Network
from vpcflow.errors import ConfigError

__all__ = ["PROTOCOLS", "Rules", "load", "parse"]

#: The protocols that EC2 writes by name.
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
_COMMANDS = {
    "SecurityGroups": "aws ec2 describe-security-groups",
    "NetworkAcls": "aws ec2 describe-network-acls",
    "PrefixLists": "aws ec2 describe-prefix-lists",
}


class Rules:
    """All that was read.

    Attributes:
        groups, acls: by id.
        prefixes: networks of the prefix lists whose entries are known, by id.
    """

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.acls: dict[str, Acl] = {}
        self.prefixes: dict[str, tuple[Network, ...]] = {}

    @property
    def accounts(self) -> frozenset[str]:
        """Those that groups and ACLs belong to."""
        owners = {it.account_id for it in self.groups.values()} | {it.account_id for it in self.acls.values()}
        return frozenset(it for it in owners if it)

    def add(self, other: Rules) -> None:
        self.groups |= other.groups
        self.acls |= other.acls
        self.prefixes |= other.prefixes


def load(path: str | os.PathLike[str], wanted: str) -> Rules:
    """Reads a file.

    Args:
        path: of the file.
        wanted: what it is to hold, ``SecurityGroups`` or ``NetworkAcls``; prefix lists may be there too.

    Raises:
        ConfigError: it can't be read, or is something else: with the place and the reason.
    """
    where = os.fspath(path)
    make = f"make it with: {_COMMANDS[wanted]} > {where}"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}; {make}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: is not JSON: byte {error.start} is not UTF-8; {make}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}, line {error.lineno}: is not JSON: {error.msg}; {make}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: is nested too deeply; {make}") from error
    if not isinstance(content, dict) or not {wanted, "PrefixLists"} & content.keys():
        other = next((key for key in _COMMANDS if isinstance(content, dict) and key in content), None)
        holds = f"it holds {other}" if other else f'it has no "{wanted}"'
        raise ConfigError(f"{where}: is no output of {_COMMANDS[wanted]}: {holds}; {make}")
    return parse(where, content)


def parse(where: str, content: Mapping[str, Any]) -> Rules:
    """Reads what the API answered, or the CLI printed.

    Raises:
        ConfigError: something in it can't be: with the id and the key.
    """
    rules = Rules()
    for said in _objects(where, content, "SecurityGroups"):
        group = _checked(where, said, "GroupId", _group)
        rules.groups[group.group_id] = group
    for said in _objects(where, content, "NetworkAcls"):
        acl = _checked(where, said, "NetworkAclId", _acl)
        rules.acls[acl.acl_id] = acl
    for said in _objects(where, content, "PrefixLists"):
        if said.get("Cidrs"):
            rules.prefixes[str(said.get("PrefixListId"))] = _checked(
                where, said, "PrefixListId", lambda it: tuple(map(_network, it["Cidrs"]))
            )
    return rules


def _objects(where: str, content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    several = content.get(key, [])
    if not isinstance(several, list) or not all(isinstance(it, dict) for it in several):
        raise ConfigError(f"{where}: {key} must be a list of objects, as {_COMMANDS[key]} prints it")
    return several


def _checked(where: str, said: dict[str, Any], identity: str, read: Any) -> Any:
    name = said.get(identity, f"without {identity}")
    try:
        return read(said)
    except KeyError as error:
        raise ConfigError(f"{where}: {name}: {error.args[0]} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{where}: {name}: {error}") from error


def _group(said: dict[str, Any]) -> Group:
    group = said["GroupId"]
    rules = [
        rule
        for key, direction in (("IpPermissions", "ingress"), ("IpPermissionsEgress", "egress"))
        for permission in said.get(key, [])
        for rule in _permission(group, direction, permission)  # type: ignore[arg-type]
    ]
    return Group(group, said.get("GroupName", ""), said.get("VpcId"), said.get("OwnerId"), tuple(rules))


def _permission(group: str, direction: Direction, said: dict[str, Any]) -> Iterator[GroupRule]:
    """The rules of a permission: one a peer."""
    protocol = _protocol(said["IpProtocol"])
    ports = _ports(protocol, said.get("FromPort"), said.get("ToPort"))
    for peer, description in _peers(said):
        yield GroupRule(group, direction, protocol, ports, peer, description or "")


def _peers(said: dict[str, Any]) -> Iterable[tuple[Network | str, str | None]]:
    for key, cidr in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
        yield from ((_network(it[cidr]), it.get("Description")) for it in said.get(key, []))
    for key, identity in (("PrefixListIds", "PrefixListId"), ("UserIdGroupPairs", "GroupId")):
        yield from ((str(it[identity]), it.get("Description")) for it in said.get(key, []) if identity in it)


def _acl(said: dict[str, Any]) -> Acl:
    entries = [_entry(it) for it in said.get("Entries", [])]
    subnets = [it["SubnetId"] for it in said.get("Associations", []) if "SubnetId" in it]
    return Acl(
        said["NetworkAclId"],
        said.get("OwnerId"),
        tuple(subnets),
        tuple(sorted(entries, key=lambda it: it.number)),
    )


def _entry(said: dict[str, Any]) -> AclEntry:
    protocol = _protocol(said["Protocol"])
    ports = said.get("PortRange", {})
    if protocol in ICMP:
        icmp = said.get("IcmpTypeCode", {})
        ports = {"From": icmp.get("Type"), "To": icmp.get("Code")}
    network = _network(said.get("CidrBlock") or said["Ipv6CidrBlock"])
    return AclEntry(
        int(said["RuleNumber"]),
        "egress" if said.get("Egress") else "ingress",
        protocol,
        _ports(protocol, ports.get("From"), ports.get("To")),
        network,
        said["RuleAction"] == "allow",
    )


def _protocol(said: Any) -> int | None:
    """IANA's number; None for all."""
    text = str(said).lower()
    if text == "-1":
        return None
    number = PROTOCOLS.get(text, int(text) if text.isdigit() else -1)
    if not 0 <= number <= 255:
        raise ValueError(f'protocol "{said}" is none')
    return number


def _ports(protocol: int | None, first: Any, last: Any) -> tuple[int, int] | None:
    """None for every port; for every type where it is ICMP."""
    if protocol is None or first is None or last is None or first == -1:
        return None
    ports = (int(first), int(last))
    if protocol not in ICMP and not 0 <= ports[0] <= ports[1] <= 65535:
        raise ValueError(f"ports {first} to {last} are no range")
    return None if ports == (0, 65535) else ports


def _network(said: Any) -> Network:
    try:
        return ip_network(str(said), strict=False)
    except ValueError:
        raise ValueError(f'"{said}" is no CIDR') from None
