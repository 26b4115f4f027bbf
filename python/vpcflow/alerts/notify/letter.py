"""What a message says, in words that every channel shares. What comes from logs is made printable."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vpcflow.kibana.links import dashboard

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice, Row
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.alerts.rules import Rule

__all__ = ["Letter", "name_of", "write"]

#: Longest text of one value.
_LONGEST = 200

_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_REACHED = {">=": "{} or more", ">": "more than {}", "<": "less than {}", "<=": "{} or less"}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in parts; all of them are one line of printable characters.

    Attributes:
        subject: ``[medium] Port scan of one host: 3 (Jane Roe)``.
        level: of the rule.
        title: ``Port scan of one host: 3 (Jane Roe)``.
        about: what it is, and why that matters.
        found: how many, when and whose.
        columns: of the rows.
        rows: the largest first.
        more: how many rows there are besides.
        otherwise: what else it may be.
        rule: what the rule counts.
        url: of the dashboard, filtered; empty when there is no Kibana.
        command: that shows the same instead.
        history: what the chart is of; empty without one.
    """

    subject: str
    level: str
    title: str
    about: str
    found: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int
    otherwise: tuple[str, ...]
    rule: str
    url: str
    command: str
    history: str

    @property
    def table(self) -> list[str]:
        """Lines of text, with columns one below the other."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        numeric = len(widths) - 2  # the number stands before the time
        shown = [
            "  ".join(
                text.rjust(width) if place == numeric else text.ljust(width)
                for place, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return [*shown, f"and {self.more:,} more"] if self.more else shown

    @property
    def text(self) -> str:
        """All of it but the subject, as plain text."""
        lines = [self.about, "", self.found, "", *self.table, ""]
        if self.otherwise:
            lines += [f"It may also be: {'; '.join(self.otherwise)}.", ""]
        look = f"Dashboard: {self.url}" if self.url else f"Look at it: {self.command}"
        lines += [f"Rule: {self.rule}", look]
        return "\n".join(lines) + "\n"


def write(notice: Notice, settings: Settings) -> Letter:
    """What there is to say of a notice."""
    rule = notice.rule
    count = "over" if notice.state == "over" else f"{notice.count:,}"
    title = f"{_plain(rule.title)}: {count}{_whose(notice, settings)}"
    start, end = _iso(notice.start), _iso(notice.end)
    flows = f" --from {shlex.quote(settings.flows)}" if settings.flows else ""
    url = ""
    if settings.kibana:
        rest = settings.owned and notice.owner is None
        path = dashboard(rule, notice.owner, settings.space, (start, end), rest=rest)
        url = settings.kibana + path
    return Letter(
        subject=f"[{rule.level}] {title}",
        level=rule.level,
        title=title,
        about=_plain(rule.description, longest=None),
        found=_found(notice, settings),
        columns=(*rule.groups, _counted(rule), _since(rule)),
        rows=tuple(_row(row) for row in notice.rows),
        more=notice.count - len(notice.rows),
        otherwise=tuple(_plain(one, longest=None) for one in rule.false_positives),
        rule=_rule(rule),
        url=url,
        command=f"vpcflow report{flows} --dashboard {rule.dashboard} --since {start} --until {end}",
        history=_history(notice),
    )


def name_of(notice: Notice, settings: Settings) -> str:
    """The rule's name with its owner's, as Kibana has it."""
    return _plain(notice.rule.title) + _whose(notice, settings)


def _whose(notice: Notice, settings: Settings) -> str:
    if notice.owner:
        return f" ({_plain(notice.owner.name)})"
    return " (no owner)" if settings.owned else ""


def _found(notice: Notice, settings: Settings) -> str:
    flows = "all flows"
    if notice.owner:
        flows = f"the flows of {_plain(notice.owner.name)}"
    elif settings.owned:
        flows = "the flows that have no owner"
    end = _clock(notice.end)
    if notice.state == "over":
        return f"It is over: nothing of it was seen any more in {flows} until {end} UTC. It was:"
    largest = "The largest" if len(notice.rows) < notice.count else "All of them, the largest first"
    return f"Found {notice.count:,} in {flows} between {_clock(notice.start)} and {end} UTC. {largest}:"


def _row(row: Row) -> tuple[str, ...]:
    return (*(_plain(value) for value in row.groups), _number(row.value), _clock(row.since))


def _rule(rule: Rule) -> str:
    operator, threshold = rule.threshold
    counted = f"{_REACHED[operator].format(f'{threshold:,}')} {_counted(rule)}"
    by = f" for one {' and '.join(rule.groups)}" if rule.groups else ""
    span = _words(rule.span)
    if rule.change == "new":
        return f"{counted}{by}, seen in the last {span} and not in the {_words(rule.look_back)} before"
    if rule.change == "gone":
        return f"{counted}{by} in {_words(rule.look_back)}, and none in the last {span}"
    return f"{counted}{by} within {span}"


def _counted(rule: Rule) -> str:
    if rule.kind == "event_count":
        return "flows"
    return f"{'different' if rule.kind == 'value_count' else 'sum of'} {rule.field}"


def _since(rule: Rule) -> str:
    return {None: "since (UTC)", "new": "first seen (UTC)", "gone": "last seen (UTC)"}[rule.change]


def _history(notice: Notice) -> str:
    if not notice.history:
        return ""
    since, most = _clock(notice.history[0][0]), _number(max(value for _, value in notice.history))
    counted, span = _counted(notice.rule), _words(notice.rule.span)
    return f"The rows above together, since {since} UTC: at most {most} {counted} in {span}"


def _words(span: str | None) -> str:
    """``5 minutes`` for ``5m``."""
    number, unit = (span or "0s")[:-1], _UNITS[(span or "0s")[-1]]
    return f"{number} {unit}" + ("" if number == "1" else "s")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _clock(moment: datetime) -> str:
    return re.sub(r":00$", "", moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"))


def _plain(value: object, *, longest: int | None = _LONGEST) -> str:
    """One line, without what a terminal or a mail program could take for something else than text."""
    text = " ".join(str(value).split())
    if not text.isprintable():
        text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"
