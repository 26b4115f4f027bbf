"""The options of `vpcflow index` for what is ours: inventory and owners."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vpcflow.cli.options import option
from vpcflow.cli.types import NAMES

if TYPE_CHECKING:
    from vpcflow.enrich import Enricher

__all__ = ["inventory_options", "ours"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_ENRICHMENT = "Enrichment"

_OPTIONS = (
    option("--inventory", multiple=True, metavar="FILE", group=_ENRICHMENT,
           help="Name instances, subnets, VPCs and what AWS made an interface for: a file of "
           "`vpcflow inventory pull`, or CSV. Can be repeated."),
    option("--inventory-tags", type=NAMES, metavar="KEY,KEY", group=_ENRICHMENT,
           help="Tags that become labels. [default: the 20 that most things have]"),
)  # fmt: skip


def inventory_options(command: _Command) -> _Command:
    """Adds what `ours` takes."""
    for each in reversed(_OPTIONS):
        command = each(command)
    return command


def ours(
    inventory: Sequence[str],
    tags: Sequence[str] | None,
    *,
    sources: Iterable[str],
    accounts: Sequence[str],
) -> list[Enricher]:
    """The enrichers of these files, and of the owners of the configuration file, if there is one."""
    owners = click.get_current_context().meta.get("vpcflow.owners", ())
    if not inventory and not owners:
        return []
    from vpcflow.enrich.ours import accounts_of, enrichers

    return list(enrichers(inventory, tags=tags, owners=owners, accounts=accounts or accounts_of(sources)))
