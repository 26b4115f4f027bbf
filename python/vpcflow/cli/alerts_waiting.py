"""`vpcflow alerts waiting`: messages that could not be told yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpcflow.cli.alerts_options import rules_of, rules_option, state_options, state_path
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.alerts.notify import Channel
    from vpcflow.alerts.rules import Rule
    from vpcflow.alerts.state import State, Waiting
    from vpcflow.owners import Owner

__all__ = ["waiting"]

_COLUMNS = ["messages", "channel", "recipient", "rule", "oldest", "why"]


@click.command(short_help="Say which messages wait, and drop or move them.")
@state_options
@rules_option
@click.option("--channel", metavar="NAME", help="Only what waits for this channel.")
@click.option(
    "--rule",
    "name",
    metavar="NAME",
    help="Only what is about this rule: name, title, or the id of one that is gone.",
)
@click.option("--drop", is_flag=True, help="Forget these messages: nobody is told.")
@click.option(
    "--move-to",
    "to",
    metavar="CHANNEL",
    help="Let this channel of --config tell them, to its own recipients.",
)
@click.option("--config", metavar="FILE", help="The vpcflow.toml that has the channel of --move-to.")
def waiting(
    *,
    target: str,
    state_file: Path | None,
    folders: tuple[Path, ...],
    channel: str | None,
    name: str | None,
    drop: bool,
    to: str | None,
    config: str | None,
) -> None:
    """Say which messages wait to be told, for whom, and why; drop them, or let another channel tell them.

    A message waits until its recipient is told: while a server is down, say. When a channel is no longer in
    the configuration, or a rule is no longer there, its messages wait for good. They are dropped or moved
    only where --channel or --rule says which. A run that goes on has the file; end it first.

    \b
    Examples:
      vpcflow alerts waiting
      vpcflow alerts waiting --channel slack --move-to mail --config vpcflow.toml
      vpcflow alerts waiting --channel slack --drop

    Exit code: 0 done, 2 wrong usage or set-up.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.alerts.state import State
    from vpcflow.cli.output import count
    from vpcflow.config import load_owners

    if (drop or to is not None) and channel is None and name is None:
        raise click.UsageError("say which messages with --channel or --rule")
    if drop and to is not None:
        raise click.UsageError("--drop and --move-to: take one of them")
    if (to is None) != (config is None):
        raise click.UsageError("--move-to and --config: the one needs the other")
    path = state_path(target, state_file)
    if not path.exists():
        raise ConfigError(f"{path}: no run has remembered anything there; give its --from, or --state")
    rules = {rule.id: rule for rule in rules_of(folders)}
    with State(path) as state:
        there = state.outbox()
        chosen = [
            one
            for one in there
            if channel in (None, one.channel) and (name is None or name.lower() in _names(one, rules))
        ]
        if there and not chosen:
            raise ConfigError(
                "none of the messages that wait is that one's; vpcflow alerts waiting shows all"
            )
        if not there:
            click.echo("Nothing waits.", err=True)
        elif drop:
            with state.together():
                for one in chosen:
                    state.told(one)
            click.echo(f"{count(len(chosen), 'message')} dropped", err=True)
        elif to is not None and config is not None:
            made = _move(state, chosen, rules, _channel(to, config, target), load_owners(config))
            click.echo(
                f"{count(len(chosen), 'message')} moved: the next run tells {made:,} with {to}", err=True
            )
        else:
            _show(chosen, rules)


def _names(one: Waiting, rules: Mapping[str, Rule]) -> set[str]:
    rule = rules.get(one.rule)
    return {one.rule.lower()} | ({rule.name.lower(), rule.title.lower()} if rule else set())


def _channel(name: str, config: str, target: str) -> Channel:
    from vpcflow.alerts.notify import channels

    known = {channel.name: channel for channel in channels(config, flows=target)}
    if name not in known:
        raise ConfigError(f"{config}: no channel is called {name}; there is {', '.join(known)}")
    return known[name]


def _move(
    state: State,
    chosen: Sequence[Waiting],
    rules: Mapping[str, Rule],
    channel: Channel,
    owners: Sequence[Owner],
) -> int:
    """Puts messages into the outbox for another channel, each once; says how many that makes."""
    known = {owner.name: owner for owner in reversed(owners)}
    done = set()
    made = 0
    with state.together():
        for one in chosen:
            if one.rule not in rules:
                raise ConfigError(
                    f"rule {one.rule} is not there, and without it its messages can't be written: give its "
                    "--rules, or --drop them"
                )
            notice = one.notice(rules[one.rule], known)
            recipients = [] if notice.key in done else channel.recipients(notice)
            done.add(notice.key)
            for recipient in recipients:
                state.queue(notice, one.content["owner"], channel.name, recipient)
                made += 1
            state.told(one)
    return made


def _show(several: Sequence[Waiting], rules: Mapping[str, Rule]) -> None:
    from vpcflow.cli.output import open_output, write_rows
    from vpcflow.query.rows import Rows

    found: dict[tuple[str, str, str], list[Waiting]] = {}
    for one in several:
        found.setdefault((one.channel, one.recipient, one.rule), []).append(one)
    rows: list[tuple[Any, ...]] = []
    for (channel, recipient, rule), waits in found.items():
        title = rules[rule].title if rule in rules else f"{rule} (is not there)"
        oldest = min(str(one.content["end"]) for one in waits)
        rows.append((len(waits), channel, recipient, title, f"{oldest[:16]}Z", waits[-1].error or ""))
    with open_output(None) as file:
        write_rows(Rows(_COLUMNS, [True, *[False] * 5], iter(rows)), "table", file)
