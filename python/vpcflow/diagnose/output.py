"""A diagnosis as JSON, and its proposals as lines to review: Terraform's, and the AWS CLI's."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from vpcflow.diagnose.model import AclEntry, GroupRule, Proposal, Verdict
from vpcflow.diagnose.report import Diagnosis
from vpcflow.diagnose.words import protocol, rule

__all__ = ["as_cli", "as_json", "as_terraform"]

_DESCRIPTION = re.compile(r"[^a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]")
_HEAD = (
    "Proposed by vpcflow diagnose: the smallest rules that would let refused flows through.",
    "Review each one: that a flow was refused doesn't say that it should pass.",
)


def as_json(found: Diagnosis, limit: int) -> str:
    """All of it; of refusals and scans the largest."""
    content = {
        "since": found.period.start.isoformat(),
        "until": found.period.end.isoformat(),
        "flows": found.flows,
        "refused": found.refused,
        "refusals": [_verdict(it) for it in found.verdicts[:limit]],
        "harmless": [_verdict(it) for it in found.harmless[:limit]],
        "scans": [
            {"source": it.source, **_span(it), "hosts": it.hosts, "ports": it.ports}
            for it in found.scans[:limit]
        ],
        "policies": [
            {"reason": it.reason, "interface": it.interface, **_span(it), "peers": it.peers}
            for it in found.policies
        ],
        "distinct_refusals": found.distinct,
        "more_than_that": found.more,
        "notes": found.notes,
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def as_terraform(found: Diagnosis, limit: int) -> str:
    """Resources of the provider hashicorp/aws, 5 or later."""
    names: set[str] = set()
    lines = [f"# {line}" for line in _HEAD]
    for it in _proposals(found, limit):
        entry = isinstance(it.rule, AclEntry)
        kind = "aws_network_acl_rule" if entry else f"aws_vpc_security_group_{it.rule.direction}_rule"
        block = [f'resource "{kind}" "{_name(it, names)}" {{']
        values = _acl_rule(it, it.rule) if isinstance(it.rule, AclEntry) else _group_rule(it, it.rule)
        width = max(map(len, values))
        block += [f"  {key:<{width}} = {_hcl(value)}" for key, value in values.items()]
        lines += ["", *_comments(it), *_unless(it, [*block, "}"])]
    return "\n".join(lines) + "\n"


def as_cli(found: Diagnosis, limit: int) -> str:
    """Commands of the AWS CLI, 2."""
    lines = [f"# {line}" for line in _HEAD]
    for it in _proposals(found, limit):
        words = _acl_command(it, it.rule) if isinstance(it.rule, AclEntry) else _group_command(it, it.rule)
        lines += ["", *_comments(it), *_unless(it, [shlex.join(words)])]
    return "\n".join(lines) + "\n"


def _proposals(found: Diagnosis, limit: int) -> Iterator[Proposal]:
    """Each rule once."""
    seen: set[tuple[object, ...]] = set()
    for verdict in found.verdicts[:limit]:
        for it in verdict.proposals:
            where = it.acl if isinstance(it.rule, AclEntry) else it.rule.group
            key = (where or it.interface, it.rule)
            if key not in seen:
                seen.add(key)
                yield it


def _target(it: Proposal) -> str | None:
    """The id of the group or ACL, if it is known."""
    return it.acl if isinstance(it.rule, AclEntry) else it.rule.group


def _comments(it: Proposal) -> list[str]:
    comments = [it.why]
    if _target(it) is None:
        what = "network ACL" if isinstance(it.rule, AclEntry) else "security group"
        comments.append(
            f"which {what} {it.interface or 'it'} has isn't known: put its id in, or give --inventory"
        )
    return [f"# {_line(comment)}" for comment in comments]


def _unless(it: Proposal, lines: Iterable[str]) -> list[str]:
    """What can't be run as it is, commented out."""
    return [line if _target(it) is not None else f"# {line}" for line in lines]


def _group_rule(it: Proposal, one: GroupRule) -> dict[str, Any]:
    values: dict[str, Any] = {"security_group_id": one.group or "", "ip_protocol": protocol(one.protocol)}
    first, last = _numbers(one)
    if first is not None:
        values |= {"from_port": first, "to_port": last}
    if isinstance(one.peer, str):
        key = "prefix_list_id" if one.peer.startswith("pl-") else "referenced_security_group_id"
    else:
        key = f"cidr_ipv{one.peer.version}"
    return values | {key: str(one.peer), "description": _described(it.why)}


