"""`vpcflow inventory`: what an account has, in a file that `vpcflow index --inventory` reads."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from vpcflow.cli.types import NAMES

if TYPE_CHECKING:
    from vpcflow.inventory import Instance, Inventory, NetworkInterface, Subnet, Vpc

__all__ = ["inventory"]

_KEYS = 30


@click.group(short_help="Ask AWS what an account has, for --inventory.")
def inventory() -> None:
    """Ask AWS what an account has, for `vpcflow index --inventory`.

    With an inventory, documents name instances, subnets, VPCs and the things that AWS made an interface for
    (load balancers, NAT gateways, databases …), on both ends of a flow, and carry their tags as labels.
    """


@inventory.command(short_help="Write an inventory file.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="inventory.json",
    show_default=True,
    help="- is standard output.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    type=NAMES,
    metavar="REGION",
    help="Can be repeated. [default: the one that AWS's configuration names]",
)
@click.option("--profile", metavar="NAME", help="Profile of AWS's configuration files.")
@click.option(
    "--role-arn",
    "roles",
    multiple=True,
    metavar="ARN",
    help="Role to assume; one for each account, and the file holds them all. Can be repeated.",
)
@click.option("--external-id", metavar="ID", help="External id that the roles ask for.")
@click.option("--endpoint-url", metavar="URL", help="Another endpoint than AWS's own.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing but what went wrong.")
def pull(
    *,
    output: str,
    regions: tuple[tuple[str, ...], ...],
    profile: str | None,
    roles: tuple[str, ...],
    external_id: str | None,
    endpoint_url: str | None,
    quiet: bool,
) -> None:
    """Write an inventory file: EC2's network interfaces, instances, subnets and VPCs.

    The permissions ec2:DescribeNetworkInterfaces, ec2:DescribeInstances, ec2:DescribeSubnets and
    ec2:DescribeVpcs are needed; docs/iam/inventory.json is a policy with them. The file appears under its
    name when it is whole, so that a run that goes on can be reading it.

    \b
    Examples:
      vpcflow inventory pull --region eu-west-1 --region us-east-1
      vpcflow inventory pull --role-arn arn:aws:iam::111111111111:role/flow-logs-reader
                             --role-arn arn:aws:iam::222222222222:role/flow-logs-reader

    Exit code: 0 when the file is written, 1 when AWS did not answer, 2 when it can't work as given.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.aws.inventory import pull as ask
    from vpcflow.cli.output import count, open_output
    from vpcflow.inventory import write
    from vpcflow.sources.base import SourceOptions

    def tell(what: str) -> None:
        if not quiet:
            click.echo(f"Asking {what} …", err=True)

    # A role's external id is checked where the role is taken on.
    options = SourceOptions(
        profile=profile,
        role_arn=roles[0] if roles else None,
        external_id=external_id,
        endpoint_url=endpoint_url,
    )
    parts = ask(options, [it for several in regions for it in several], roles, told=tell)
    with open_output(output) as file:
        write(parts, file)
    if not quiet:
        found = ", ".join(
            count(len(things), noun)
            for things, noun in (
                (parts.interfaces, "interface"),
                (parts.instances, "instance"),
                (parts.subnets, "subnet"),
                (parts.vpcs, "VPC"),
            )
        )
        click.echo(f"{found}{'' if output == '-' else f' in {output}'}", err=True)


@inventory.command(short_help="Show what an inventory file holds.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def show(files: tuple[str, ...]) -> None:
    """Show what inventory files hold, and which labels their tags become.

    Checks them as `vpcflow index --inventory` does.
    """
    from vpcflow.enrich.inventory import LABELS, InventoryFiles, label, tag_keys

    found = InventoryFiles(files).inventory
    _table(("account", "region", "interfaces", "instances", "subnets", "VPCs"), _places(found))
    _table(("interfaces", "of type"), _types(found))
    keys = tag_keys(found)
    used = Counter(key for thing in found.things for key in thing.tags)
    rows = [
        (used[key], key, f"labels.{label(key)}", "yes" if number < LABELS else "no")
        for number, key in enumerate(keys[:_KEYS])
    ]
    if rows:
        _table(("things", "tag", "field", "by default"), rows)
    if (more := len(keys) - _KEYS) > 0:
        click.echo(f"… and {more} more tags")
    if found.shared:
        click.echo(
            f"Note: left out, since more than one interface has them: {found.shared:,} of the addresses"
        )


def _places(inventory: Inventory) -> list[tuple[Any, ...]]:
    kinds: tuple[Iterable[NetworkInterface | Instance | Subnet | Vpc], ...] = (
        inventory.interfaces,
        inventory.instances.values(),
        inventory.subnets.values(),
        inventory.vpcs.values(),
    )
    counted = [Counter((it.account_id or "", it.region or "") for it in things) for things in kinds]
    places = sorted(set().union(*counted))
    return [(*place, *(each[place] for each in counted)) for place in places]


def _types(inventory: Inventory) -> list[tuple[Any, ...]]:
    from vpcflow.inventory.kinds import kind

    types = Counter(kind(it) or "(not said)" for it in inventory.interfaces)
    return [(number, name) for name, number in sorted(types.items(), key=lambda it: (-it[1], it[0]))]


def _table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from vpcflow.cli.output import print_table, printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, heading in enumerate(headings):
        numeric = bool(rows) and isinstance(rows[0][number], int)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{it:,}" if isinstance(it, int) else printable(str(it))) for it in row))
    print_table(table, file=sys.stdout.buffer)
    sys.stdout.flush()
