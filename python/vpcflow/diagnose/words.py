"""Flows, ports and times in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from vpcflow.diagnose.model import Acl, AclEntry, Flow, GroupRule, Refusal, Span

__all__ = [
    "acl_says",
    "addresses",
    "between",
    "lasted",
    "moment",
    "peers",
    "ports",
    "protocol",
    "rule",
    "service",
    "service_name",
    "where",
]

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def protocol(number: int | None) -> str:
    """As EC2 writes it."""
    return "-1" if number is None else _PROTOCOLS.get(number, str(number))


def ports(several: tuple[int, int] | None) -> str:
    """``443``, ``1024-65535``; empty for all."""
    if several is None:
        return ""
    return str(several[0]) if several[0] == several[1] else f"{several[0]}-{several[1]}"


def service(flow: Flow) -> str:
    """``tcp 5432``, ``icmp``, ``answers of tcp 443``."""
    name = "any protocol" if flow.protocol is None else protocol(flow.protocol)
    text = name if flow.port is None or flow.protocol in (1, 58) else f"{name} {flow.port}"
    return f"answers of {text}" if flow.answer else text


def service_name(number: int, port: int | None) -> str:
    """``tcp 5432``, ``icmp``."""
    return protocol(number) if port is None else f"{protocol(number)} {port}"


def where(refusal: Refusal) -> str:
    """``10.0.2.30 to 10.0.1.20, tcp 5432``."""
    flow = refusal.flow
    return f"{flow.source} to {flow.destination}, {service(flow)}"


def peers(number: int) -> str:
    return "another address" if number == 1 else f"{number:,} other addresses"


def addresses(number: int) -> str:
    return "1 address" if number == 1 else f"{number:,} addresses"


def moment(at: datetime) -> str:
    """``2026-11-24 12:30`` in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def between(span: Span) -> str:
    """``12 times from 2026-11-24 12:30 to 2026-11-24 13:30``."""
    times = "once" if span.flows == 1 else f"{span.flows:,} times"
    if span.last - span.first < timedelta(minutes=1):
        return f"{times} at {moment(span.first)}"
    return f"{times} from {moment(span.first)} to {moment(span.last)}"


def lasted(span: Span) -> str:
    """``3 d``, ``5 h``, ``10 min``: how long it has gone on."""
    seconds = (span.last - span.first).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "once" if span.flows == 1 else "1 min"


def rule(it: GroupRule | AclEntry) -> str:
    """``ingress tcp 5432 from 10.0.2.30/32``."""
    what = (
        "all"
        if it.protocol is None
        else " ".join(part for part in (protocol(it.protocol), ports(it.ports)) if part)
    )
    peer = it.network if isinstance(it, AclEntry) else it.peer
    return f"{it.direction} {what} {'from' if it.direction == 'ingress' else 'to'} {peer}"


def acl_says(acl: Acl, entry: AclEntry | None) -> str:
    """What a network ACL does with a flow."""
    if entry is None or entry.number == 32767:
        return f"{acl.acl_id} has no entry that lets it through"
    return f"entry {entry.number} of {acl.acl_id} {'lets it through' if entry.allow else 'refuses it'}"
