"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vpcflow._core import Format
from vpcflow.errors import FormatError
from vpcflow.formats import to_format

__all__ = ["GroupedCommand", "ca_option", "format_option", "option", "options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def format_option(text: str) -> Callable[[_Command], _Command]:
    """``--format``: a flow log's format, by AWS's log-format string or by name."""
    return click.option("--format", "layout", callback=_convert, metavar="FORMAT", help=text)


def ca_option(command: _Command) -> _Command:
    """``--ca``: whom to trust at https://."""
    return click.option(
        "--ca",
        metavar="FILE",
        help="Elasticsearch: file with the authority's certificate (PEM). [default: ELASTICSEARCH_CA, or the "
        "system's]",
    )(command)


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
