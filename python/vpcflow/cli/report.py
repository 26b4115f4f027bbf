"""`vpcflow report`: the dashboards as one page, as JSON, CSV or pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcflow.cli.options import ca_option
from vpcflow.cli.types import DURATION, MOMENT
from vpcflow.sinks import DEFAULT_TARGET

if TYPE_CHECKING:
    from vpcflow.query.model import Period
    from vpcflow.report.build import Report

__all__ = ["report"]

_FORMATS = ["html", "json", "csv", "png"]


@click.command(short_help="Make the dashboards one page that needs no Kibana.")
@click.option(
    "--from",
    "target",
    metavar="TARGET",
    default=DEFAULT_TARGET,
    show_default=True,
    help="Folder of a Parquet store, or Elasticsearch: https://host:9200, cloud:ID.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to. [default: report.html; report-png for pictures; else standard output]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="html is the page, png a folder of pictures. [default: by the suffix of -o, else html]",
)
@click.option("--last", type=DURATION, metavar="DURATION", help="Flows of the time until now: 24h, 7d.")
@click.option("--since", type=MOMENT, metavar="TIME", help="Flows from this time on: a date, a time, 3d.")
@click.option("--until", type=MOMENT, metavar="TIME", help="Flows before this time. [default: now]")
@click.option(
    "--dashboard", "names", metavar="NAME", multiple=True, help="Only this one; can be given several times."
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--namespace", metavar="NAME", help="Elasticsearch: of the data stream. [default: all]")
@ca_option
def report(  # noqa: PLR0917 - click passes them by name
    target: str,
    output: str | None,
    form: str | None,
    last: float | None,
    since: float | None,
    until: float | None,
    names: tuple[str, ...],
    show: bool,
    namespace: str | None,
    ca: str | None,
) -> None:
    """Make the dashboards one page that needs no Kibana.

    The page is one HTML file with all numbers and scripts in it. It opens without a network, can be filtered
    by account, VPC, interface, action, direction and time, printed, and sent by mail. It has the dashboards
    overview, traffic, security-groups, threats and health. Without a time it is over all flows there are.

    \b
    Examples:
      vpcflow report
      vpcflow report --last 7d -o week.html --open
      vpcflow report --from https://elastic.example:9200 --last 24h
      vpcflow report --dashboard security-groups --since 2026-11-23 --until 2026-11-24
      vpcflow report --format csv --dashboard traffic > traffic.csv
      vpcflow report -o pictures --format png

    Exit code: 0 it was made, 1 a server did not answer, 2 wrong usage, or there are no flows.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.cli.output import open_output, printable, size
    from vpcflow.report.build import build, dashboards

    form = form or _by_suffix(output)
    if show and (form != "html" or output == "-"):
        raise click.UsageError("--open is for a page in a file")
    period = _period(last, since, until)
    ask = partial(build, target, dashboards(names), period=period, namespace=namespace, ca=ca)
    if form == "png":
        _pictures(ask, Path(output or "report-png"))
        return
    output = output or ("report.html" if form == "html" else "-")
    with open_output(output) as file:
        nbytes = file.write(_content(ask, form))
    if output != "-":
        click.echo(f"{printable(output)}: {size(nbytes)}", err=True)
    if show:
        import webbrowser

        webbrowser.open(Path(output).resolve().as_uri())


def _by_suffix(output: str | None) -> str:
    suffix = Path(output or "").suffix.lower().removeprefix(".")
    return suffix if suffix in _FORMATS else "html"


def _period(last: float | None, since: float | None, until: float | None) -> Period | None:
    from vpcflow.query.model import Period

    if last is not None and (since is not None or until is not None):
        raise click.UsageError("--last is the time until now: give either it or --since and --until")
    if last is None and since is None:
        if until is not None:
            raise click.UsageError("--until needs --since")
        return None
    end = until or time.time()
    start = end - last if last is not None else since or 0.0
    if start >= end:
        raise click.UsageError("the time ends before it begins")
    return Period(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))


def _content(ask: Callable[..., Report], form: str) -> bytes:
    from vpcflow.report.page import page, require
    from vpcflow.report.rows import as_csv, as_json

    if form == "html":
        require()
        return page(ask())
    made = ask(with_cubes=False)
    return as_json(made) if form == "json" else as_csv(made)


def _pictures(ask: Callable[..., Report], folder: Path) -> None:
    from vpcflow.cli.output import count, printable
    from vpcflow.report.rows import write_pictures

    paths = write_pictures(lambda: ask(with_cubes=False), folder)
    click.echo(f"{printable(str(folder))}: {count(len(paths), 'picture')}", err=True)
