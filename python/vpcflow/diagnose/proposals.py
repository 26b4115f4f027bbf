"""The smallest rule that would let a refused flow through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vpcflow.diagnose.model import (
    Acl,
    AclEntry,
    GroupRule,
    Network,
    Proposal,
    Refusal,
    Verdict,
)
from vpcflow.diagnose.network import Surroundings
from vpcflow.diagnose.rules import CLIENTS, WITH_PORTS, Packet, free_number, single
from vpcflow.diagnose.words import between, where

__all__ = ["entry_for", "numbered", "packet_of", "rule_for"]


def packet_of(refusal: Refusal) -> Packet | None:
    """What rules see of a flow; an answer goes to any port of a client. None when it may be either way."""
    if refusal.direction is None:
        return None
    flow = refusal.flow
    if flow.port is None or flow.protocol not in WITH_PORTS:
        return Packet(refusal.direction, refusal.peer, flow.protocol, None)
    ports = CLIENTS if flow.answer else (flow.port, flow.port)
    return Packet(refusal.direction, refusal.peer, flow.protocol, ports)


def rule_for(refusal: Refusal, packet: Packet, around: Surroundings) -> tuple[Proposal, ...]:
    """For a security group: from the peer's group where it is ours, else from its address alone.

    None without protocol and port: it would let everything through.
    """
    if not _whole(packet):
        return ()
    rule = GroupRule(
        _target(refusal, around), packet.direction, packet.protocol, packet.ports, _peer(refusal, around)
    )
    return (Proposal(rule, None, refusal.flow.interface, _why(refusal)),)


def entry_for(
    refusal: Refusal, packet: Packet, acl: Acl | None, before: AclEntry | None
) -> tuple[Proposal, ...]:
    """For a network ACL: an entry asked before the one that refuses. Its number is 0 where unknown."""
    if not _whole(packet):
        return ()
    number = free_number(acl.entries, packet.direction, before) if acl is not None else None
    entry = AclEntry(
        number or 0, packet.direction, packet.protocol, packet.ports, single(refusal.peer), allow=True
    )
    acl_id = acl.acl_id if acl is not None else None
    return (Proposal(entry, acl_id, refusal.flow.interface, _why(refusal)),)


def numbered(verdicts: Iterable[Verdict], around: Surroundings) -> list[Verdict]:
    """The same with a number of its own for each entry of a network ACL: the same one for the same entry."""
    taken = {acl.acl_id: list(acl.entries) for acl in around.rules.acls.values()}
    given: dict[tuple[str, AclEntry], AclEntry] = {}

    def number(it: Proposal) -> Proposal:
        if it.acl is None or not isinstance(it.rule, AclEntry) or not it.rule.number:
            return it
        key = (it.acl, it.rule)
        if key not in given:
            entries = taken[it.acl]
            bound = replace(it.rule, number=it.rule.number + 1)
            free = free_number(entries, it.rule.direction, bound) or 0
            given[key] = replace(it.rule, number=free)
            entries.append(given[key])
        return replace(it, rule=given[key])

    return [replace(it, proposals=tuple(map(number, it.proposals))) for it in verdicts]


def _whole(packet: Packet) -> bool:
    return packet.protocol is not None and (packet.protocol not in WITH_PORTS or packet.ports is not None)


def _peer(refusal: Refusal, around: Surroundings) -> Network | str:
    own, other = around.interface(refusal.flow.interface), around.at(refusal.peer)
    groups = getattr(other, "security_groups", ())
    # A rule can name groups of the same VPC; others only by peering, which nobody told of.
    if not groups or own is None or other is None or own.vpc_id is None or own.vpc_id != other.vpc_id:
        return single(refusal.peer)
    members = around.resolver.members
    return str(min(groups, key=lambda it: (len(members.get(it, ())), it)))


def _target(refusal: Refusal, around: Surroundings) -> str | None:
    """Which of the interface's groups: one that has rules for the port, else the one that fewest have."""
    groups = around.groups(refusal.flow.interface)
    port = refusal.flow.port

    def fit(group: str) -> tuple[bool, int, str]:
        rules = around.rules.groups[group].rules if group in around.rules.groups else ()
        has = any(
            (it.direction, it.protocol) == (refusal.direction, refusal.flow.protocol)
            and it.ports is not None
            and port is not None
            and it.ports[0] <= port <= it.ports[1]
            for it in rules
        )
        return not has, len(around.resolver.members.get(group, ())), group

    return min(groups, key=fit, default=None)


def _why(refusal: Refusal) -> str:
    return f"{where(refusal)}: refused {between(refusal.span)}"
