"""Options that several commands have."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vpcflow._core import Format
from vpcflow.cli.types import DURATION, MOMENT
from vpcflow.errors import ConfigError, FormatError
from vpcflow.formats import to_format
from vpcflow.sinks import DEFAULT_TARGET

if TYPE_CHECKING:
    from vpcflow.query.model import Period

__all__ = [
    "GroupedCommand",
    "ca_option",
    "flows_options",
    "format_option",
    "option",
    "options",
    "period_of",
    "time_options",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def format_option(text: str) -> Callable[[_Command], _Command]:
    """``--format``: a flow log's format, by AWS's log-format string or by name."""
    return click.option("--format", "layout", callback=_convert, metavar="FORMAT", help=text)


def ca_option(command: _Command) -> _Command:
    """``--ca``: whom to trust at https://."""
    return _ca(command)


def _ca(command: _Command, callback: Callable[..., str | None] | None = None) -> _Command:
    return click.option(
        "--ca",
        metavar="FILE",
        callback=callback,
        help="Elasticsearch: file with the authority's certificate (PEM). [default: ELASTICSEARCH_CA, or the "
        "system's]",
    )(command)


def flows_options(*, required: bool = True) -> Callable[[_Command], _Command]:
    """``--from``, ``--namespace`` and ``--ca``: where the flows are."""
    where = click.option(
        "--from",
        "target",
        metavar="TARGET",
        is_eager=True,  # known when the other two are looked at
        default=DEFAULT_TARGET if required else None,
        show_default=required,
        help="Where the flows are: folder of a Parquet store; https://host:9200, or cloud: and a Cloud ID, "
        "is Elasticsearch.",
    )
    namespace = click.option(
        "--namespace",
        metavar="NAME",
        callback=_not_of_stores,
        help="Elasticsearch: of the data stream. [default: all]",
    )
    return options(where, namespace, partial(_ca, callback=_not_of_stores))


def _not_of_stores(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from vpcflow.query.flows import is_elasticsearch

    target = ctx.params.get("target")
    if value is not None and target is not None and not is_elasticsearch(target):
        raise ConfigError(
            f"{param.opts[0]} is for Elasticsearch; {target} is a store and has none: leave it out"
        )
    return value


def time_options(start: str, end: str = "now") -> Callable[[_Command], _Command]:
    """``--last``, ``--since`` and ``--until``: which time, by @timestamp. `period_of` makes one of them.

    Args:
        start: where the time begins without them, in words.
        end: where it ends.
    """
    last = click.option(
        "--last",
        type=DURATION,
        metavar="DURATION",
        help=f"Flows of so long before now, or before --until: 6h, 7d. [default: {start}]",
    )
    since = click.option(
        "--since",
        type=MOMENT,
        metavar="TIME",
        help="Flows from this time on, in place of --last: 2026-11-24, 2026-11-24T12:30Z, or 3d for three "
        "days ago.",
    )
    until = click.option(
        "--until", type=MOMENT, metavar="TIME", help=f"Flows before this time. [default: {end}]"
    )
    return options(last, since, until)


def period_of(last: float | None, since: float | None, until: float | None, *, usual: float) -> Period:
    """The time that options choose; `usual` seconds up to its end where none says how long it is.

    Raises:
        ConfigError: they contradict each other, or nothing is between them.
    """
    from vpcflow.query.model import Period

    if last is not None and since is not None:
        raise ConfigError("--last and --since both say where the time begins; leave one of them out")
    end = time.time() if until is None else until
    start = since if since is not None else end - (usual if last is None else last)
    if start >= end:
        raise ConfigError(
            f"the time begins at {_at(start):%Y-%m-%dT%H:%M:%SZ} and ends at {_at(end):%Y-%m-%dT%H:%M:%SZ}:"
            " nothing is between them"
        )
    return Period(_at(start), _at(end))


def _at(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise ConfigError("--last goes back to before there were years; give a shorter one") from None


class GroupedCommand(click.Command):
    """Shows its options in groups: those without one first, then each group under its name."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


class _GroupedOption(click.Option):
    def __init__(self, *args: Any, group: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.group = group


def option(*names: str, group: str, **settings: Any) -> Callable[[_Command], _Command]:
    """`click.option` for a `GroupedCommand`."""
    return click.option(*names, cls=_GroupedOption, group=group, **settings)


def options(*several: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    """All of them, in the order in which help shows them."""

    def decorate(command: _Command) -> _Command:
        for each in reversed(several):
            command = each(command)
        return command

    return decorate


def _convert(ctx: click.Context, param: click.Parameter, value: str | None) -> Format | None:
    try:
        return to_format(value)
    except FormatError as error:
        raise click.BadParameter(str(error), ctx, param) from error
