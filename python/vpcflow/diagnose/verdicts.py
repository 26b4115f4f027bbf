"""What most likely refused a flow, and why that is likely.

What is known of AWS: a security group remembers what it has let through, and lets the answers pass whatever
its rules say. A network ACL remembers nothing: answers need an entry of their own, to the client's port.
Packets that come after their connection has ended are refused too, and mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

from vpcflow.diagnose.model import ICMP, Acl, AclEntry, Evidence, Kind, Proposal, Refusal, Span, Verdict
from vpcflow.diagnose.network import Surroundings
from vpcflow.diagnose.proposals import entry_for, packet_of, rule_for
from vpcflow.diagnose.rules import Packet, admits_any, decides
from vpcflow.diagnose.words import acl_says, moment, peers

__all__ = ["HARMLESS", "judge"]

#: Nothing needs to be done about these.
HARMLESS: frozenset[Kind] = frozenset({"accepted since", "late", "stray", "scan"})

#: Ports of administration, file shares and databases: who knocks there from the internet guesses passwords.
_GUESSED = frozenset(
    {
        21, 22, 23, 135, 139, 445, 1433, 1521, 2375, 3306, 3389, 5432, 5900, 5985, 5986, 6379, 9200, 11211,
        27017,
    }
)  # fmt: skip

_NO_RULE = " no rule that lets it through"
#: A record is of ten minutes at most.
_SHORTLY = timedelta(minutes=15)
_BROADCAST = ip_address("255.255.255.255")
#: Who means it, tries as often.
_OFTEN = 10


def judge(refusal: Refusal, evidence: Evidence, around: Surroundings) -> Verdict:
    """The verdict on a refusal."""
    if refusal.flow.answer or (_either_way(refusal) and evidence.reverse and not evidence.same):
        return _answer(refusal, evidence, around)
    return _request(refusal, evidence, around)


def _either_way(refusal: Refusal) -> bool:
    """Whether the ports don't tell who began: ICMP has none, and NTP has the same at both ends."""
    return refusal.flow.protocol != 6 or (refusal.flow.port or 0) >= 1024


def _answer(refusal: Refusal, evidence: Evidence, around: Surroundings) -> Verdict:
    if evidence.same is not None:
        asked_since = evidence.reverse is not None and evidence.reverse.last > evidence.same.last
        if asked_since and _before(evidence.same, refusal.span):
            words = (f"answers passed until {moment(evidence.same.last)}, and none since",)
            return _acl(refusal, "changed", words, around)
        words = ("answers of the same service pass: these came after their connection had ended",)
        return Verdict(refusal, "late", words)
    if evidence.reverse is None:
        words = ("no request was accepted that this answers: it answers nobody, or scans from a low port",)
        return Verdict(refusal, "stray", words)
    accepted = f"{evidence.reverse.flows:,} record{'' if evidence.reverse.flows == 1 else 's'}"
    words = (
        f"the request was accepted ({accepted}) and its answer refused: a security group lets answers pass, "
        "a network ACL doesn't",
    )
    return _acl(refusal, "acl", words, around)


def _acl(refusal: Refusal, kind: Kind, words: tuple[str, ...], around: Surroundings) -> Verdict:
    packet = packet_of(refusal)
    acl = around.acl(refusal.flow.interface)
    if packet is None:
        return Verdict(refusal, kind, words)
    if acl is None:
        return Verdict(refusal, kind, words, entry_for(refusal, packet, None, None))
    allowed, entry = decides(acl, packet)
    if allowed is False:
        proposals = entry_for(refusal, packet, acl, entry)
        return Verdict(refusal, kind, (*words, acl_says(acl, entry)), proposals)
    if allowed is None:
        said = f"{acl.acl_id} depends on what the log doesn't say"
        return Verdict(refusal, kind, (*words, said))
    said = f"yet {acl.acl_id} lets it through: it was changed since"
    return Verdict(refusal, "allowed", (*words, said))


