"""Which rules of security groups no flow used, and which are far wider than what they let through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from vpcflow.diagnose.flows import COUNT, INTERFACE, MOST, PORT, PROTOCOL, Flows, narrowed
from vpcflow.diagnose.model import GroupRule, Network
from vpcflow.diagnose.network import Surroundings
from vpcflow.diagnose.refusals import requests
from vpcflow.diagnose.rules import narrow
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric

__all__ = ["TooWide", "Unused", "Usage", "narrower", "usage"]

#: Rules that are asked about in one query.
_BATCH = 40
#: A rule that so many addresses use is no longer narrowed, and so many networks and services replace it.
HOSTS, NETWORKS, SERVICES = 10, 5, 5
#: A network is far wider than another when it has so many times its addresses; a range of ports has so many.
_FAR, _RANGE = 256, 100
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Unused:
    """A rule that no flow used.

    Attributes:
        interfaces: how many that have the group logged flows.
    """

    rule: GroupRule
    interfaces: int


@dataclass(frozen=True, slots=True)
class TooWide:
    """A rule that is far wider than the traffic that it carries.

    Attributes:
        hosts: how many addresses used it.
        services: protocols and ports that were used.
        instead: what lets the same flows through.
    """

    rule: GroupRule
    flows: int
    hosts: int
    services: tuple[tuple[int, int | None], ...]
    instead: tuple[GroupRule, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What is said of rules.

    Attributes:
        since: flows from then on were asked.
        notes: of what nothing can be said, and why.
    """

    since: datetime
    unused: list[Unused]
    too_wide: list[TooWide]
    notes: list[str]


def usage(flows: Flows, around: Surroundings, oldest: datetime) -> Usage:
    """Holds rules against the flows of a period.

    Args:
        flows: of as long a time as a rule may go without use.
        around: the rules, and which interfaces they are for.
        oldest: when the first flow was that there is.
    """
    if not flows.count or not flows.has(INTERFACE) or not flows.has(PORT) or not flows.has(PROTOCOL):
        lack = "which rules are used can't be told: the flows lack interface, protocol or port"
        return Usage(flows.period.start, [], [], [lack])
    notes: list[str] = []
    logged = {row[INTERFACE] for row in flows.rows(Filter(), (INTERFACE,), (COUNT,), limit=MOST)}
    users = {it: sorted(logged & set(around.users(it))) for it in around.rules.groups}
    silent = [it for it, interfaces in users.items() if not interfaces]
    if silent:
        notes.append(
            f"of {len(silent)} of {len(users)} security groups nothing is said: no interface known to have "
            f"them logged flows ({', '.join(silent[:3])}{' …' if len(silent) > 3 else ''})"
        )
    asked = [
        (rule, condition)
        for group in around.rules.groups.values()
        if users[group.group_id]
        for rule in group.rules
        if (condition := _uses(rule, users[group.group_id], around)) is not None
    ]
    counts = _counts(flows, asked)
    unused = [Unused(rule, len(users[rule.group or ""])) for rule, _ in asked if not counts[rule]]
    if oldest > flows.period.start:
        unused = []
        days = (flows.period.end - flows.period.start) / timedelta(days=1)
        seen = (flows.period.end - oldest) / timedelta(days=1)
        notes.append(
            f"which rules are unused isn't said: flows go back {seen:.3g} days, and a rule counts as unused "
            f"after {days:g}; --unused-after {_shorter(seen)} asks for less"
        )
    wide = [
        it
        for rule, condition in asked
        if counts[rule] and (it := _too_wide(flows, rule, condition, counts[rule])) is not None
    ]
    return Usage(flows.period.start, unused, wide, notes)


def narrower(rule: GroupRule, used: Iterable[tuple[str, int, int | None]]) -> tuple[GroupRule, ...]:
    """What is far narrower than a rule, and lets through what used it; nothing where there is no such thing.

    Args:
        rule: with a network as its peer.
        used: of what went through it: peer, protocol, port.
    """
    seen = sorted(set(used), key=str)
    hosts = {peer for peer, _, _ in seen}
    services = sorted({(protocol, port) for _, protocol, port in seen}, key=str)
    few_hosts = len(hosts) <= HOSTS and _is_wide(rule.peer)
    few_ports = len(services) <= SERVICES and _ranges(rule)
    if not few_hosts and not few_ports:
        return ()
    networks = narrow(hosts, NETWORKS) if few_hosts else (rule.peer,)
    if few_hosts and not _far_narrower(networks, rule.peer):
        return ()
    if not few_ports:
        return tuple(replace(rule, peer=it, description="") for it in networks)
    result = []
    for protocol, port in services:
        own = {peer for peer, *service in seen if tuple(service) == (protocol, port)}
        ports = None if port is None else (port, port)
        result += [
            replace(rule, protocol=protocol, ports=ports, peer=it, description="")
            for it in (narrow(own, NETWORKS) if few_hosts else networks)
        ]
    return tuple(result)


