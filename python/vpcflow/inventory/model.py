"""The things of an inventory, and how they are found.

Attributes have EC2's names as the API writes them (``InstanceType``), in Python's spelling; files write them
as flow logs do, with hyphens (``instance-type``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeVar

from vpcflow.networks import Networks

__all__ = ["Instance", "Inventory", "NetworkInterface", "Parts", "Subnet", "Vpc", "canonical"]

_Thing = TypeVar("_Thing")

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpc:
    """A VPC. `tags` has its name, as everywhere here, under ``Name``."""

    vpc_id: str
    account_id: str | None = None
    region: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet.

    Attributes:
        availability_zone: as flow logs name it, by its id (``euw1-az1``), which is the same in every account.
        cidrs: of both families.
    """

    subnet_id: str
    account_id: str | None = None
    region: str | None = None
    availability_zone: str | None = None
    vpc_id: str | None = None
    cidrs: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An EC2 instance."""

    instance_id: str
    account_id: str | None = None
    region: str | None = None
    instance_type: str | None = None
    image_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """A network interface.

    Attributes:
        interface_id: None where a CSV file tells of an address alone.
        interface_type: EC2's InterfaceType.
        requester_id: who made it: an alias of a service (``amazon-elb``), or an account's or user's id.
        security_groups: their ids.
        addresses: private and public ones, of both families.
        prefixes: CIDRs that are delegated to it, as EKS does for pods.
    """

    interface_id: str | None = None
    account_id: str | None = None
    region: str | None = None
    availability_zone: str | None = None
    vpc_id: str | None = None
    subnet_id: str | None = None
    instance_id: str | None = None
    interface_type: str | None = None
    description: str | None = None
    requester_id: str | None = None
    security_groups: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Parts:
    """What one file holds, or one pull found."""

    vpcs: list[Vpc] = field(default_factory=list)
    subnets: list[Subnet] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    interfaces: list[NetworkInterface] = field(default_factory=list)

    def add(self, other: Parts) -> None:
        self.vpcs += other.vpcs
        self.subnets += other.subnets
        self.instances += other.instances
        self.interfaces += other.interfaces


class Inventory:
    """Finds things by their ids, and interfaces by address.

    Where parts tell of the same thing, the last one counts.

    Attributes:
        vpcs, subnets, instances: by id.
        interfaces: all of them.
        accounts: those that something in it belongs to.
        shared: how many addresses more than one interface has.
    """

    def __init__(self, parts: Sequence[Parts]) -> None:
        self.vpcs = {vpc.vpc_id: vpc for part in parts for vpc in part.vpcs}
        self.subnets = {subnet.subnet_id: subnet for part in parts for subnet in part.subnets}
        self.instances = {instance.instance_id: instance for part in parts for instance in part.instances}
        told = [interface for part in parts for interface in part.interfaces]
        self._by_id = {it.interface_id: it for it in told if it.interface_id is not None}
        nameless = [it for it in told if it.interface_id is None]
        self.interfaces = (*self._by_id.values(), *nameless)
        self.accounts = frozenset(it.account_id for it in self.things if it.account_id is not None)
        self._by_address, self.shared = _addresses(self.interfaces)
        self._delegated = _unambiguous((cidr, it) for it in self.interfaces for cidr in it.prefixes)
        self._by_subnet = _unambiguous((cidr, it) for it in self.subnets.values() for cidr in it.cidrs)

    @property
    def things(self) -> tuple[Vpc | Subnet | Instance | NetworkInterface, ...]:
        """Everything that is in it."""
        return (
            *self.vpcs.values(),
            *self.subnets.values(),
            *self.instances.values(),
            *self.interfaces,
        )

    def interface(self, interface_id: str | None) -> NetworkInterface | None:
        return self._by_id.get(interface_id) if interface_id is not None else None

    def at(self, address: str) -> NetworkInterface | Subnet | None:
        """Whose address it is; the subnet where no interface is known to have it.

        None where two interfaces have it, such as those of two VPCs with the same CIDR, and for what is not
        ours or no address.
        """
        text = canonical(address)
        if text is None:
            return None
        if text in self._by_address:
            return self._by_address[text]
        for networks in (self._delegated, self._by_subnet):
            for found in networks.containing(ip_address(text)):
                return found
        return None

    def instance_of(self, interface: NetworkInterface) -> Instance | None:
        return self.instances.get(interface.instance_id) if interface.instance_id is not None else None

    def tags_of(
        self, interface: NetworkInterface | None, subnet_id: str | None, vpc_id: str | None
    ) -> Iterator[Mapping[str, str]]:
        """The tags of an interface, and of what it is part of: the nearest first."""
        if interface is not None:
            yield interface.tags
            instance = self.instance_of(interface)
            yield instance.tags if instance is not None else _NONE
        subnet = self.subnets.get(subnet_id) if subnet_id is not None else None
        yield subnet.tags if subnet is not None else _NONE
        vpc = self.vpcs.get(vpc_id) if vpc_id is not None else None
        yield vpc.tags if vpc is not None else _NONE


def canonical(address: str) -> str | None:
    """An address in its usual spelling, IPv4 also where it is mapped into IPv6; None for what is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found)


def _addresses(
    interfaces: Iterable[NetworkInterface],
) -> tuple[dict[str, NetworkInterface | None], int]:
    found: dict[str, NetworkInterface | None] = {}
    shared = 0
    for interface in interfaces:
        for address in interface.addresses:
            text = canonical(address) or address
            text = address if text == address else text  # one text less
            if text in found and found[text] is not interface:
                shared += found[text] is not None
                found[text] = None
            else:
                found[text] = interface
    return found, shared


def _unambiguous(pairs: Iterable[tuple[str, _Thing]]) -> Networks[_Thing | None]:
    """Things by CIDR; None where two have the same."""
    having: dict[str, list[_Thing]] = {}
    for cidr, thing in pairs:
        having.setdefault(cidr, []).append(thing)
    networks: Networks[_Thing | None] = Networks()
    for cidr, things in having.items():
        networks.put(ip_network(cidr), things[0] if len(things) == 1 else None)
    return networks
