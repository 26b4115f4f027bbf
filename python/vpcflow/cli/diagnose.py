"""`vpcflow diagnose`: why flows were refused, and which rule would let them through."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from vpcflow.cli.options import flows_options, period_of, time_options
from vpcflow.cli.types import DURATION, NAMES

if TYPE_CHECKING:
    from vpcflow.diagnose.groups import Rules
    from vpcflow.inventory import Inventory
    from vpcflow.query.answer import Engine
    from vpcflow.query.model import Period

__all__ = ["diagnose"]

_AWS = "aws"
_WEEK = 7 * 86_400.0
_FORMATS = ["table", "json", "terraform", "cli"]


@click.command(short_help="Explain refused flows, and check security groups.")
@flows_options()
@time_options("7d before the newest flow", "the newest flow; now with --last or --since")
@click.option(
    "--interface",
    "interfaces",
    multiple=True,
    type=NAMES,
    metavar="ENI",
    help="Refusals at this interface alone. Can be repeated.",
)
@click.option(
    "--security-groups",
    "groups",
    multiple=True,
    metavar="FILE|aws",
    help="What `aws ec2 describe-security-groups` (or describe-prefix-lists) prints; aws asks EC2. Can be "
    "repeated.",
)
@click.option(
    "--network-acls",
    "acls",
    metavar="FILE|aws",
    help="What `aws ec2 describe-network-acls` prints; aws asks EC2.",
)
@click.option(
    "--inventory",
    "inventories",
    multiple=True,
    metavar="FILE",
    help="Which interface has which groups: of vpcflow inventory pull. Can be repeated. [default: what the "
    "documents say; EC2 with --security-groups aws]",
)
@click.option(
    "--unused-after",
    type=DURATION,
    default="30d",
    show_default=True,
    metavar="DURATION",
    help="A rule is unused that no flow used for so long.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 300),
    default=20,
    show_default=True,
    metavar="N",
    help="So many refusals, the largest first.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="table",
    show_default=True,
    help="terraform and cli are the rules to add and to remove, for review.",
)
def diagnose(
    *,
    target: str,
    last: float | None,
    since: float | None,
    until: float | None,
    interfaces: tuple[tuple[str, ...], ...],
    groups: tuple[str, ...],
    acls: str | None,
    inventories: tuple[str, ...],
    unused_after: float,
    limit: int,
    form: str,
    namespace: str | None,
    ca: str | None,
) -> None:
    """Explain refused flows: what most likely refused each, why, and the smallest rule that lets it pass.

    With security groups at hand, also: rules that no flow used, rules far wider than what they carry with
    narrower ones, and refused flows that the rules should have let through. Nothing is changed: the formats
    terraform and cli are lines to review.

    \b
    Examples:
      vpcflow diagnose
      vpcflow diagnose --from https://elastic.example:9200 --last 1d --interface eni-0a1b2c3d
      vpcflow diagnose --security-groups aws --network-acls aws
      vpcflow diagnose --security-groups groups.json --inventory inventory.json --format terraform

    Exit code: 0 whether or not something is found, 1 when Elasticsearch or AWS did not answer, 2 when it
    can't work as given.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.cli.diagnose_report import show
    from vpcflow.cli.output import open_output
    from vpcflow.diagnose import diagnose as judge
    from vpcflow.diagnose.lines import as_cli, as_terraform
    from vpcflow.diagnose.output import as_json
    from vpcflow.query.flows import open_flows

    chosen = None if last is None and since is None else period_of(last, since, until, usual=_WEEK)
    rules, inventory = _at_hand(groups, acls, inventories)
    with open_flows(target, namespace=namespace, ca=ca) as engine:
        period = chosen or _usual(engine, until)
        found = judge(
            engine,
            period,
            rules,
            inventory,
            interfaces=[it for several in interfaces for it in several],
            most=max(50, limit * 2),
            unused_after=timedelta(seconds=unused_after),
        )
    texts = {"json": as_json, "terraform": as_terraform, "cli": as_cli}
    with open_output(None) as file:
        if form == "table":
            show(found, limit, file)
        else:
            file.write(texts[form](found, limit).encode(errors="surrogatepass"))


def _at_hand(
    groups: tuple[str, ...], acls: str | None, inventories: tuple[str, ...]
) -> tuple[Rules, Inventory | None]:
    """The rules, and who they are for, from files and from EC2."""
    from vpcflow.diagnose.groups import Rules, load, parse
    from vpcflow.inventory import Inventory
    from vpcflow.inventory import load as load_inventory
    from vpcflow.sources.base import SourceOptions

    rules = Rules()
    for path in groups:
        if path != _AWS:
            rules.add(load(path, "SecurityGroups"))
    if acls is not None and acls != _AWS:
        rules.add(load(acls, "NetworkAcls"))
    parts = [load_inventory(path) for path in inventories]
    if _AWS in groups or acls == _AWS:
        from vpcflow.aws.inventory import pull
        from vpcflow.aws.security_groups import describe

        options = SourceOptions()
        rules.add(parse("EC2", describe(options, groups=_AWS in groups, acls=acls == _AWS)))
        parts = parts or [pull(options)]
    return rules, Inventory(parts) if parts else None


def _usual(engine: Engine, until: float | None) -> Period:
    """The week before the newest flow: a store of old logs has something to say too."""
    from vpcflow.diagnose.flows import extent

    if until is None and (there := extent(engine)):
        until = there.end.timestamp()
    return period_of(None, None, until, usual=_WEEK)
