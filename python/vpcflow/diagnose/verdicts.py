"""What most likely refused a flow, and why that is likely.

What is known of AWS: a security group remembers what it has let through, and lets the answers pass whatever
its rules say. A network ACL remembers nothing: answers need an entry of their own, to the client's port.
Packets that come after their connection has ended are refused too, and mean nothing.
"""

from __future__ import annotations

from vpcflow.diagnose.model import Evidence, Kind, Proposal, Refusal, Span, Verdict
from vpcflow.diagnose.network import Surroundings
from vpcflow.diagnose.proposals import entry_for, packet_of, rule_for
from vpcflow.diagnose.rules import admits_any, decides
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
        if _before(evidence.same, refusal.span):
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
    from_outside = refusal.direction == "ingress" and around.outside(refusal.peer, refusal.own)
    if from_outside and evidence.same is None and (knocks := _knocks(refusal, evidence)):
        return Verdict(refusal, "scan", (knocks, *words))
    words = (*words, *_beside(refusal, evidence, around))
    if from_outside:
        words = (*words, "from the internet: let it in only if you know whose address that is")
    rules, acl = around.known_rules(refusal.flow.interface), around.acl(refusal.flow.interface)
    by_group = None if rules is None else admits_any(rules, packet, around.resolver)
    by_acl, entry = (None, None) if acl is None else decides(acl, packet)
    said_of_rules: list[str] = []
    if by_group is not None:
        groups = " and ".join(around.groups(refusal.flow.interface))
        does = "lets it through" if by_group else "has no rule that lets it through"
        said_of_rules.append(f"{groups} {does}")
    if acl is not None and by_acl is not None:
        said_of_rules.append(acl_says(acl, entry))
    if by_group and by_acl:
        last = "the rules at hand let it through: they were changed since, or the packets came too late"
        return Verdict(refusal, "allowed", (*said_of_rules, last, *words))
    proposals: list[Proposal] = []
    if by_group is False or (by_group is None and by_acl is not False):
        proposals += rule_for(refusal, packet, around)
    if by_acl is False or (by_group and acl is None):
        proposals += entry_for(refusal, packet, acl, entry)
    likely: Kind = "group"
    if by_acl is False:
        likely = "group and acl" if by_group is False else "acl"
    elif by_group:
        likely = "acl"
    return Verdict(refusal, likely if kind == "group" else kind, (*said_of_rules, *words), tuple(proposals))


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
    if same is None:
        return "group", ()
    if _before(same, refusal.span):
        return "changed", (f"it was accepted until {moment(same.last)}: a rule has gone since",)
    if _before(refusal.span, same):
        return "accepted since", (f"it is accepted since {moment(same.first)}",)
    if evidence.reverse and _either_way(refusal):
        said = "answers to what the interface asks pass, and what the peer begins doesn't"
        return "group", (said,)
    if refusal.flow.protocol == 6 and not refusal.opened:
        said = "the same flow is accepted too: these packets came after their connection had ended"
        return "late", (said,)
    said = "the same flow is accepted in between: a rule comes and goes, or two hosts share the address"
    return "by turns", (said,)


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
    other = around.at(refusal.peer)
    subnet = around.subnet(refusal.flow.interface)
    if subnet and other is not None and other.subnet_id == subnet:
        words.append("both are in one subnet, and network ACLs stand between subnets: a security group")
    else:
        words.append("only the request is refused: network ACLs mostly let all through")
    return tuple(words)


def _before(one: Span, other: Span) -> bool:
    """Whether all of one was before the first of the other."""
    return one.last < other.first
