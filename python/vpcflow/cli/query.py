"""`vpcflow query`: SQL over a Parquet store."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from vpcflow.errors import ConfigError
from vpcflow.sinks import DEFAULT_TARGET

__all__ = ["query"]

_FORMATS = ["table", "csv", "json", "ndjson", "parquet"]


@click.command(short_help="Ask a Parquet store in SQL.")
@click.argument("sql", metavar="SQL")
@click.option(
    "--from", "store", metavar="STORE", default=DEFAULT_TARGET, show_default=True, help="Folder of the store."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="How the rows are written. [default: by the suffix of -o, else table]",
)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
def query(sql: str, store: str, form: str | None, output: str | None) -> None:
    """Ask a Parquet store in SQL (DuckDB's).

    The store is the view flows. Its columns have the documents' ECS names, in double quotes: "source.ip",
    "destination.port", "event.action", "network.bytes", "aws.vpcflow.interface_id", "@timestamp"; DESCRIBE
    flows lists them. The column date, a day in UTC, picks the files to read. SQL may be - to read it from
    standard input.

    \b
    Examples:
      vpcflow query 'SELECT "event.action", count(*) FROM flows GROUP BY ALL'
      vpcflow query 'SELECT "source.ip", sum("source.bytes") AS bytes FROM flows
                     GROUP BY ALL ORDER BY bytes DESC LIMIT 10'
      vpcflow query 'FROM flows' --format ndjson
      vpcflow query - -o day.parquet < day.sql
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.cli.output import open_output, write_rows
    from vpcflow.query.rows import run
    from vpcflow.query.store import connect

    if sql == "-":
        sql = sys.stdin.read()
    form = form or _by_suffix(output)
    if form == "parquet":
        _parquet(sql, store, output)
        return
    with connect(store) as connection:
        rows = run(connection, sql)
        with open_output(output) as file:
            write_rows(rows, form, file)


def _by_suffix(output: str | None) -> str:
    suffix = Path(output or "").suffix.lower().removeprefix(".")
    return {"jsonl": "ndjson"}.get(suffix, suffix if suffix in _FORMATS else "table")


def _parquet(sql: str, store: str, output: str | None) -> None:
    import tempfile

    from vpcflow.cli.output import open_output, replacing
    from vpcflow.query.rows import copy_parquet
    from vpcflow.query.store import connect

    if output is None or output == "-":
        if sys.stdout.isatty():
            raise ConfigError(
                "Parquet is not for a terminal: give -o FILE, or send standard output somewhere"
            )
        with tempfile.TemporaryDirectory(prefix="vpcflow-") as folder:
            path = Path(folder) / "rows.parquet"
            with connect(store, writable=[path]) as connection:
                copy_parquet(connection, sql, path)
            with path.open("rb") as rows, open_output(None) as file:
                while block := rows.read(1 << 20):
                    file.write(block)
        return
    if not Path(output).resolve().parent.is_dir():
        raise ConfigError(f"{output}: its folder doesn't exist")
    with replacing(output) as path, connect(store, writable=[path]) as connection:
        copy_parquet(connection, sql, path)
