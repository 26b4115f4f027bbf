"""The options of `vpcflow index` for what records don't say themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vpcflow.cli.options import option, options
from vpcflow.cli.types import NAMES

if TYPE_CHECKING:
    from vpcflow.enrich import AnyEnricher, Enricher

__all__ = ["enrichers", "enrichment_options"]

_ENRICHMENT = "Enrichment"

#: Adds what `enrichers` takes.
enrichment_options = options(
    option("--geo", multiple=True, metavar="FILE", group=_ENRICHMENT,
           help="Say where addresses are, and whose network: .mmdb of cities, countries or ASNs, or ASN "
           "ranges as .csv. Can be repeated. [default: what vpcflow[geo] brings, if installed]"),
    option("--inventory", multiple=True, metavar="FILE", group=_ENRICHMENT,
           help="Name instances, subnets, VPCs and what AWS made an interface for: a file of "
           "`vpcflow inventory pull`, or CSV. Can be repeated."),
    option("--inventory-tags", type=NAMES, metavar="KEY,KEY", group=_ENRICHMENT,
           help="Tags that become labels. [default: the 20 that most things have]"),
    option("--aws-ranges", metavar="FILE", group=_ENRICHMENT,
           help="Name the AWS service and region of addresses: AWS's ip-ranges.json."),
    option("--threat-list", "threat_lists", multiple=True, metavar="[NAME=]FILE", group=_ENRICHMENT,
           help="Mark flows with addresses that a list warns of: lines of addresses, networks or ranges, "
           "CSV, or a STIX 2.1 bundle. Can be repeated."),
    option("--enrich", "own", multiple=True, metavar="NAME", group=_ENRICHMENT,
           help="An enricher of an installed package, by the name of its entry point in vpcflow.enrichers. "
           "Can be repeated."),
)  # fmt: skip


def enrichers(
    given: dict[str, Any], *, sources: Iterable[str], accounts: Sequence[str], quiet: bool
) -> list[AnyEnricher]:
    """The enrichers that options ask for, which are taken out of all of a command's.

    Without files for it, countries come from the extra ``vpcflow[geo]``, which is said unless `quiet`.
    """
    geo, own = given.pop("geo"), given.pop("own")
    found: list[AnyEnricher] = [
        *_ours(given.pop("inventory"), given.pop("inventory_tags"), sources=sources, accounts=accounts)
    ]
    if not geo:
        geo = _installed(quiet=quiet)
    if geo:
        from vpcflow._core import Geo

        found.append(Geo(geo))
    if ranges := given.pop("aws_ranges"):
        from vpcflow._core import AwsRanges

        found.append(AwsRanges(ranges))
    if lists := given.pop("threat_lists"):
        from vpcflow._core import ThreatLists

        found.append(ThreatLists(lists))
    if own:
        from vpcflow.enrich import installed

        found += installed(own)
    return found


def _installed(*, quiet: bool) -> list[Path]:
    from datetime import date

    from vpcflow.enrich.packaged import find

    countries = find()
    if countries is None:
        return []
    if not quiet:
        click.echo(f"Note: {countries.notice(date.today())}", err=True)
    return [countries.path]


def _ours(
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
