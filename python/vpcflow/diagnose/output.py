"""A diagnosis as JSON."""

from __future__ import annotations

import json
from typing import Any

from vpcflow.diagnose.lines import numbers
from vpcflow.diagnose.model import GroupRule, Proposal, Refusal, Scan, Verdict
from vpcflow.diagnose.refusals import Policy
from vpcflow.diagnose.report import Diagnosis
from vpcflow.diagnose.usage import TooWide
from vpcflow.diagnose.words import protocol, service_name

__all__ = ["as_json"]


def as_json(found: Diagnosis, limit: int) -> str:
    """All of it; of refusals and scans the largest."""
    content: dict[str, Any] = {
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
    if found.usage is not None:
        content["rules"] = {
            "since": found.usage.since.isoformat(),
            "unused": [_rule(it.rule) | {"interfaces": it.interfaces} for it in found.usage.unused],
            "too_wide": [_wide(it) for it in found.usage.too_wide],
        }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


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


def _span(it: Refusal | Scan | Policy) -> dict[str, Any]:
    return {"flows": it.span.flows, "first": it.span.first.isoformat(), "last": it.span.last.isoformat()}


def _wide(it: TooWide) -> dict[str, Any]:
    services = [service_name(*one) for one in it.services]
    used = {"flows": it.flows, "hosts": it.hosts, "services": services}
    return _rule(it.rule) | {"used": used, "instead": [_rule(one) for one in it.instead]}


def _rule(it: GroupRule) -> dict[str, Any]:
    first, last = numbers(it)
    return {
        "security_group": it.group,
        "direction": it.direction,
        "protocol": protocol(it.protocol),
        "from_port": first,
        "to_port": last,
        "peer": str(it.peer),
    }


def _proposal(it: Proposal) -> dict[str, Any]:
    if isinstance(it.rule, GroupRule):
        return _rule(it.rule)
    first, last = numbers(it.rule)
    return {
        "network_acl": it.acl,
        "rule_number": it.rule.number or None,
        "direction": it.rule.direction,
        "protocol": protocol(it.rule.protocol),
        "from_port": first,
        "to_port": last,
        "peer": str(it.rule.network),
    }
