"""Which interface has which address, subnet and security groups, and by which rules it is guarded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from vpcflow.diagnose.groups import Rules
from vpcflow.diagnose.model import Acl, Direction, GroupRule
from vpcflow.diagnose.rules import Resolver
from vpcflow.inventory import Inventory, NetworkInterface, Subnet

__all__ = ["PRIVATE", "Places", "Surroundings"]

#: Addresses that are nobody's on the internet.
PRIVATE = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7",
    "fe80::/10",
)  # fmt: skip
#: Bits of an IPv6 address within a VPC, which gets a /56.
_VPC = 128 - 56
_PRIVATE = tuple(map(ip_network, PRIVATE))


@dataclass(frozen=True, slots=True)
class Places:
    """What the documents themselves say of interfaces, by id: where no inventory does.

    Attributes:
        groups: security groups.
        subnets: the subnet's id.
    """

    groups: Mapping[str, tuple[str, ...]]
    subnets: Mapping[str, str]


class Surroundings:
    """Rules, and who they are for."""

    def __init__(self, rules: Rules, inventory: Inventory | None, places: Places) -> None:
        self.rules = rules
        self.inventory = inventory
        self._places = places
        self._acls = {subnet: acl for acl in rules.acls.values() for subnet in acl.subnets}

    def groups(self, interface: str | None) -> tuple[str, ...]:
        """The security groups of an interface; empty where nobody says."""
        found = self.interface(interface)
        if found is not None and found.security_groups:
            return found.security_groups
        return self._places.groups.get(interface or "", ())

    def known_rules(self, interface: str | None) -> list[GroupRule] | None:
        """The rules of all groups of an interface; None unless all of them are at hand."""
        groups = self.groups(interface)
        if not groups or not all(it in self.rules.groups for it in groups):
            return None
        return [rule for it in groups for rule in self.rules.groups[it].rules]

    def acl(self, interface: str | None) -> Acl | None:
        """The network ACL of an interface's subnet."""
        subnet = self.subnet(interface)
        return self._acls.get(subnet) if subnet else None

    def subnet(self, interface: str | None) -> str | None:
        found = self.interface(interface)
        if found is not None and found.subnet_id:
            return found.subnet_id
        return self._places.subnets.get(interface or "")

    def interface(self, interface: str | None) -> NetworkInterface | None:
        return self.inventory.interface(interface) if self.inventory is not None else None

    def at(self, address: str) -> NetworkInterface | Subnet | None:
        """Whose address it is."""
        return self.inventory.at(address) if self.inventory is not None else None

    def outside(self, address: str, own: str) -> bool:
        """Whether an address is somebody's on the internet, as an interface with an address of ours sees it.

        IPv6 addresses are all public: what shares a VPC's network is ours.
        """
        found, ours = ip_address(address), ip_address(own)
        near = found.version == ours.version == 6 and int(found) >> _VPC == int(ours) >> _VPC
        return not near and not _is_private(address) and self.at(address) is None

    def direction(self, interface: str | None, source: str, destination: str) -> Direction | None:
        """Which way, by the interface's addresses; else by which end is private."""
        if interface is None:
            return None
        found = self.interface(interface)
        if found is not None and (source in found.addresses) != (destination in found.addresses):
            return "egress" if source in found.addresses else "ingress"
        if _is_private(source) == _is_private(destination):
            return None
        return "egress" if _is_private(source) else "ingress"

    def users(self, group: str) -> list[str]:
        """The interfaces that have a group."""
        told = {
            it.interface_id: it.security_groups
            for it in (self.inventory.interfaces if self.inventory is not None else ())
            if it.interface_id and it.security_groups
        }
        both = {**self._places.groups, **told}
        return sorted(interface for interface, groups in both.items() if group in groups)

    @cached_property
    def resolver(self) -> Resolver:
        if self.inventory is None:
            return Resolver(prefixes=self.rules.prefixes)
        members: dict[str, set[str]] = {group: set() for group in self.rules.groups}
        for interface in self.inventory.interfaces:
            for group in interface.security_groups:
                # A rule that names a group is for its members' addresses in the VPC, not for public ones.
                members.setdefault(group, set()).update(it for it in interface.addresses if _is_within(it))
        return Resolver({group: frozenset(it) for group, it in members.items()}, self.rules.prefixes)

    @property
    def networks(self) -> Iterable[str]:
        """Of our subnets."""
        subnets = self.inventory.subnets.values() if self.inventory is not None else ()
        return [cidr for subnet in subnets for cidr in subnet.cidrs]


def _is_private(address: str) -> bool:
    found = ip_address(address)
    return any(found in network for network in _PRIVATE)


def _is_within(address: str) -> bool:
    """Whether an address of an interface is one within its VPC: of IPv6, all are."""
    return ":" in address or _is_private(address)
