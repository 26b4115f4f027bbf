"""`vpcflow setup`: everything that a server needs before flows come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

import click

from vpcflow.cli.options import ca_option
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.elastic.setup import Change, Plan

__all__ = ["setup"]

_KINDS = ("templates",)
_SHOWN = 40


def _kinds(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    kinds = tuple(part.strip() for part in value.split(",")) if value is not None else _KINDS
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(_KINDS)}", ctx, param)
    return kinds


@click.command(short_help="Set Elasticsearch up: templates, retention, storage.")
@click.option(
    "--elasticsearch",
    "url",
    metavar="URL",
    envvar="ELASTICSEARCH_URL",
    show_envvar=True,
    help="The server, such as https://host:9200.",
)
@ca_option
@click.option(
    "--only",
    metavar="KINDS",
    callback=_kinds,
    help="What to set up, separated by commas. There is: templates. [default: all]",
)
@click.option(
    "--namespace",
    metavar="NAME",
    help="Templates for the data stream logs-aws.vpcflow-NAME alone, above those for all.",
)
@click.option("--shards", type=click.IntRange(1, 1024), metavar="N", help="Primary shards of an index.")
@click.option(
    "--retention",
    metavar="TIME",
    help="Delete flows that are older, such as 30d or 12h; forever keeps them.",
)
@click.option(
    "--index-mode",
    type=click.Choice(["auto", "logsdb", "standard"]),
    help="How indices are stored: logsdb takes little more than half the space of standard; auto takes "
    "logsdb where the server has it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--print-roles",
    type=click.Choice(["console", "curl"]),
    is_flag=False,
    flag_value="console",
    help="Print, and send to nobody, the requests that make a role and an API key with the least privileges: "
    "for indexing, for set-up and for reading. For Kibana's Dev Tools console, or as curl commands.",
)
def setup(
    *,
    url: str | None,
    ca: str | None,
    only: tuple[str, ...],
    namespace: str | None,
    shards: int | None,
    retention: str | None,
    index_mode: Literal["auto", "logsdb", "standard"] | None,
    dry_run: bool,
    print_roles: Literal["console", "curl"] | None,
) -> None:
    """Set Elasticsearch up for flow logs.

    Stores component templates (vpcflow-ecs@mappings, vpcflow-aws@mappings, vpcflow@settings) and the index
    template vpcflow-logs, which holds for the data streams logs-aws.vpcflow-*. What you put into the
    component template vpcflow@custom comes last and is never touched.

    A second run changes nothing. What --shards, --retention and --index-mode chose is remembered with the
    template: runs without them keep it, and so does vpcflow index. Credentials come from the environment:
    ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD.

    \b
    Examples:
      vpcflow setup --elasticsearch https://host:9200 --retention 90d
      vpcflow setup --dry-run
      vpcflow setup --namespace prod --retention 365d --shards 3
      vpcflow setup --print-roles

    Exit code: 0 when all is as asked, 1 when the server refused something, 2 when it can't work as given.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from elasticsearch import ApiError, TransportError
    from vpcflow.elastic.client import connect, explain, public_url
    from vpcflow.elastic.setup import apply, prepare
    from vpcflow.elastic.template import Options

    if print_roles:
        from vpcflow.elastic import roles

        click.echo(roles.FORMS[print_roles](roles.requests(namespace)))
        return
    if not url:
        raise ConfigError("no server given; give --elasticsearch URL, or set ELASTICSEARCH_URL")
    options = Options(namespace, shards, retention, index_mode)
    client = connect(url, ca=ca)
    try:
        plan = prepare(client, options)
        if not dry_run:
            apply(client, plan)
    except (ApiError, TransportError) as error:
        raise explain(error, public_url(url)) from error
    finally:
        client.close()
    _show(plan, dry_run=dry_run)
    failed = bool(plan.refused) or any(change.error for change in plan.changes)
    sys.exit(1 if failed else 0)


def _show(plan: Plan, *, dry_run: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from vpcflow.cli.output import count, print_table, printable

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("object", "name", "result"):
        table.add_column(heading)
    stopped = False
    for change in plan.changes:
        table.add_row(
            change.part.kind, Text(change.part.name), _result(change, dry_run=dry_run, stopped=stopped)
        )
        stopped = stopped or change.error is not None
    print_table(table, file=sys.stdout.buffer)
    for change in plan.changes:
        if change.differences and change.error is None:
            click.echo(f"{change.part.name}:")
            for line in change.differences[:_SHOWN]:
                click.echo(f"  {printable(line)}")
            if (more := len(change.differences) - _SHOWN) > 0:
                click.echo(f"  … and {count(more, 'more difference')}")
    for note in plan.notes:
        click.echo(f"Note: {printable(note)}")
    if dry_run and any(change.due for change in plan.changes):
        click.echo("Nothing was changed: run it without --dry-run for that")
    sys.stdout.flush()
    for change in plan.changes:
        if change.error is not None:
            click.echo(f"Error: {change.part.kind} {change.part.name}: {printable(change.error)}", err=True)
    for line in plan.refused:
        click.echo(f"Error: {printable(line)}", err=True)


def _result(change: Change, *, dry_run: bool, stopped: bool) -> str:
    if change.error is not None:
        return "refused"
    if not change.due:
        return "left: a newer vpcflow wrote it" if change.what == "newer" else "left as it is"
    if stopped:
        return "not tried"
    return f"would be {change.what}" if dry_run else change.what
