"""A diagnosis as lines to review: Terraform's resources, and commands of the AWS CLI.

Values come from logs and files: each is quoted, and a comment stays one line. What lacks the id of its group
or ACL is commented out.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from vpcflow.diagnose.model import AclEntry, GroupRule, Proposal
from vpcflow.diagnose.report import Diagnosis
from vpcflow.diagnose.words import addresses, protocol, rule

__all__ = ["as_cli", "as_terraform", "numbers"]

_HEAD = (
    "Proposed by vpcflow diagnose, for review: the smallest rules that would let refused flows through, and",
    "what flows say of the rules there are. That a flow was refused doesn't say that it should pass.",
)
#: What EC2 takes in a description, which has 255 signs at most.
_DESCRIPTION = re.compile(r"[^a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]")


@dataclass(frozen=True, slots=True)
class _Add:
    """A rule to add.

    Attributes:
        target: id of its group or ACL; None when nobody knows which.
        why: also its description.
    """

    rule: GroupRule | AclEntry
    target: str | None
    interface: str | None
    why: str


@dataclass(frozen=True, slots=True)
class _Remove:
    """A rule to remove."""

    rule: GroupRule
    why: str


_Change: TypeAlias = _Add | _Remove


def as_terraform(found: Diagnosis, limit: int) -> str:
    """Resources of the provider hashicorp/aws, 5 or later; what is to go is said in comments."""
    names: set[str] = set()
    lines = [f"# {line}" for line in _HEAD]
    for it in _changes(found, limit):
        lines += ["", *_comments(it)]
        if isinstance(it, _Remove):
            lines.append(f"# Remove the resource of {_line(_described_rule(it))}")
            continue
        if isinstance(it.rule, AclEntry):
            kind, values = "aws_network_acl_rule", _acl_values(it, it.rule)
        else:
            kind = f"aws_vpc_security_group_{it.rule.direction}_rule"
            values = _group_values(it, it.rule)
        width = max(map(len, values))
        block = [f'resource "{kind}" "{_name(it, names)}" {{']
        block += [f"  {key:<{width}} = {_hcl(value)}" for key, value in values.items()]
        lines += _unless(it, [*block, "}"])
    return "\n".join(lines) + "\n"


def as_cli(found: Diagnosis, limit: int) -> str:
    """Commands of the AWS CLI, 2."""
    lines = [f"# {line}" for line in _HEAD]
    for it in _changes(found, limit):
        if isinstance(it, _Remove):
            words = _group_command("revoke", it.rule, None)
        elif isinstance(it.rule, AclEntry):
            words = _acl_command(it, it.rule)
        else:
            words = _group_command("authorize", it.rule, _description(it.why))
        lines += ["", *_comments(it), *_unless(it, [shlex.join(words)])]
    return "\n".join(lines) + "\n"


def numbers(one: GroupRule | AclEntry) -> tuple[int | None, int | None]:
    """Ports as EC2 wants them: all of ICMP's types are -1, and protocols without ports have none."""
    if one.ports is not None:
        return one.ports
    return (-1, -1) if one.protocol in (1, 58) else (None, None)


def _changes(found: Diagnosis, limit: int) -> Iterator[_Change]:
    """Each once."""
    seen: set[tuple[object, ...]] = set()
    for verdict in found.verdicts[:limit]:
        for it in verdict.proposals:
            target = _target(it)
            key = (target or it.interface, it.rule)
            if key not in seen:
                seen.add(key)
                yield _Add(it.rule, target, it.interface, it.why)
    if found.usage is None:
        return
    for wide in found.usage.too_wide[:limit]:
        why = f"in place of {rule(wide.rule)}, which {addresses(wide.hosts)} used"
        for one in wide.instead:
            yield _Add(one, one.group, None, why)
        yield _Remove(wide.rule, "when the narrower rules before this are there")
    for unused in found.usage.unused[:limit]:
        yield _Remove(unused.rule, f"no flow used it since {found.usage.since:%Y-%m-%d}")


def _target(it: Proposal) -> str | None:
    """The id of the group or ACL, if it is known."""
    return it.acl if isinstance(it.rule, AclEntry) else it.rule.group


def _described_rule(it: _Remove) -> str:
    return f"{it.rule.group}: {rule(it.rule)}" + (f" ({it.rule.description})" if it.rule.description else "")