def _uses(rule: GroupRule, interfaces: Sequence[str], around: Surroundings) -> Filter | None:
    """The flows that a rule may have let in; None where its peer's addresses aren't known.

    In doubt they are more: a flow whose direction nobody knows, an ICMP of any type.
    """
    peer, away = ("source.ip", "egress") if rule.direction == "ingress" else ("destination.ip", "ingress")
    parts: dict[str, Any] = {
        "accepted": {"aws.vpcflow.action": "ACCEPT"},
        "away": {"network.direction": away},
    }
    networks: Sequence[str] = [str(rule.peer)]
    if isinstance(rule.peer, str):
        known = around.resolver.prefixes.get(rule.peer) or around.resolver.members.get(rule.peer)
        if known is None:
            return None
        networks = sorted(map(str, known))
    elif rule.peer.version == 6:  # IPv4 is part of ::/0
        parts["accepted"]["network.type"] = "ipv6"
    if not networks:
        return None
    single = isinstance(rule.peer, str) and rule.peer.startswith("sg-")
    parts["accepted"][peer if single else f"{peer}|cidr"] = list(networks)
    if rule.protocol is not None:
        parts["accepted"][PROTOCOL] = str(rule.protocol)
    if rule.ports is not None and rule.protocol in (6, 17):
        parts["accepted"] |= {f"{PORT}|gte": rule.ports[0], f"{PORT}|lte": rule.ports[1]}
    # What goes to a client's port is taken for an answer, but not where the rule is for such ports.
    high = rule.ports is not None and rule.ports[0] >= 32768
    condition = "accepted and not away"
    whole = Filter({**parts, "condition": condition}) if high else requests(parts, condition)
    return narrowed(whole, {INTERFACE: interfaces})


def _counts(flows: Flows, asked: Sequence[tuple[GroupRule, Filter]]) -> dict[GroupRule, int]:
    """How many records used each rule."""
    counts: dict[GroupRule, int] = {}
    for begin in range(0, len(asked), _BATCH):
        some = asked[begin : begin + _BATCH]
        shares = tuple(Metric("share", f"r{at}", filter=it) for at, (_, it) in enumerate(some))
        [row] = flows.rows(Filter({"aws.vpcflow.action": "ACCEPT"}), (), (COUNT, *shares))
        for at, (rule, _) in enumerate(some):
            counts[rule] = round((row[f"r{at}"] or 0) * row["flows"])
    return counts


def _too_wide(flows: Flows, rule: GroupRule, condition: Filter, count: int) -> TooWide | None:
    if isinstance(rule.peer, str) or not (_is_wide(rule.peer) or _ranges(rule)) or _is_website(rule):
        return None
    peer = "source.ip" if rule.direction == "ingress" else "destination.ip"
    rows = flows.rows(condition, (peer, PROTOCOL, PORT), (COUNT,), limit=_ROWS)
    if len(rows) == _ROWS:
        return None
    used = [_used(row[peer], int(row[PROTOCOL]), row[PORT]) for row in rows]
    instead = narrower(rule, used)
    if not instead:
        return None
    services = sorted({(protocol, port) for _, protocol, port in used}, key=str)
    return TooWide(rule, count, len({it[0] for it in used}), tuple(services), instead)


def _shorter(days: float) -> str:
    """As long a time as the flows go back, on the safe side."""
    return f"{int(days)}d" if days >= 1 else f"{max(1, int(days * 24))}h"


def _used(peer: str, protocol: int, port: int) -> tuple[str, int, int | None]:
    return peer, protocol, port if protocol in (6, 17) else None


def _is_wide(peer: Network | str) -> bool:
    """A network that isn't a host's, nor a handful's."""
    return not isinstance(peer, str) and peer.num_addresses >= _FAR


def _is_website(rule: GroupRule) -> bool:
    """What is open to the whole internet because it is meant to be."""
    everyone = not isinstance(rule.peer, str) and rule.peer.prefixlen == 0
    return rule.direction == "ingress" and everyone and rule.ports in ((80, 80), (443, 443))


def _ranges(rule: GroupRule) -> bool:
    """Whether a rule is for many ports, or for every protocol."""
    first, last = rule.ports or (0, 65535)
    return rule.protocol is None or (rule.protocol in (6, 17) and last - first >= _RANGE)


def _far_narrower(networks: Iterable[Network | str], than: Network | str) -> bool:
    if isinstance(than, str):
        return False
    return sum(it.num_addresses for it in networks if not isinstance(it, str)) * _FAR <= than.num_addresses