def _request(refusal: Refusal, evidence: Evidence, around: Surroundings) -> Verdict:
    kind, words = _history(refusal, evidence)
    if kind in HARMLESS:
        return Verdict(refusal, kind, words)
    packet = packet_of(refusal)
    if packet is None:
        said = "which end the interface is isn't known: neither the log nor an inventory says"
        return Verdict(refusal, "unclear", (said, *words))
    rules = _asked(refusal, packet, around)
    from_outside = refusal.direction == "ingress" and around.outside(refusal.peer, refusal.own)
    if from_outside and evidence.same is None and not rules.by_group:
        knocks = _knocks(refusal, evidence)
        if knocks is not None:
            return Verdict(refusal, "scan", (knocks, *words))
    words = (*words, *_beside(refusal, evidence, around))
    if from_outside:
        words = (*words, "from the internet: let it in only if you know whose address that is")
    if rules.by_group and rules.by_acl:
        last = "the rules at hand let it through: they were changed since, or the packets came too late"
        return Verdict(refusal, "allowed", (*rules.words, last, *words))
    proposals: list[Proposal] = []
    if rules.by_group is False or (rules.by_group is None and rules.by_acl is not False):
        proposals += rule_for(refusal, packet, around)
    if rules.by_acl is False or (rules.by_group and rules.acl is None):
        proposals += entry_for(refusal, packet, rules.acl, rules.entry)
    likely: Kind = "group"
    if rules.by_acl is False:
        likely = "group and acl" if rules.by_group is False else "acl"
    elif rules.by_group:
        likely = "acl"
    likely = likely if kind == "group" else kind
    return Verdict(refusal, likely, (*rules.words, *words), tuple(proposals))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the rules at hand say: None where they can't.

    Attributes:
        entry: of the network ACL, that decides.
    """

    by_group: bool | None
    by_acl: bool | None
    acl: Acl | None
    entry: AclEntry | None
    words: tuple[str, ...]


def _asked(refusal: Refusal, packet: Packet, around: Surroundings) -> _Asked:
    rules = around.known_rules(refusal.flow.interface)
    by_group = None if rules is None else admits_any(rules, packet, around.resolver)
    # Within a subnet no network ACL is asked.
    acl = None if _in_one_subnet(refusal, around) else around.acl(refusal.flow.interface)
    by_acl, entry = (None, None) if acl is None else decides(acl, packet)
    words = []
    if by_group is not None:
        groups = around.groups(refusal.flow.interface)
        many = len(groups) > 1
        does = f"let{'' if many else 's'} it through" if by_group else ("have" if many else "has") + _NO_RULE
        words.append(f"{' and '.join(groups)} {does}")
    if acl is not None and by_acl is not None:
        words.append(acl_says(acl, entry))
    return _Asked(by_group, by_acl, acl, entry, tuple(words))


def _in_one_subnet(refusal: Refusal, around: Surroundings) -> bool:
    subnet, other = around.subnet(refusal.flow.interface), around.at(refusal.peer)
    return subnet is not None and other is not None and other.subnet_id == subnet


def _knocks(refusal: Refusal, evidence: Evidence) -> str | None:
    """Whether somebody on the internet only tries."""
    if refusal.flow.port in _GUESSED:
        return "from the internet, at a port where passwords are guessed: leave it, unless you know who it is"
    if not evidence.others and refusal.span.flows < _OFTEN:
        return "from the internet, at a port that the interface accepts from nobody: leave it"
    return None


def _history(refusal: Refusal, evidence: Evidence) -> tuple[Kind, tuple[str, ...]]:
    """What the accepted records of the same flow say."""
    same = evidence.same
    if _nobody(refusal.flow.destination):
        return "stray", ("multicast or broadcast, of which a VPC carries none",)
    if _is_late(refusal, same):
        beside = "these packets" if same is None else "the same flow is accepted, and these packets"
        return "late", (f"{beside} began no connection: it had ended, or was idle for too long",)
    if same is None:
        return "group", ()
    if _before(same, refusal.span):
        return "changed", (f"it was accepted until {moment(same.last)}: a rule has gone since",)
    if _before(refusal.span, same):
        return "accepted since", (f"it is accepted since {moment(same.first)}",)
    return _by_turns(refusal, evidence)


def _by_turns(refusal: Refusal, evidence: Evidence) -> tuple[Kind, tuple[str, ...]]:
    """Where accepted and refused records mix."""
    if refusal.flow.protocol in ICMP and evidence.reverse:
        said = "answers to what the interface asks pass, and what the peer begins doesn't"
        return "group", (said,)
    said = "the same flow is accepted in between: a rule comes and goes, or two hosts share the address"
    return "by turns", (said,)


def _is_late(refusal: Refusal, same: Span | None) -> bool:
    """Whether TCP packets belong to a connection that is over: none began one, by their flags.

    Without flags in the log, those are that mix with accepted ones, or are few and follow shortly.
    """
    if refusal.flow.protocol != 6 or refusal.opened is not None:
        return refusal.opened == 0
    if same is None or _before(refusal.span, same):
        return False
    gap, lasted = refusal.span.first - same.last, refusal.span.last - refusal.span.first
    return gap <= timedelta(0) or (gap < _SHORTLY and lasted < _SHORTLY)


def _beside(refusal: Refusal, evidence: Evidence, around: Surroundings) -> tuple[str, ...]:
    """What else speaks for a security group, or for a network ACL."""
    words = []
    comes_in = refusal.direction == "ingress"
    if evidence.others:
        does = "accepts it from" if comes_in else "reaches it at"
        others = peers(evidence.others)
        words.append(f"the interface {does} {others}: its group has a rule, but not for this one")
    elif evidence.same is None:
        words.append(f"the interface {'accepts it from nobody' if comes_in else 'reaches it nowhere'}")
    if evidence.elsewhere and comes_in:
        words.append(f"{' and '.join(evidence.elsewhere[:3])} let it out: refused on the way in")
    if _in_one_subnet(refusal, around):
        words.append("both are in one subnet, and network ACLs stand between subnets: a security group")
    else:
        words.append("only the request is refused: network ACLs mostly let all through")
    return tuple(words)


def _nobody(destination: str) -> bool:
    found = ip_address(destination)
    return found.is_multicast or found == _BROADCAST


def _before(one: Span, other: Span) -> bool:
    """Whether all of one was before the first of the other."""
    return one.last < other.first
