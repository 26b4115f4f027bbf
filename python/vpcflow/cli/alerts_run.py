"""`vpcflow alerts run`: evaluates rules once, or as a service."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcflow.alerts.run import Round, Watch
from vpcflow.cli.alerts_options import rules_of, rules_option, state_option, state_path
from vpcflow.cli.options import flows_options
from vpcflow.cli.service import stop_on_signals
from vpcflow.cli.types import DURATION
from vpcflow.errors import VpcflowError
from vpcflow.query.flows import is_elasticsearch, open_flows

if TYPE_CHECKING:
    from vpcflow.query.answer import Engine

__all__ = ["run"]

_Flows = Callable[[], AbstractContextManager["Engine"]]


@click.command(short_help="Evaluate rules and tell whom it concerns.")
@flows_options()
@rules_option
@click.option(
    "--config",
    metavar="FILE",
    help="A vpcflow.toml: [[owners]], whom alerts go to, and the channels that tell them. [default: all is "
    "told on standard output]",
)
@click.option(
    "--every",
    type=DURATION,
    metavar="DURATION",
    help="Go on as a service, until SIGTERM or Ctrl-C: such as 1m.",
)
@state_option
@click.option("--dry-run", is_flag=True, help="Print what would be told, tell nobody and remember nothing.")
def run(
    *,
    target: str,
    namespace: str | None,
    ca: str | None,
    folders: tuple[Path, ...],
    config: str | None,
    every: float | None,
    state_file: Path | None,
    dry_run: bool,
) -> None:
    """Evaluate rules and tell whom it concerns.

    A run looks at the time since the last one, and 15 minutes before it for records that came late; the
    first looks at an hour, and none at more than a day. What was told is not told again within the throttle
    of its rule (an hour, if the rule says nothing else). When it is no longer seen, that is told, too.

    With [[owners]] in the configuration, each owner's flows are counted by themselves and the owner is told;
    the rest goes to the channels' own recipients. A message that could not be sent is kept, and sent by the
    next round. Needs vpcflow[rules].

    \b
    Examples:
      vpcflow alerts run                                 once, over ./vpcflow-data: for cron
      vpcflow alerts run --config vpcflow.toml --every 1m
      vpcflow alerts run --from https://host:9200 --rules my-rules --dry-run

    Exit code: 0 all was evaluated and told, whether or not there was anything; 1 a rule could not be
    evaluated or somebody not be told; 2 wrong usage or set-up. A service warns and goes on.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.alerts.notify import channels
    from vpcflow.alerts.state import State
    from vpcflow.config import load_owners

    if every is not None and every <= 0:
        raise click.BadParameter(
            "the time between two rounds is longer than nothing, such as 1m", param_hint="--every"
        )
    rules = rules_of(folders)
    owners = load_owners(config) if config else ()
    tell = channels(None if dry_run else config, flows=target)
    state_file = state_path(target, state_file)
    say = _Warnings()
    flows = partial(open_flows, target, namespace=namespace, ca=ca)
    fresh = not state_file.exists()
    if fresh and dry_run:
        state_file = Path(":memory:")
    elif fresh and every is None:
        with flows():
            pass  # where there are none, no file is left behind

    with State(state_file, _name(target, namespace)) as state:
        if every is None:
            done = _round(Watch(rules, owners, tell, state, say=say), flows, dry_run=dry_run)
            _summary(done, len(rules))
            if done.failed or done.waiting:
                sys.exit(1)
            return
        with stop_on_signals() as stop:
            watch = Watch(rules, owners, tell, state, say=say, stop=stop)
            while not stop.is_set():
                began = time.monotonic()
                say.begin()
                try:
                    done = _round(watch, flows, dry_run=dry_run)
                    if done.fired or done.over or done.told:
                        _summary(done, len(rules))
                except BrokenPipeError:
                    raise  # whoever reads has gone
                except (VpcflowError, OSError) as error:
                    say(f"{error}; tried again in the next round")
                stop.wait(max(0.0, every - (time.monotonic() - began)))


def _round(watch: Watch, flows: _Flows, *, dry_run: bool) -> Round:
    """Evaluates, and tells what there is to tell: what is left from before in any case."""
    done = Round()
    try:
        with flows() as engine:
            done, notices = watch.evaluate(engine, datetime.now(UTC), keep=not dry_run)
    finally:
        if not dry_run:
            watch.tell(done)
    if dry_run:
        watch.show(notices)
    return done


def _name(target: str, namespace: str | None) -> str:
    """What the state is about, however it is written this time."""
    if not is_elasticsearch(target):
        return str(Path(target).resolve())
    from vpcflow.elastic.client import public_url

    server = target if target.startswith("cloud:") else public_url(target)
    return f"{server}, namespace {namespace}" if namespace else server


def _summary(done: Round, rules: int) -> None:
    from vpcflow.cli.output import count

    text = f"{count(rules, 'rule')}: {done.fired} fired, {done.over} over; {count(done.told, 'message')} told"
    click.echo(text + (f", {done.waiting} waiting" if done.waiting else ""), err=True)


class _Warnings:
    """Says each warning when it comes up, not in every round in which it goes on."""

    def __init__(self) -> None:
        self._before: set[str] = set()
        self._now: set[str] = set()

    def begin(self) -> None:
        self._before, self._now = self._now, set()

    def __call__(self, text: str) -> None:
        from vpcflow.cli.output import printable

        if text not in self._before | self._now:
            click.echo(f"Warning: {printable(text)}", err=True)
        self._now.add(text)
