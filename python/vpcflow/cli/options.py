"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vpcflow._core import Format
from vpcflow.errors import FormatError
from vpcflow.formats import to_format

__all__ = ["ca_option", "format_option"]

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


def _convert(ctx: click.Context, param: click.Parameter, value: str | None) -> Format | None:
    try:
        return to_format(value)
    except FormatError as error:
        raise click.BadParameter(str(error), ctx, param) from error
