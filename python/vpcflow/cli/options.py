"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from vpcflow._core import Format
from vpcflow.errors import FormatError
from vpcflow.formats import to_format

__all__ = ["format_option"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def format_option(text: str) -> Callable[[_Command], _Command]:
    """``--format``: a flow log's format, by AWS's log-format string or by name."""
    return click.option("--format", "layout", callback=_convert, metavar="FORMAT", help=text)


def _convert(ctx: click.Context, param: click.Parameter, value: str | None) -> Format | None:
    try:
        return to_format(value)
    except FormatError as error:
        raise click.BadParameter(str(error), ctx, param) from error