def _comments(it: _Change) -> list[str]:
    comments = [it.why if isinstance(it, _Add) else f"{_described_rule(it)}: {it.why}"]
    if isinstance(it, _Add) and it.target is None:
        what = "network ACL" if isinstance(it.rule, AclEntry) else "security group"
        where = it.interface or "the interface"
        comments.append(f"which {what} {where} has isn't known: put its id in, or give --inventory")
    if isinstance(it, _Add) and isinstance(it.rule, AclEntry) and it.rule.number == 0:
        comments.append("its number must be below that of the entry that refuses")
    return [f"# {_line(comment)}" for comment in comments]


def _unless(it: _Change, lines: list[str]) -> list[str]:
    """What can't be run as it is, commented out."""
    whole = isinstance(it, _Remove) or (
        it.target is not None and not (isinstance(it.rule, AclEntry) and it.rule.number == 0)
    )
    return lines if whole else [f"# {_line(line)}" for line in lines]


def _group_values(it: _Add, one: GroupRule) -> dict[str, Any]:
    values: dict[str, Any] = {"security_group_id": it.target or "", "ip_protocol": protocol(one.protocol)}
    first, last = numbers(one)
    if first is not None:
        values |= {"from_port": first, "to_port": last}
    if isinstance(one.peer, str):
        key = "prefix_list_id" if one.peer.startswith("pl-") else "referenced_security_group_id"
    else:
        key = f"cidr_ipv{one.peer.version}"
    return values | {key: str(one.peer), "description": _description(it.why)}


def _acl_values(it: _Add, one: AclEntry) -> dict[str, Any]:
    first, last = numbers(one)
    values: dict[str, Any] = {
        "network_acl_id": it.target or "",
        "rule_number": one.number,
        "egress": one.direction == "egress",
        # The provider knows ICMP of IPv6 by another name than EC2, and by its number.
        "protocol": "58" if one.protocol == 58 else protocol(one.protocol),
        "rule_action": "allow",
        "cidr_block" if one.network.version == 4 else "ipv6_cidr_block": str(one.network),
    }
    if one.protocol in (1, 58):
        return values | {"icmp_type": -1, "icmp_code": -1}
    return values | ({"from_port": first, "to_port": last} if first is not None else {})


def _group_command(verb: str, one: GroupRule, description: str | None) -> list[str]:
    if isinstance(one.peer, str):
        lists = one.peer.startswith("pl-")
        key, identity = ("PrefixListIds", "PrefixListId") if lists else ("UserIdGroupPairs", "GroupId")
    else:
        key, identity = ("IpRanges", "CidrIp") if one.peer.version == 4 else ("Ipv6Ranges", "CidrIpv6")
    permission: dict[str, Any] = {"IpProtocol": protocol(one.protocol)}
    first, last = numbers(one)
    if first is not None:
        permission |= {"FromPort": first, "ToPort": last}
    permission[key] = [{identity: str(one.peer), **({"Description": description} if description else {})}]
    return [
        "aws", "ec2", f"{verb}-security-group-{one.direction}", "--group-id", one.group or "",
        "--ip-permissions", json.dumps([permission]),
    ]  # fmt: skip


def _acl_command(it: _Add, one: AclEntry) -> list[str]:
    number = "-1" if one.protocol is None else str(one.protocol)
    words = [
        "aws", "ec2", "create-network-acl-entry", "--network-acl-id", it.target or "", "--rule-number",
        str(one.number), "--protocol", number, "--rule-action", "allow", f"--{one.direction}",
        "--cidr-block" if one.network.version == 4 else "--ipv6-cidr-block", str(one.network),
    ]  # fmt: skip
    if one.protocol in (1, 58):
        return [*words, "--icmp-type-code", "Type=-1,Code=-1"]
    first, last = numbers(one)
    return words if first is None else [*words, "--port-range", f"From={first},To={last}"]


def _name(it: _Add, names: set[str]) -> str:
    """A name of a resource that no other has."""
    text = f"{it.target or it.interface or 'unknown'} {rule(it.rule)}"
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    name, number = plain, 1
    while name in names:
        number += 1
        name = f"{plain}_{number}"
    names.add(name)
    return name


def _hcl(value: Any) -> str:
    """A value as Terraform writes it; the signs of a text stand for themselves."""
    if isinstance(value, bool | int):
        return json.dumps(value)
    return json.dumps(str(value)).replace("${", "$${").replace("%{", "%%{")


def _description(text: str) -> str:
    return _DESCRIPTION.sub(" ", text)[:255]


def _line(text: str) -> str:
    """A comment can't end early, whatever a log says."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