def _acl_rule(it: Proposal, one: AclEntry) -> dict[str, Any]:
    first, last = _numbers(one)
    values: dict[str, Any] = {
        "network_acl_id": it.acl or "",
        "rule_number": one.number,
        "egress": one.direction == "egress",
        "protocol": protocol(one.protocol),
        "rule_action": "allow" if one.allow else "deny",
        "cidr_block" if one.network.version == 4 else "ipv6_cidr_block": str(one.network),
    }
    if one.protocol in (1, 58):
        return values | {"icmp_type": -1, "icmp_code": -1}
    return values | ({"from_port": first, "to_port": last} if first is not None else {})


def _group_command(it: Proposal, one: GroupRule) -> list[str]:
    described = {"Description": _described(it.why)}
    if isinstance(one.peer, str):
        lists = one.peer.startswith("pl-")
        key, identity = ("PrefixListIds", "PrefixListId") if lists else ("UserIdGroupPairs", "GroupId")
    else:
        key, identity = ("IpRanges", "CidrIp") if one.peer.version == 4 else ("Ipv6Ranges", "CidrIpv6")
    permission: dict[str, Any] = {"IpProtocol": protocol(one.protocol)}
    first, last = _numbers(one)
    if first is not None:
        permission |= {"FromPort": first, "ToPort": last}
    permission[key] = [{identity: str(one.peer), **described}]
    return [
        "aws", "ec2", f"authorize-security-group-{one.direction}", "--group-id", one.group or "",
        "--ip-permissions", json.dumps([permission]),
    ]  # fmt: skip


def _acl_command(it: Proposal, one: AclEntry) -> list[str]:
    number = "-1" if one.protocol is None else str(one.protocol)
    words = [
        "aws", "ec2", "create-network-acl-entry", "--network-acl-id", it.acl or "", "--rule-number",
        str(one.number), "--protocol", number, "--rule-action", "allow" if one.allow else "deny",
        f"--{one.direction}", "--cidr-block" if one.network.version == 4 else "--ipv6-cidr-block",
        str(one.network),
    ]  # fmt: skip
    if one.protocol in (1, 58):
        return [*words, "--icmp-type-code", "Type=-1,Code=-1"]
    first, last = _numbers(one)
    return words if first is None else [*words, "--port-range", f"From={first},To={last}"]


def _numbers(one: GroupRule | AclEntry) -> tuple[int | None, int | None]:
    """Ports as EC2 wants them: all of ICMP's types are -1, and protocols without ports have none."""
    if one.ports is not None:
        return one.ports
    return (-1, -1) if one.protocol in (1, 58) else (None, None)


def _name(it: Proposal, names: set[str]) -> str:
    """A name of a resource that no other has."""
    text = f"{_target(it) or it.interface or 'unknown'} {rule(it.rule)}"
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    name, number = plain, 1
    while name in names:
        number += 1
        name = f"{plain}_{number}"
    names.add(name)
    return name


def _hcl(value: Any) -> str:
    """A value as Terraform writes it; a text's signs stand for themselves."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def _described(text: str) -> str:
    """A description as EC2 takes it: 255 of some signs."""
    return _DESCRIPTION.sub(" ", text)[:255]


def _line(text: str) -> str:
    """A comment can't end early, whatever a log says."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _verdict(it: Verdict) -> dict[str, Any]:
    flow = it.refusal.flow
    return {
        "interface": flow.interface,
        "direction": it.refusal.direction,
        "source": flow.source,
        "destination": flow.destination,
        "protocol": None if flow.protocol is None else protocol(flow.protocol),
        "port": flow.port,
        "answer": flow.answer,
        **_span(it.refusal),
        "most_likely": it.kind,
        "evidence": list(it.evidence),
        "rules": [_proposal(one) for one in it.proposals],
    }


def _span(it: Any) -> dict[str, Any]:
    return {"flows": it.span.flows, "first": it.span.first.isoformat(), "last": it.span.last.isoformat()}


def _proposal(it: Proposal) -> dict[str, Any]:
    first, last = _numbers(it.rule)
    acl = isinstance(it.rule, AclEntry)
    peer = it.rule.network if isinstance(it.rule, AclEntry) else it.rule.peer
    return {
        "network_acl" if acl else "security_group": _target(it),
        **({"rule_number": it.rule.number or None} if isinstance(it.rule, AclEntry) else {}),
        "direction": it.rule.direction,
        "protocol": protocol(it.rule.protocol),
        "from_port": first,
        "to_port": last,
        "peer": str(peer),
    }
