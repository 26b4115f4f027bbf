"""The options that say how `network.direction` is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from vpcflow._core import Direction
from vpcflow.cli.options import option, options
from vpcflow.cli.types import NAMES
from vpcflow.errors import ConfigError

__all__ = ["direction_options", "to_direction"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_ENRICHMENT = "Enrichment"


def direction_options(command: _Command) -> _Command:
    """``--direction`` and ``--internal-networks``: what `to_direction` takes."""
    view = option(
        "--direction", type=click.Choice(["interface", "perimeter"]), default="interface",
        show_default=True, group=_ENRICHMENT,
        help="network.direction as the interface sees it (ingress, egress), found where it isn't logged; or "
        "as your network's perimeter does (inbound, outbound, internal, external), whatever is logged.",
    )  # fmt: skip
    networks = option(
        "--internal-networks", type=NAMES, metavar="CIDR,CIDR", callback=_checked, group=_ENRICHMENT,
        help="What is inside the perimeter: CIDRs, and private for RFC 1918 and RFC 4193. IPv6 networks of "
        "VPCs are public: name them. [default: private]",
    )  # fmt: skip
    return options(view, networks)(command)


def to_direction(view: Literal["interface", "perimeter"], networks: tuple[str, ...] | None) -> Direction:
    """What finds the direction.

    Raises:
        ConfigError: there are networks, but no perimeter.
    """
    if view == "perimeter":
        return Direction(internal_networks=networks or ("private",))
    if networks:
        raise ConfigError("--internal-networks says what is inside a perimeter: add --direction perimeter")
    return Direction()


def _checked(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    try:
        Direction(internal_networks=value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error
    return value
