"""`vpcflow alerts`: alert rules over a store or an Elasticsearch, without Kibana."""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpcflow.cli.alerts_options import rules_of, rules_option, state_options, state_path
from vpcflow.cli.options import flows_options
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vpcflow.alerts.rules import Rule

__all__ = ["alerts"]

_LATER = {
    "backtest": ("vpcflow.cli.alerts_backtest:backtest", "Say how often rules would have fired."),
    "run": ("vpcflow.cli.alerts_run:run", "Evaluate rules and tell whom it concerns."),
    "waiting": ("vpcflow.cli.alerts_waiting:waiting", "Say which messages wait, and drop or move them."),
}


class _Commands(click.Group):
    """Loads the larger commands when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *_LATER]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _LATER:
            return super().get_command(ctx, cmd_name)
        module, _, name = _LATER[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=_Commands, short_help="Watch flows by alert rules, and tell whom it concerns.")
def alerts() -> None:
    """Watch flows by alert rules, and tell whom it concerns: Kibana's rules without Kibana.

    The rules are those that ship with vpcflow and those of your own folders: docs/alerts.md says how to
    write one. Flows are in a Parquet store or in Elasticsearch.

    \b
    vpcflow alerts list                                what is watched for
    vpcflow alerts check my-rules/*.yml                whether rules are right
    vpcflow alerts backtest --last 30d                 how often each would have fired
    vpcflow alerts run                                 once, told on standard output
    vpcflow alerts run --config vpcflow.toml --every 1m
    vpcflow alerts waiting                             which messages could not be told yet
    """  # noqa: D301 - click's mark for lines that stay as they are


@alerts.command("list", short_help="Say what is watched for.")
@rules_option
@state_options
def list_rules(folders: tuple[Path, ...], target: str, state_file: Path | None) -> None:
    """Say what is watched for: level, name, title, and when it fires; and whether messages wait."""
    _print(
        ["level", "name", "title", "fires at"],
        ((rule.level, rule.name, rule.title, _when(rule)) for rule in rules_of(folders)),
    )
    _say_what_waits(state_path(target, state_file))


def _say_what_waits(path: Path) -> None:
    from vpcflow.alerts.state import State
    from vpcflow.cli.output import count

    if not path.exists():
        return
    try:
        with State(path) as state:
            waits = len(state.outbox())
    except ConfigError:
        return  # a run is at work, and says it itself
    if waits:
        see = f"see vpcflow alerts waiting --state {shlex.quote(str(path))}"
        click.echo(f"{count(waits, 'message')} of {path} not told yet: {see}", err=True)


def _when(rule: Rule) -> str:
    by = f" for one {', '.join(rule.groups)}" if rule.groups else ""
    return f"{what(rule)} in {rule.span}{by}"


def what(rule: Rule) -> str:
    """What a rule counts, in short: ``different destination.port >= 50``."""
    operator, threshold = rule.threshold
    if rule.change == "new":
        return f"none in {rule.look_back}, some"
    if rule.change is not None:
        return f"some in {rule.look_back}, none"
    counted = {
        "event_count": "flows",
        "value_count": f"different {rule.field}",
        "value_sum": f"sum {rule.field}",
    }
    return f"{counted[rule.kind]} {operator} {threshold:,}"


@alerts.command(short_help="Say whether rules are right.")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@rules_option
@flows_options(required=False)
def check(
    files: tuple[Path, ...],
    folders: tuple[Path, ...],
    target: str | None,
    namespace: str | None,
    ca: str | None,
) -> None:
    """Say whether rules are right: files, or those that ship and those of --rules.

    With --from also whether the flows there have the fields that each rule asks for. A rule over a field
    that they lack is right, but has nothing to say.

    \b
    Examples:
      vpcflow alerts check my-rules/quiet-vpn.yml
      vpcflow alerts check --rules my-rules --from vpcflow-data

    Exit code: 0 all are right, 1 a rule is not, 2 wrong usage.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.alerts.rules import load, require

    require()
    given = files or tuple(path for folder in folders for path in sorted(folder.glob("*.yml")))
    right: list[tuple[Path, Rule]] = []
    wrong = 0
    ids: dict[str, Path] = {}
    for path in given:
        try:
            rule = load(path)
        except ConfigError as error:
            click.echo(f"Error: {error}", err=True)
            wrong += 1
            continue
        # A later folder's rule stands in for an earlier one's; within a folder that can't be meant.
        if (other := ids.get(rule.id)) is not None and other.parent == path.parent:
            click.echo(f"Error: {path}: has the id of {other}, {rule.id}; give it another one", err=True)
            wrong += 1
            continue
        ids[rule.id] = path
        right.append((path, rule))
    if not right:
        sys.exit(1)
    absent = _absent([rule for _, rule in right], target, namespace, ca) if target else {}
    _print(
        ["rule", "file", "flows lack" if target else "says"],
        ((rule.title, str(path), absent.get(rule.id, "" if target else "right")) for path, rule in right),
    )
    if wrong:
        sys.exit(1)


def _absent(rules: list[Rule], target: str, namespace: str | None, ca: str | None) -> dict[str, str]:
    from vpcflow.alerts.evaluate import fields, lacking
    from vpcflow.query.flows import open_flows

    names = sorted({name for rule in rules for name in fields(rule)})
    with open_flows(target, namespace=namespace, ca=ca) as engine:
        missing = lacking(engine, names)
    if missing is None:
        raise ConfigError(f"{target}: nothing is in it yet; fill it with: vpcflow index SOURCE --to {target}")
    return {rule.id: ", ".join(name for name in fields(rule) if name in missing) for rule in rules}


def _print(columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    from vpcflow.cli.output import open_output, write_rows
    from vpcflow.query.rows import Rows

    with open_output(None) as file:
        write_rows(Rows(columns, [False] * len(columns), iter(list(rows))), "table", file)
