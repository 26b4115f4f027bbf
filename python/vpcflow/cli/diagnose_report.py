"""What `vpcflow diagnose` shows: tables, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from vpcflow.cli.output import count, print_table, printable
from vpcflow.diagnose.model import AclEntry, Kind, Proposal, Span, Verdict
from vpcflow.diagnose.words import addresses, lasted, moment, rule, service, service_name

if TYPE_CHECKING:
    from vpcflow.diagnose import Diagnosis
    from vpcflow.diagnose.usage import Usage

__all__ = ["show"]

_LIKELY: dict[Kind, str] = {
    "group": "security group",
    "acl": "network ACL",
    "group and acl": "security group and network ACL",
    "changed": "a rule that has gone",
    "by turns": "a rule that comes and goes",
    "allowed": "no rule at hand",
    "unclear": "not known",
    "accepted since": "accepted by now",
    "late": "late packets",
    "stray": "for nobody",
    "scan": "a scan",
}
_REASONS = {"BPA": "BPA (Block Public Access)", "EC": "EC (encryption controls)"}
#: Services of a rule, at most.
_SHOWN = 5
_RIGHT = ("flows", "interfaces", "hosts", "ports", "peers", "")


def show(found: Diagnosis, limit: int, file: IO[bytes]) -> None:
    """Writes a diagnosis for reading.

    Args:
        found: what to show.
        limit: so many rows a table.
        file: to write to.
    """
    start, end = moment(found.period.start), moment(found.period.end)
    _say(file, f"{start} to {end} UTC: {found.refused:,} of {count(found.flows, 'record')} refused")
    if found.verdicts:
        _say(file, "\nRefused, and what most likely did it:")
        _verdicts(found.verdicts[:limit], file, rules=True)
        left = found.distinct - len(found.harmless) - len(found.verdicts[:limit])
        _more(left, "refusal", file, more=found.more)
    if found.policies:
        _say(file, "\nRefused by a policy of the VPC, through which no rule lets it:")
        rows = [
            (it.span, _REASONS.get(it.reason, it.reason), it.interface or "", f"{it.peers:,}")
            for it in found.policies[:limit]
        ]
        _spans(("reason", "interface", "peers"), rows, file)
        _more(len(found.policies) - limit, "interface", file)
    if found.scans:
        _say(file, "\nScans from the internet; leave them refused:")
        tried = [(it.span, it.source, f"{it.hosts:,}", f"{it.ports:,}") for it in found.scans[:limit]]
        _spans(("from", "hosts", "ports"), tried, file)
        _more(len(found.scans) - limit, "scanner", file)
    if found.harmless:
        _say(file, "\nRefused, and nothing to do:")
        _verdicts(found.harmless[:limit], file, rules=False)
        _more(len(found.harmless) - limit, "of these", file)
    if found.usage is not None:
        _usage(found.usage, limit, file)
    for note in found.notes:
        _say(file, f"\nNote: {note}")


def _usage(found: Usage, limit: int, file: IO[bytes]) -> None:
    if found.too_wide:
        _say(file, "\nRules far wider than what they carry:")
        headings = ("group", "rule", "used by", "for", "narrower")
        rows = [
            (
                it.rule.group or "",
                rule(it.rule),
                addresses(it.hosts),
                ", ".join(service_name(*one) for one in it.services[:_SHOWN]),
                "\n".join(rule(one) for one in it.instead),
            )
            for it in found.too_wide[:limit]
        ]
        _table(headings, rows, file)
        _more(len(found.too_wide) - limit, "rule", file)
    if found.unused:
        _say(file, f"\nRules that no flow used since {moment(found.since)} UTC:")
        shown = found.unused[:limit]
        idle = [
            (it.rule.group or "", rule(it.rule), it.rule.description, f"{it.interfaces:,}") for it in shown
        ]
        _table(("group", "rule", "description", "interfaces"), idle, file)
        _more(len(found.unused) - limit, "rule", file)


def _verdicts(verdicts: Sequence[Verdict], file: IO[bytes], *, rules: bool) -> None:
    headings = ("", "flows", "from", "to", "what", "at interface", "for", "most likely")
    rows = []
    for number, it in enumerate(verdicts, 1):
        flow, span = it.refusal.flow, it.refusal.span
        way = {"ingress": "in at ", "egress": "out at ", None: ""}[it.refusal.direction]
        where = f"{way}{flow.interface or '?'}"
        row = (str(number), f"{span.flows:,}", flow.source, flow.destination, service(flow), where)
        rows.append((*row, lasted(span), _LIKELY[it.kind]))
    _table(headings, rows, file)
    numbers: dict[tuple[str, ...], list[str]] = {}
    for number, it in enumerate(verdicts, 1):
        why = (*it.evidence, *(f"smallest rule: {_rule(one)}" for one in it.proposals if rules))
        numbers.setdefault(why, []).append(str(number))
    for why, several in numbers.items():
        _say(file, f"{', '.join(several)}:")
        for line in why:
            _say(file, f"   {line}")


def _rule(it: Proposal) -> str:
    if isinstance(it.rule, AclEntry):
        number = f", entry {it.rule.number}" if it.rule.number else ""
        return f"{rule(it.rule)}, in {it.acl or 'its network ACL'}{number}"
    return f"{rule(it.rule)}, in {it.rule.group or 'its security group'}"


def _more(number: int, noun: str, file: IO[bytes], *, more: bool = False) -> None:
    if number > 0:
        plural = "" if number == 1 or noun == "of these" else "s"
        at_least = "at least " if more else ""
        _say(file, f"… {at_least}{number:,} more {noun}{plural}; --limit shows more")


def _say(file: IO[bytes], text: str) -> None:
    lines = (printable(line) for line in text.split("\n"))
    file.write(("\n".join(lines) + "\n").encode(errors="surrogatepass"))


def _spans(headings: Sequence[str], rows: Sequence[tuple[Span, str, str, str]], file: IO[bytes]) -> None:
    """A table with how many flows there were before, and when the last one was after."""
    shown = [(f"{span.flows:,}", *cells, moment(span.last)) for span, *cells in rows]
    _table(("flows", *headings, "last"), shown, file)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], file: IO[bytes]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in _RIGHT else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in row))
    print_table(table, file=file)
