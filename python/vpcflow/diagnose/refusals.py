"""Which flows were refused, and what else is known of the same flows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vpcflow.diagnose.flows import COUNT, INTERFACE, MOST, PORT, PROTOCOL, SPAN, Flows, narrowed
from vpcflow.diagnose.model import Direction, Evidence, Flow, Refusal, Scan, Span
from vpcflow.diagnose.network import PRIVATE, Surroundings
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric

__all__ = ["Found", "Policy", "evidence", "policies", "refusals", "requests"]

#: Ports above 1023 that are services' and seldom clients'.
_SERVICES = (
    1433, 1521, 2049, 3128, 3306, 3389, 5432, 5439, 5671, 5672, 5984, 5985, 6379, 8080, 8443, 9042, 9092,
    9094, 9200, 11211, 27017,
)  # fmt: skip

#: A public address that was refused at so many ports, or so many hosts, tries what there is.
SCAN = 5
#: Refusals that are asked about at once: Elasticsearch takes 1,024 conditions, and each has up to five.
_AT_ONCE = 150
#: A connection's first packet: SYN without ACK. The log ORs the flags of all packets of a record.
_OPENING = tuple(str(bits) for bits in range(64) if bits & 2 and not bits & 16)
_FIELDS = (INTERFACE, "source.ip", "destination.ip", PROTOCOL)
_REFUSED = {"aws.vpcflow.action": "REJECT"}
#: From a service's port to a client's.
_ANSWER = {
    "low": {"source.port|lt": 1024, "destination.port|gte": 1024},
    "service": {"source.port": list(_SERVICES), "destination.port|gte": 1024},
    "client": {"source.port|lt": 32768, "destination.port|gte": 32768},
    "served": {"destination.port": list(_SERVICES)},
}
_IS_ANSWER = "((low or service or client) and not served)"
_NUMBERS = (
    *SPAN,
    Metric("share", "in", filter=Filter({"network.direction": "ingress"})),
    Metric("share", "out", filter=Filter({"network.direction": "egress"})),
    Metric("share", "opened", filter=Filter({"aws.vpcflow.tcp_flags": list(_OPENING)})),
    Metric("share", "flagged", filter=Filter({"aws.vpcflow.tcp_flags|exists": True})),
)


@dataclass(frozen=True, slots=True)
class Found:
    """The largest refusals.

    Attributes:
        refusals: the most records first.
        scans: the most records first.
        count: how many refusals there are in all; at least, when `more`.
    """

    refusals: list[Refusal]
    scans: list[Scan]
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """What Block Public Access or encryption controls refused at an interface."""

    reason: str
    interface: str | None
    span: Span
    peers: int


def requests(filters: dict[str, Any], condition: str) -> Filter:
    """Flows that fulfil a condition and are no answers."""
    return Filter({**filters, **_ANSWER, "condition": f"({condition}) and not {_IS_ANSWER}"})


def refusals(flows: Flows, around: Surroundings, interfaces: Sequence[str], most: int) -> Found:
    """The largest refusals for which the log itself gives no reason: so many of each kind.

    Args:
        flows: who is asked.
        around: knows directions.
        interfaces: at these only; all by default.
        most: how many, of requests from inside, from the internet, and of answers.
    """
    filters = {"refused": _REFUSED, "reason": {"event.reason|exists": True}, **_inside(around)}
    inside = requests(filters, "refused and inside and not reason")
    answers = Filter({**filters, **_ANSWER, "condition": f"refused and not reason and {_IS_ANSWER}"})
    outside = narrowed(requests(filters, "refused and not inside and not reason"), {INTERFACE: interfaces})
    tries = (*SPAN, Metric("distinct", "hosts", "destination.ip"), Metric("distinct", "ports", PORT))
    sources = flows.rows(outside, ("source.ip",), tries, limit=MOST)
    few = [it["source.ip"] for it in sources if it["hosts"] < SCAN and it["ports"] < SCAN]
    scans = [
        Scan(it["source.ip"], _span(it), it["hosts"], it["ports"])
        for it in sources
        if it["hosts"] >= SCAN or it["ports"] >= SCAN
    ]
    found: list[dict[str, Any]] = []
    count, more = max(0, len(few) - most), len(sources) == MOST
    for condition, port, answer in ((inside, PORT, False), (answers, "source.port", True)):
        rows = _groups(flows, narrowed(condition, {INTERFACE: interfaces}), port, answer=answer, limit=MOST)
        count, more = count + len(rows), more or len(rows) == MOST
        found += rows[:most]
    if few:
        rows = _groups(flows, narrowed(outside, {"source.ip": few[:most]}), PORT, answer=False)
        count += len(rows)
        found += rows[:most]
    told = [_refusal(row, around) for row in found]
    return Found(sorted(told, key=lambda it: -it.span.flows), scans, count, more)


def policies(flows: Flows, interfaces: Sequence[str]) -> list[Policy]:
    """What the log itself gives a reason for."""
    if not flows.has("event.reason"):
        return []
    refused = narrowed(Filter({**_REFUSED, "event.reason|exists": True}), {INTERFACE: interfaces})
    rows = flows.rows(
        refused, ("event.reason", INTERFACE), (*SPAN, Metric("distinct", "peers", "source.ip")), limit=MOST
    )
    return [Policy(row["event.reason"], row[INTERFACE], _span(row), row["peers"]) for row in rows]


def evidence(flows: Flows, told: Sequence[Refusal]) -> dict[Refusal, Evidence]:
    """What was accepted of the same flows, and of others at the same ports."""
    found: dict[Refusal, Evidence] = {}
    for begin in range(0, len(told), _AT_ONCE):
        found |= _evidence(flows, told[begin : begin + _AT_ONCE])
    return found


def _evidence(flows: Flows, told: Sequence[Refusal]) -> dict[Refusal, Evidence]:
    ends = {it.flow.source for it in told} | {it.flow.destination for it in told}
    ports = {it.flow.port for it in told}
    spans: dict[Flow, Span] = {}
    where: dict[Flow, set[str]] = defaultdict(set)
    for port, answer in ((PORT, False), ("source.port", True)):
        accepted = Filter({"aws.vpcflow.action": "ACCEPT"})
        values: dict[str, Iterable[Any]] = {"source.ip": ends, "destination.ip": ends}
        values |= {port: ports} if flows.has(port) else {}
        for row in flows.rows(narrowed(accepted, values), (*_FIELDS, port)):
            flow = _flow(row, port, answer=answer)
            spans[flow] = _span(row)
            if flow.interface:
                where[_anywhere(flow)].add(flow.interface)
    others = _others(flows, told)
    return {
        it: Evidence(
            spans.get(it.flow),
            spans.get(it.flow.reverse()),
            others.get((it.flow.interface, it.direction, it.own, it.flow.protocol, it.flow.port), 0),
            tuple(sorted(where[_anywhere(it.flow)] - {it.flow.interface or ""})),
        )
        for it in told
    }


def _others(flows: Flows, told: Sequence[Refusal]) -> dict[tuple[Any, ...], int]:
    """How many peers an interface accepts at a port, by interface, direction, own address, protocol, port."""
    found: dict[tuple[Any, ...], int] = {}
    sides: tuple[tuple[Direction, str, str], ...] = (
        ("ingress", "destination.ip", "source.ip"),
        ("egress", "source.ip", "destination.ip"),
    )
    for direction, own, peer in sides:
        asked = [it for it in told if it.direction == direction and not it.flow.answer]
        if not asked or not flows.has(PORT):
            continue
        accepted = narrowed(
            Filter({"aws.vpcflow.action": "ACCEPT"}),
            {
                own: (it.own for it in asked),
                PORT: (it.flow.port for it in asked),
                INTERFACE: (it.flow.interface for it in asked),
            },
        )
        numbers = (COUNT, Metric("distinct", "peers", peer))
        for row in flows.rows(accepted, (INTERFACE, own, PROTOCOL, PORT), numbers):
            key = (row[INTERFACE], direction, row[own], _number(row[PROTOCOL]), row[PORT])
            found[key] = row["peers"]
    return found


def _inside(around: Surroundings) -> dict[str, Any]:
    """Flows that began with us: by private addresses, by our subnets, or because they went out."""
    return {
        "inside": [
            {"source.ip|cidr": [*PRIVATE, *around.networks]},
            {"network.direction": "egress"},
        ]
    }


def _groups(
    flows: Flows, condition: Filter, port: str, *, answer: bool, limit: int | None = None
) -> list[dict[str, Any]]:
    rows = flows.rows(condition, (*_FIELDS, port), _NUMBERS, limit=limit)
    return [{**row, "flow": _flow(row, port, answer=answer)} for row in rows]


def _flow(row: dict[str, Any], port: str, *, answer: bool) -> Flow:
    ends = row["source.ip"], row["destination.ip"]
    return Flow(row[INTERFACE], *ends, _number(row[PROTOCOL]), row[port], answer)


def _refusal(row: dict[str, Any], around: Surroundings) -> Refusal:
    flow: Flow = row["flow"]
    direction: Direction | None = "ingress" if row["in"] > 0.5 else "egress" if row["out"] > 0.5 else None
    direction = direction or around.direction(flow.interface, flow.source, flow.destination)
    opened = row["opened"] / row["flagged"] if row["flagged"] and flow.protocol == 6 else None
    return Refusal(flow, _span(row), direction, opened)


def _span(row: dict[str, Any]) -> Span:
    return Span(row["flows"], row["first"], row["last"])


def _number(protocol: str | None) -> int | None:
    return None if protocol is None else int(protocol)


def _anywhere(flow: Flow) -> Flow:
    return Flow(None, flow.source, flow.destination, flow.protocol, flow.port, flow.answer)
