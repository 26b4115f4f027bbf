"""What is known of refused flows, and what is said of them.

An interface's own end of a flow is the destination of what comes in, the source of what goes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, TypeAlias

__all__ = [
    "ICMP",
    "Acl",
    "AclEntry",
    "Direction",
    "Evidence",
    "Flow",
    "Group",
    "GroupRule",
    "Kind",
    "Network",
    "Proposal",
    "Refusal",
    "Scan",
    "Span",
    "Verdict",
]

Direction: TypeAlias = Literal["ingress", "egress"]
Network: TypeAlias = IPv4Network | IPv6Network

#: Protocols whose rules have a type and a code in place of ports. Flow logs have neither.
ICMP = frozenset({1, 58})

#: ``policy`` is BPA or encryption controls; ``changed`` was accepted before; ``by turns`` is accepted too;
#: ``allowed`` is let through by the rules at hand. The last four want nothing done.
Kind: TypeAlias = Literal[
    "group", "acl", "group and acl", "policy", "changed", "by turns", "allowed", "unclear",
    "accepted since", "late", "stray", "scan",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """How many records there are of something, from the first to the last by ``@timestamp``."""

    flows: int
    first: datetime
    last: datetime

    @classmethod
    def over(cls, spans: Iterable[Span]) -> Span | None:
        """All of them as one; None for none."""
        several = list(spans)
        if not several:
            return None
        return cls(
            sum(it.flows for it in several),
            min(it.first for it in several),
            max(it.last for it in several),
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """What is told apart: packets of one service between two addresses, at one interface, one way.

    Attributes:
        interface: None where the log doesn't name it.
        protocol: IANA's number; None where the log doesn't say.
        port: of the service: the destination's, or the source's of an answer. None where the log has none.
        answer: from the service to its client.
    """

    interface: str | None
    source: str
    destination: str
    protocol: int | None
    port: int | None
    answer: bool = False

    def reverse(self) -> Flow:
        """What this answers, or what answers this."""
        return Flow(self.interface, self.destination, self.source, self.protocol, self.port, not self.answer)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A flow that was refused.

    Attributes:
        direction: as the interface sees it; None where that isn't known.
        opened: part of the records that began a TCP connection (SYN without ACK); None where the log lacks
            flags, and for other protocols.
    """

    flow: Flow
    span: Span
    direction: Direction | None
    opened: float | None = None

    @property
    def own(self) -> str:
        return self.flow.source if self.direction == "egress" else self.flow.destination

    @property
    def peer(self) -> str:
        return self.flow.destination if self.direction == "egress" else self.flow.source


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the same flows say beside a refusal.

    Attributes:
        same: accepted at the same interface, the same way.
        reverse: accepted there, the other way.
        others: how many other peers have the same port accepted at the interface.
        elsewhere: other interfaces that accepted the same flow.
    """

    same: Span | None = None
    reverse: Span | None = None
    others: int = 0
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupRule:
    """One rule of a security group, for one peer.

    Attributes:
        group: whose it is; None for a proposal when nobody knows which.
        protocol: IANA's number, None for every one.
        ports: first and last of the destination's, None for every one. For ICMP the type and the code.
        peer: a network, or the id of a security group or of a prefix list.
    """

    group: str | None
    direction: Direction
    protocol: int | None
    ports: tuple[int, int] | None
    peer: Network | str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A security group."""

    group_id: str
    name: str
    vpc_id: str | None
    account_id: str | None
    rules: tuple[GroupRule, ...]


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One entry of a network ACL.

    Attributes:
        number: 32767 is what holds where no other does.
        protocol, ports: as of `GroupRule`.
    """

    number: int
    direction: Direction
    protocol: int | None
    ports: tuple[int, int] | None
    network: Network
    allow: bool


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL; its entries in the order of their numbers."""

    acl_id: str
    account_id: str | None
    subnets: tuple[str, ...]
    entries: tuple[AclEntry, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rule that would let a flow through.

    Attributes:
        rule: to add.
        acl: where, for an entry of a network ACL; None when nobody knows which.
        interface: at which the flow was refused.
        why: in words.
    """

    rule: GroupRule | AclEntry
    acl: str | None
    interface: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What most likely refused a flow.

    Attributes:
        evidence: in words, the strongest first.
        proposals: of the smallest rules that would let it through; empty where none would, or none should.
    """

    refusal: Refusal
    kind: Kind
    evidence: tuple[str, ...]
    proposals: tuple[Proposal, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """A public address that tries many ports or hosts."""

    source: str
    span: Span
    hosts: int
    ports: int
    targets: tuple[int, ...] = field(default=())
