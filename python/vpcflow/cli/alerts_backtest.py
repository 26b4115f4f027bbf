"""`vpcflow alerts backtest`: how often rules would have fired."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpcflow.cli.alerts_options import rules_of, rules_option
from vpcflow.cli.options import flows_options, period_of, time_options
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.alerts.backtest import Day
    from vpcflow.alerts.rules import Rule

__all__ = ["backtest"]

_MONTH = 30 * 86_400.0
_NUMBERS = ("fired", "groups", "messages")


@click.command(short_help="Say how often rules would have fired.")
@flows_options()
@rules_option
@time_options("30d")
@click.option(
    "--rule",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this rule, by its name or title in vpcflow alerts list. Can be repeated.",
)
@click.option(
    "--config",
    metavar="FILE",
    help="A vpcflow.toml: the flows of each of its [[owners]] count by themselves, as in a run with it. "
    "[default: all flows count together]",
)
@click.option(
    "--threshold", type=int, metavar="N", help="Try this out in place of the threshold of the one --rule."
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True
)
def backtest(
    *,
    target: str,
    namespace: str | None,
    ca: str | None,
    folders: tuple[Path, ...],
    last: float | None,
    since: float | None,
    until: float | None,
    names: tuple[str, ...],
    config: str | None,
    threshold: int | None,
    form: str,
) -> None:
    """Say how often rules would have fired, day by day, and on what.

    A line says of a day and a rule how often a group (an address, an interface: what the rule counts by)
    reached the threshold in a piece of time, how many groups did, how many messages would have been sent by
    a run each piece of time, and which groups did most often. A day on which a rule would have been silent
    has no line. Days are in UTC. With --config, each of the [[owners]] has lines of their own, and so have
    the flows of nobody.

    \b
    Examples:
      vpcflow alerts backtest                                        30 days of ./vpcflow-data
      vpcflow alerts backtest --rule port_scan --threshold 200
      vpcflow alerts backtest --config vpcflow.toml                  by owner
      vpcflow alerts backtest --from https://host:9200 --since 2026-11-01 --format csv

    Exit code: 0 done, 1 the flows could not be read, 2 wrong usage or set-up.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.alerts import backtest as room
    from vpcflow.alerts.evaluate import fields, lacking
    from vpcflow.cli.output import open_output, write_rows
    from vpcflow.config import load_owners
    from vpcflow.query.flows import open_flows
    from vpcflow.query.rows import Rows

    if threshold is not None and len(names) != 1:
        raise click.UsageError("--threshold is tried out on one rule: give it with --rule NAME")
    period = period_of(last, since, until, usual=_MONTH)
    rules = _chosen(rules_of(folders), names)
    owned = bool(load_owners(config)) if config else False
    if threshold is not None:
        rules = [replace(rule, threshold=(rule.threshold[0], threshold)) for rule in rules]
    days: list[Day] = []
    silent: list[str] = []
    with open_flows(target, namespace=namespace, ca=ca) as engine, _shown() as begins:
        names_of = {rule.name: fields(rule) for rule in rules}
        missing = lacking(engine, sorted({name for several in names_of.values() for name in several}), period)
        for rule, found in room.backtest(rules, engine, period, begins, by_owner=owned):
            days += room.by_day(rule, found)
            silent += [] if found else [rule.name]
    days.sort(key=lambda one: one.day)
    columns = ["day", "level", "rule", *(["owner"] if owned else []), *_NUMBERS, "top"]
    numeric = [name in _NUMBERS for name in columns]
    lines = iter([_line(one, form, owned=owned) for one in days])
    with open_output(None) as file:
        write_rows(Rows(columns, numeric, lines), form, file)
    if missing is None:
        click.echo(
            f"There are no flows from {period.start:%Y-%m-%d %H:%M} to {period.end:%Y-%m-%d %H:%M} UTC: give"
            " another time with --last, or --since and --until.",
            err=True,
        )
        return
    blind = {name: absent for name in silent if (absent := missing.intersection(names_of[name]))}
    if could := [name for name in silent if name not in blind]:
        click.echo(f"Not once: {', '.join(could)}", err=True)
    for name, absent in blind.items():
        click.echo(f"Could not fire: {name}, because no flow has {', '.join(sorted(absent))}", err=True)


@contextmanager
def _shown() -> Iterator[Callable[[date], None]]:
    """Says on a terminal how far it is."""
    if not sys.stderr.isatty():
        yield lambda day: None
        return
    from rich.console import Console

    with Console(stderr=True).status("asking") as status:
        yield lambda day: status.update(f"asking about {day}")


def _line(day: Day, form: str, *, owned: bool) -> tuple[Any, ...]:
    top: Any = [
        {"group": dict(zip(day.rule.groups, values, strict=True)), "fired": times}
        for values, times in day.top
    ]
    if form != "json":
        top = ", ".join(f"{' '.join(map(str, values)) or 'all'} ({times})" for values, times in day.top)
    nobody = "no owner" if form == "table" else None
    owner = (nobody if day.owner is None else day.owner,) if owned else ()
    return day.day, day.rule.level, day.rule.name, *owner, day.fired, day.groups, day.messages, top


def _chosen(rules: list[Rule], names: Iterable[str]) -> list[Rule]:
    if not names:
        return rules
    known = {key.lower(): rule for rule in rules for key in (rule.title, rule.id, rule.name)}
    chosen = {}
    for name in names:
        rule = known.get(name.lower()) or known.get(name.lower().replace("-", "_"))
        if rule is None:
            close = difflib.get_close_matches(name.lower(), known, 1)
            meant = f"; did you mean {known[close[0]].name}?" if close else "; vpcflow alerts list has all"
            raise ConfigError(f"there is no rule {name}{meant}")
        chosen[rule.id] = rule
    return list(chosen.values())
