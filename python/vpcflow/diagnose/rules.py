"""What rules let through, and the smallest that would.

An answer may be None for "can't be told": flow logs have no type of ICMP, and a file may lack the addresses
of a prefix list or of a group's members.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import collapse_addresses, ip_address, ip_network
from itertools import pairwise

from vpcflow.diagnose.model import ICMP, Acl, AclEntry, Direction, GroupRule, Network

__all__ = [
    "CLIENTS",
    "WITH_PORTS",
    "Packet",
    "Resolver",
    "admits",
    "admits_any",
    "decides",
    "free_number",
    "narrow",
    "single",
]

#: Ports that clients take: what AWS advises network ACLs to let through for answers.
CLIENTS = (1024, 65535)
_PORTS = (0, 65535)
#: Protocols that have ports: rules for others hold for whatever comes.
WITH_PORTS = frozenset({6, 17})


@dataclass(frozen=True, slots=True)
class Packet:
    """What a rule looks at.

    Attributes:
        peer: the address at the other end.
        ports: first and last of the destination ports in question; None where the log doesn't say.
    """

    direction: Direction
    peer: str
    protocol: int | None
    ports: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Resolver:
    """The addresses behind ids.

    Attributes:
        members: of each security group whose members are known.
        prefixes: networks of each prefix list whose entries are.
    """

    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)

    def has(self, peer: Network | str, address: str) -> bool | None:
        """Whether an address is what a rule calls its peer."""
        found = ip_address(address)
        if not isinstance(peer, str):
            return found in peer
        if peer.startswith("pl-"):
            networks = self.prefixes.get(peer)
            return None if networks is None else any(found in network for network in networks)
        members = self.members.get(peer)
        return None if members is None else str(found) in members


def admits(rule: GroupRule, packet: Packet, resolver: Resolver) -> bool | None:
    """Whether a rule of a security group lets all of a packet's ports through."""
    if rule.direction != packet.direction:
        return False
    there = resolver.has(rule.peer, packet.peer)
    if there is False:
        return False
    covers = _covers(rule.protocol, rule.ports, packet)
    return covers if covers is False else (None if there is None else covers)


def admits_any(rules: Iterable[GroupRule], packet: Packet, resolver: Resolver) -> bool | None:
    """Whether any rule does: those of an interface's groups add up."""
    answers = [admits(rule, packet, resolver) for rule in rules]
    return True if True in answers else (None if None in answers else False)


def decides(acl: Acl, packet: Packet) -> tuple[bool | None, AclEntry | None]:
    """Whether a network ACL lets all of a packet's ports through, and the entry that decides.

    Entries are asked in their order, each for the ports that none before it had.
    """
    left = [packet.ports or _PORTS]
    allowed = None
    for entry in acl.entries:
        if entry.direction != packet.direction or ip_address(packet.peer) not in entry.network:
            continue
        if entry.protocol is not None:
            if packet.protocol is None:
                return None, entry
            if entry.protocol != packet.protocol:
                continue
            if packet.protocol in ICMP and entry.ports is not None:
                return None, entry
        taken = entry.ports if entry.protocol in WITH_PORTS and entry.ports else _PORTS
        rest = [piece for piece in left for piece in _without(piece, taken)]
        if rest == left:
            continue
        if not entry.allow:
            return (False, entry) if packet.ports or not rest else (None, entry)
        left, allowed = rest, entry
        if not left:
            return True, allowed
    return False, None


def single(address: str) -> Network:
    """The network of one address."""
    return ip_network(address)


def narrow(addresses: Iterable[str], most: int) -> tuple[Network, ...]:
    """The smallest networks that hold these addresses, at most so many of each family.

    Those that need the smallest common network are put together first.
    """
    result: list[Network] = []
    for version in (4, 6):
        networks = [it for it in map(single, set(addresses)) if it.version == version]
        left: list[Network] = sorted(collapse_addresses(networks))  # type: ignore[type-var]
        while len(left) > most:
            # Neighbours in order are the ones that can have the smallest common network.
            joined = [_common(one, other) for one, other in pairwise(left)]
            best = max(joined, key=lambda network: network.prefixlen)
            left = [it for it in left if not _within(it, best)]
            left = sorted([*left, best])
        result += left
    return tuple(result)


def free_number(entries: Sequence[AclEntry], direction: Direction, before: AclEntry | None) -> int | None:
    """A number for an entry that is asked before another one; None when all are taken."""
    taken = {it.number for it in entries if it.direction == direction}
    top = before.number if before is not None and before.number < 32767 else None
    if top is None:
        own = [number for number in taken if number < 32767]
        top = min(32767, (max(own, default=0) // 10 + 1) * 10 + 1)
    return next((number for number in range(top - 1, 0, -1) if number not in taken), None)


def _covers(protocol: int | None, ports: tuple[int, int] | None, packet: Packet) -> bool | None:
    if protocol is None:
        return True
    if packet.protocol is None:
        return None
    if protocol != packet.protocol:
        return False
    if ports is None or protocol not in (*WITH_PORTS, *ICMP):
        return True
    if protocol in ICMP or packet.ports is None:
        return None
    return ports[0] <= packet.ports[0] and packet.ports[1] <= ports[1]


def _without(piece: tuple[int, int], taken: tuple[int, int]) -> list[tuple[int, int]]:
    before = (piece[0], min(piece[1], taken[0] - 1))
    after = (max(piece[0], taken[1] + 1), piece[1])
    return [it for it in (before, after) if it[0] <= it[1]]


def _common(one: Network, other: Network) -> Network:
    while not _within(other, one):
        one = one.supernet()
    return one


def _within(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]
