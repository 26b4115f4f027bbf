"""`vpcflow report`: the dashboards as one page, as JSON, CSV or pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcflow.cli.options import flows_options, period_of, time_options
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.report.build import Report

__all__ = ["report"]

_FORMATS = ["html", "json", "csv", "png"]
_ENDINGS = {form: form for form in _FORMATS} | {"htm": "html"}


@click.command(short_help="Make the dashboards one page that needs no Kibana.")
@flows_options()
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
    help="html is the page, png a folder of pictures. [default: by the ending of -o, else html]",
)
@time_options("all flows")
@click.option("--dashboard", "names", metavar="NAME", multiple=True, help="Only this one. Can be repeated.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
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
    from vpcflow.cli.output import form_of, open_output, printable, size
    from vpcflow.cli.progress import show_steps
    from vpcflow.report.build import build, dashboards

    form = form or form_of(output, _ENDINGS, "html")
    if show and (form != "html" or output == "-"):
        raise click.UsageError("--open is for a page in a file")
    period = None
    if last is not None or since is not None:
        period = period_of(last, since, until, usual=0)
    elif until is not None:
        raise ConfigError("--until needs --since or --last, which say where the time begins")

    def ask(*, with_cubes: bool = True) -> Report:
        boards = dashboards(names)
        with show_steps("reading flows", "panel") as told:
            return build(
                target, boards, period=period, with_cubes=with_cubes, namespace=namespace, ca=ca, told=told
            )

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
