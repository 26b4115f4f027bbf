"""`vpcflow demo`: a made-up day of traffic, indexed and queried."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcflow.sinks import DEFAULT_TARGET
from vpcflow.sources.base import Item, Source

if TYPE_CHECKING:
    import duckdb
    from rich.console import Console

__all__ = ["demo"]

_TALKERS = """\
SELECT "source.ip" AS source, "destination.ip" AS destination,
       count(*) AS records,
       formatReadableDecimalSize(sum("network.bytes")::BIGINT) AS sent
FROM flows
WHERE date = '{day}' AND "network.direction" = 'egress'
GROUP BY ALL
ORDER BY sum("network.bytes") DESC, source LIMIT 8"""

_REFUSED = """\
SELECT "destination.port" AS port, count(*) AS refused,
       count(DISTINCT "source.ip") AS sources,
       count(DISTINCT "aws.vpcflow.interface_id") AS interfaces,
       mode("aws.vpcflow.interface_id") AS "most at",
       mode("destination.ip") AS address
FROM flows
WHERE date = '{day}' AND "event.action" = 'REJECT'
GROUP BY ALL
ORDER BY refused DESC, port LIMIT 8"""

_FOUND = (
    "In the night 10.30.0.43, a worker of the data warehouse, sent 45 GB to 203.0.113.200,"
    " through the NAT gateway 10.30.0.5.",
    "Port 22 is three addresses that tried the bastion all evening.",
    "Port 5432 is the shop's own database: in the afternoon its security group refused two of the"
    " application servers.",
    "The rest is what every public address hears all day.",
)

_SCAN = (
    'SELECT "source.ip", count(DISTINCT "destination.port") AS ports'
    " FROM flows GROUP BY ALL ORDER BY ports DESC LIMIT 3"
)


@click.command(short_help="Index and query a day of made-up traffic.")
@click.option(
    "--to",
    "target",
    metavar="TARGET",
    default=DEFAULT_TARGET,
    show_default=True,
    help="Where the documents go, as for vpcflow index.",
)
@click.option(
    "--lines",
    type=click.IntRange(min=1000),
    default=200_000,
    show_default=True,
    help="About how many records.",
)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the log files there.",
)
def demo(target: str, lines: int, keep: Path | None) -> None:
    """Index and query a day of made-up traffic.

    Writes the flow logs that a small company's network could have had yesterday, as AWS would deliver them to
    S3, indexes them like any other, asks the store two questions, and makes the dashboards one page,
    report.html in the store. Running it again replaces the same day.

    \b
    Examples:
      vpcflow demo
      vpcflow demo --to /tmp/store --keep /tmp/logs
      vpcflow demo --to http://127.0.0.1:9200
    """  # noqa: D301 - click's mark for lines that stay as they are
    from rich.console import Console

    console = Console(highlight=False, stderr=target == "-")  # then standard output carries the documents
    day = datetime.now(UTC).date() - timedelta(days=1)
    with tempfile.TemporaryDirectory(prefix="vpcflow-demo-") as temporary:
        ok = _index(console, keep or Path(temporary), day, lines, target)
    store = Path(target).is_dir()
    if store:
        _ask(console, target, day)
        _report(console, target)
    _suggest(console, target if store else None, keep)
    sys.exit(0 if ok else 1)


def _index(console: Console, folder: Path, day: date, lines: int, target: str) -> bool:
    from vpcflow.cli.index import _problems, _summary
    from vpcflow.cli.output import count
    from vpcflow.cli.progress import show_progress
    from vpcflow.demo import write
    from vpcflow.pipeline import index

    with console.status("Making up a day of traffic …"):
        paths = write(folder, day, lines=lines)
    console.print(
        f"[bold]A made-up day, {day}[/]: a small company's 3 VPCs with 40 interfaces, its flow logs"
        f" as AWS delivers them to S3, {count(len(paths), 'file')}. Indexing them:\n"
    )
    sys.stdout.flush()
    with show_progress(quiet=False) as progress:
        result = index(_Made(folder, paths), to=target, progress=progress)
    _summary(result)
    _problems(result)
    return result.ok


def _ask(console: Console, store: str, day: date) -> None:
    from rich.table import Table

    from vpcflow.query.store import connect

    with connect(store) as connection:
        _query(
            console, connection, "Who sends most? Bytes count where they leave an interface.", _TALKERS, day
        )
        _query(console, connection, "What is refused most, and where?", _REFUSED, day)
    console.print("[bold]What there is to see[/]\n")
    found = Table.grid(padding=(0, 1))
    for text in _FOUND:
        found.add_row("-", text)
    console.print(found)


def _report(console: Console, store: str) -> None:
    """The dashboards as a page, where what it takes is installed."""
    from importlib.util import find_spec

    from vpcflow.cli.output import printable

    path = Path(store) / "report.html"
    if find_spec("vl_convert") is None or find_spec("sigma") is None:
        console.print(
            "\nThe dashboards as one page, questions by name, diagnosis and alerts:"
            f" pip install 'vpcflow[report]', then vpcflow report --open{_source(store)}",
            markup=False,
            soft_wrap=True,
        )
        return
    from vpcflow.report.build import build, dashboards
    from vpcflow.report.page import page

    with console.status("Making the report …"):
        path.write_bytes(page(build(store, dashboards())))
    console.print("\n[bold]The dashboards as one page[/]\n")
    console.print(f"  {printable(str(path.resolve()))}", markup=False, soft_wrap=True)


def _query(
    console: Console, connection: duckdb.DuckDBPyConnection, question: str, sql: str, day: date
) -> None:
    from rich.syntax import Syntax

    from vpcflow.cli.output import write_rows
    from vpcflow.query.rows import run

    sql = sql.format(day=day)
    console.print(f"\n[bold]{question}[/]\n")
    indented = "".join(f"  {line}\n" for line in sql.splitlines())
    console.print(
        Syntax("", "sql", theme="ansi_dark", background_color="default").highlight(indented), soft_wrap=True
    )
    sys.stdout.flush()
    write_rows(run(connection, sql), "table", sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _source(store: str) -> str:
    return "" if store == DEFAULT_TARGET else f" --from {shlex.quote(store)}"


def _suggest(console: Console, store: str | None, keep: Path | None) -> None:
    from importlib.util import find_spec

    from vpcflow.cli.output import printable

    commands = ["vpcflow index YOUR-LOGS/", "vpcflow --help"]
    if keep is not None:
        commands.insert(0, f"find {shlex.quote(str(keep))} -name '*.gz'")
    if store is not None:
        source = _source(store)
        asked = [f"vpcflow query{source} '{_SCAN}'"]
        if find_spec("sigma") is not None:  # the package that these read rules and filters with
            asked.insert(0, f"vpcflow query egress --last 2d{source}")
            asked += [f"vpcflow diagnose --limit 3{source}", f"vpcflow alerts backtest --last 2d{source}"]
        commands = [*asked, *commands]
    console.print("\n[bold]Try next[/]\n")
    for command in commands:
        console.print(f"  {printable(command)}", markup=False, soft_wrap=True)


class _Made(Source):
    """The made-up files as a source.

    What they are known by leaves out the folder and the digest in their names: the same day replaces itself.
    """

    def __init__(self, folder: Path, paths: list[Path]) -> None:
        self._folder = folder
        self._paths = paths

    def items(self) -> Iterator[Item]:
        from vpcflow._core import Origin

        for path in self._paths:
            key = path.relative_to(self._folder).as_posix()
            yield Item(
                name=key,
                identity=f"demo:{key.rpartition('_')[0]}",
                data=path,
                size=path.stat().st_size,
                origin=Origin(path=key),
            )

    def acknowledge(self, item: Item) -> None:
        """Nothing is delivered again."""

    def size(self) -> int:
        return sum(path.stat().st_size for path in self._paths)
