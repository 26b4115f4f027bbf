"""From flows and rules to a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from vpcflow.diagnose.flows import INTERFACE, MOST, Flows, extent
from vpcflow.diagnose.groups import Rules
from vpcflow.diagnose.model import Scan, Verdict
from vpcflow.diagnose.network import Places, Surroundings
from vpcflow.diagnose.proposals import numbered
from vpcflow.diagnose.refusals import Found, Policy, evidence, policies, refusals
from vpcflow.diagnose.usage import Usage, usage
from vpcflow.diagnose.verdicts import HARMLESS, judge
from vpcflow.diagnose.words import moment
from vpcflow.errors import ConfigError
from vpcflow.inventory import Inventory
from vpcflow.query.answer import Engine
from vpcflow.query.filters import Filter
from vpcflow.query.model import Period

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        period: that was looked at.
        flows, refused: records in it.
        verdicts: on what somebody should look at, the most records first.
        harmless: on what can be left as it is.
        distinct: how many distinct refusals there are besides scans; at least, when `more`.
        usage: of the rules at hand; None without any.
        notes: what could not be told, and what would help.
    """

    period: Period
    flows: int
    refused: int
    verdicts: list[Verdict]
    harmless: list[Verdict]
    scans: list[Scan]
    policies: list[Policy]
    distinct: int
    more: bool
    usage: Usage | None
    notes: list[str] = field(default_factory=list)


def diagnose(
    engine: Engine,
    period: Period,
    rules: Rules | None = None,
    inventory: Inventory | None = None,
    *,
    interfaces: Sequence[str] = (),
    most: int = 100,
    unused_after: timedelta = timedelta(days=30),
) -> Diagnosis:
    """The diagnosis of a period.

    Args:
        engine: who is asked: of `vpcflow.query.flows.open_flows`.
        period: of the flows.
        rules: security groups and network ACLs that are at hand.
        inventory: which interface has which groups and addresses.
        interfaces: refusals at these alone.
        most: so many refusals of each kind are judged, the largest.
        unused_after: how long before the period's end a rule must have been used.

    Raises:
        ConfigError: the rules are of another account, or the flows lack what is needed.
        SinkError, QueryError: from the engine.
    """
    rules = rules or Rules()
    flows = Flows(engine, period)
    _check_accounts(flows, rules)
    around = Surroundings(rules, inventory, _places(flows, subnets=bool(rules.acls or inventory)))
    found = refusals(flows, around, interfaces, most) if flows.refused else Found([], [], 0, more=False)
    known = evidence(flows, found.refusals)
    verdicts = numbered((judge(it, known[it], around) for it in found.refusals), around)
    used = None
    if rules.groups and flows.count:
        there = extent(engine) or period
        used = usage(Flows(engine, Period(period.end - unused_after, period.end)), around, there.start)
    return Diagnosis(
        period,
        flows.count,
        flows.refused,
        [it for it in verdicts if it.kind not in HARMLESS],
        [it for it in verdicts if it.kind in HARMLESS],
        found.scans,
        policies(flows, interfaces),
        found.count,
        found.more,
        used,
        [
            *(() if flows.count else (_nothing(engine),)),
            *_notes(flows, around, verdicts),
            *_unknown(flows, interfaces),
            *(used.notes if used is not None else ()),
        ],
    )


def _check_accounts(flows: Flows, rules: Rules) -> None:
    """Groups of another account would be held against flows that they never saw."""
    if not rules.accounts or not flows.has("cloud.account.id"):
        return
    rows = flows.rows(Filter(), ("cloud.account.id",), limit=MOST)
    logged = {row["cloud.account.id"] for row in rows} - {"unknown"}
    if logged and not logged & rules.accounts:
        theirs, ours = (", ".join(sorted(it)[:3]) for it in (rules.accounts, logged))
        raise ConfigError(
            f"the security groups and network ACLs are of account {theirs}, and the flows of {ours}; "
            "describe those of the same account"
        )


def _places(flows: Flows, *, subnets: bool) -> Places:
    """What the documents say of interfaces; of their subnets only where somebody needs to know."""
    groups: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    if flows.has(INTERFACE) and flows.has("aws.vpcflow.security_groups"):
        for row in flows.rows(Filter(), (INTERFACE, "aws.vpcflow.security_groups"), limit=MOST):
            groups.setdefault(row[INTERFACE], []).append(row["aws.vpcflow.security_groups"])
    if subnets and flows.has(INTERFACE) and flows.has("aws.vpcflow.subnet_id"):
        for row in flows.rows(Filter(), (INTERFACE, "aws.vpcflow.subnet_id"), limit=MOST):
            found[row[INTERFACE]] = row["aws.vpcflow.subnet_id"]
    return Places({it: tuple(sorted(ids)) for it, ids in groups.items()}, found)


def _nothing(engine: Engine) -> str:
    """Why there are no flows."""
    there = extent(engine)
    if there is None:
        return (
            "no record has addresses: nothing is indexed yet, interfaces had no traffic, or AWS skipped what "
            "they had"
        )
    return (
        f"no flows in this time; those there are go from {moment(there.start)} to {moment(there.end)} UTC:"
        " give another with --last, or --since and --until"
    )


def _unknown(flows: Flows, interfaces: Sequence[str]) -> list[str]:
    """Interfaces that were asked for and logged nothing: an id with a typing error is one, too."""
    if not interfaces or not flows.has(INTERFACE):
        return []
    logged = {row[INTERFACE] for row in flows.rows(Filter({INTERFACE: list(interfaces)}), (INTERFACE,))}
    return [f"no flow of this time is of the interface {it}" for it in interfaces if it not in logged]


def _notes(flows: Flows, around: Surroundings, verdicts: Sequence[Verdict]) -> list[str]:
    """What could not be told, and what would help."""
    notes = []
    notes += [f"the flows have no {name}: what it would tell is left open" for name in flows.lacking]
    if any(it.kind == "unclear" for it in verdicts):
        notes.append("which way some flows go isn't known: --inventory FILE tells it by the addresses")
    refused = {it.refusal.flow.interface for it in verdicts}
    if around.rules.groups and refused and not any(around.groups(it) for it in refused):
        notes.append(
            "which interface has which group isn't known: --inventory FILE tells it (vpcflow inventory pull)"
        )
    return notes
