"""The options of `vpcflow index` for sources in AWS, for runs that go on, and for the configuration file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vpcflow.cli.options import option, options
from vpcflow.cli.types import DURATION, MOMENT, NAMES
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.pipeline import Progress
    from vpcflow.sources.base import SourceOptions

__all__ = [
    "config_names",
    "config_option",
    "gather",
    "observed",
    "service_options",
    "source_options",
    "stop_on_signals",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_Observer = Callable[["Progress"], None]

_BUCKETS, _GROUPS, _ACCESS, _RUNNING = "S3 and SQS", "CloudWatch Logs", "Access to AWS", "Running on"

#: Adds what sources take; `gather` makes of it what they are given.
source_options = options(
    option("--since", type=MOMENT, group=_BUCKETS, help="Only objects from this day or time on: 2026-11-24, "
           "2026-11-24T12:30Z, or 3d for three days ago. Of CloudWatch Logs: events."),
    option("--until", type=MOMENT, group=_BUCKETS, help="Only objects before this day or time."),
    option("--accounts", type=NAMES, default=(), metavar="ID,ID", group=_BUCKETS,
           help="Only the objects of these accounts."),
    option("--regions", type=NAMES, default=(), metavar="REGION,REGION", group=_BUCKETS,
           help="Only the objects of these regions."),
    option("--max-receives", type=click.IntRange(min=1), default=3, show_default=True, group=_BUCKETS,
           help="How often a damaged object is read, or a message received, before it is given up and put "
           "into the dead-letter file. The message is left to the queue's redrive policy."),
    option("--latency", type=DURATION, default=0.0, group=_GROUPS,
           help="Ask for the time that ended so long ago: events arrive late. Such as 5m."),
    option("--start-position", default="beginning", show_default=True, metavar="POSITION",
           group=_GROUPS, help="Where a log group begins that was not read before: beginning, end (what "
           "arrives from now on), a time, or how long ago (3d)."),
    option("--log-streams", type=NAMES, default=(), metavar="NAME,NAME", group=_GROUPS,
           help="Only these log streams."),
    option("--log-stream-prefix", metavar="PREFIX", group=_GROUPS,
           help="Only log streams whose names start so."),
    option("--number-of-workers", type=click.IntRange(min=1), default=1, show_default=True, metavar="N",
           group=_GROUPS, help="Log groups that are read at the same time."),
    option("--profile", metavar="NAME", group=_ACCESS, help="Profile of AWS's configuration files."),
    option("--role-arn", metavar="ARN", group=_ACCESS, help="Role to assume."),
    option("--external-id", metavar="ID", group=_ACCESS, help="External id that the role asks for."),
    option("--region", metavar="REGION", group=_ACCESS, help="Region of the bucket, queue or log group."),
    option("--endpoint-url", metavar="URL", group=_ACCESS,
           help="Another endpoint than AWS's own, for all its services; of one service: AWS_ENDPOINT_URL_S3 "
           "and the like in the environment."),
    option("--follow/--no-follow", group=_RUNNING,
           help="Go on with what comes later, until SIGTERM or Ctrl-C."),
    option("--interval", "--scan-frequency", type=DURATION, default="1m", show_default=True, group=_RUNNING,
           help="Time between two looks for new objects or events."),
    option("--checkpoint", metavar="FILE", group=_RUNNING,
           help="Remembers what was read of buckets and log groups. "
           "[default: ~/.local/state/vpcflow/checkpoint.db]"),
)  # fmt: skip


def gather(given: dict[str, Any]) -> SourceOptions:
    """The options of `source_options`, taken out of all of a command's."""
    from pathlib import Path

    from vpcflow.sources.base import SourceOptions

    names = SourceOptions.__dataclass_fields__.keys() & given.keys()
    taken = {name: given.pop(name) for name in names}
    if taken["checkpoint"] is not None:
        taken["checkpoint"] = Path(taken["checkpoint"])
    return SourceOptions(**taken)


def service_options(command: _Command) -> _Command:
    """``--health-file`` and ``--metrics``: what `observed` takes."""
    health = option("--health-file", metavar="FILE", group=_RUNNING,
                    help="JSON file, written anew every five seconds while the run is well.")  # fmt: skip
    metrics = option("--metrics", metavar="[HOST]:PORT", group=_RUNNING,
                     help="Serve metrics for Prometheus there. Needs vpcflow[metrics].")  # fmt: skip
    return options(health, metrics)(command)


@contextmanager
def observed(
    shown: _Observer | None, health_file: str | None, metrics: str | None
) -> Iterator[_Observer | None]:
    """What to call with each progress, so that all who want to hear of it do."""
    if not (health_file or metrics):
        yield shown
        return
    from vpcflow.service import HealthFile, Metrics

    with ExitStack() as stack:
        observers = [] if shown is None else [shown]
        if metrics:
            observers.append(stack.enter_context(closing(Metrics(metrics))))
        if health_file:
            observers.append(stack.enter_context(closing(HealthFile(health_file))))

        def tell(progress: Progress) -> None:
            for observer in observers:
                observer(progress)

        yield tell


def config_option(command: _Command) -> _Command:
    """``--config``: a vpcflow.toml whose values stand in for options that aren't given."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is None:
            return
        from vpcflow.config import load, load_owners

        names = config_names(ctx.command)
        given = load(value)
        ctx.meta["vpcflow.owners"] = load_owners(value)
        if unknown := given.keys() - names.keys():
            raise ConfigError(f"{value}: {min(unknown)} is no option of vpcflow {ctx.info_name}")
        ctx.default_map = {names[key]: given[key] for key in given}

    return option(
        "--config", metavar="FILE", is_eager=True, expose_value=False, callback=read, group=_RUNNING,
        help="A vpcflow.toml with all of this. Options on the command line go before it.",
    )(command)  # fmt: skip


def config_names(command: click.Command) -> dict[str, str]:
    """How a file may call each parameter: by its name, or as the command line writes it."""
    return {
        name: parameter.name
        for parameter in command.params
        if parameter.name is not None
        for name in (parameter.name, *(written.lstrip("-").replace("-", "_") for written in parameter.opts))
    }


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM sets, and Ctrl-C the first time: the run then ends in good order."""
    import signal

    event = threading.Event()

    def handle(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
