"""`vpcflow query`: questions by name, and SQL over a Parquet store."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import click

from vpcflow.cli.options import flows_options, time_options
from vpcflow.errors import ConfigError
from vpcflow.sinks import without_userinfo

__all__ = ["query"]

_FORMATS = ["table", "csv", "json", "ndjson", "parquet"]
_ENDINGS = {form: form for form in _FORMATS[1:]} | {"jsonl": "ndjson", "txt": "table"}

# No statement of SQL that asks for something is a single word; the name of a question is.
_NAME = re.compile(r"[A-Za-z][\w-]*")

# Options that say what a question by name is asked about; a statement says that itself.
_OF_NAMES = {
    "last": '--last: write a condition on date and "@timestamp"',
    "since": '--since: write a condition on date and "@timestamp"',
    "until": '--until: write a condition on date and "@timestamp"',
    "limit": "--limit: write LIMIT",
}


@click.command(short_help="Ask flows by the names of questions, or a store in SQL.")
@click.argument("words", metavar="NAME|SQL", nargs=-1)
@click.option("--list", "listing", is_flag=True, help="List the questions that have names.")
@time_options("1d")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="As many rows at most.")
@flows_options()
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="How the rows are written. [default: by the ending of -o: .csv, .json, .ndjson or .jsonl, .parquet, "
    ".txt; else table]",
)
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of standard output.")
def query(words: tuple[str, ...], target: str, form: str | None, output: str | None, **more: Any) -> None:
    """Ask a Parquet store or an Elasticsearch by the NAME of a question, or a store in SQL (DuckDB's).

    --list has the names. A question is asked of the flows of the last day, or of --last, or of --since and
    --until, by @timestamp. These, --limit, --namespace and --ca are for questions; SQL is for stores.

    In SQL the store is the view flows. Its columns have the documents' ECS names, in double quotes:
    "source.ip", "destination.port", "event.action", "network.bytes", "aws.vpcflow.interface_id",
    "@timestamp"; DESCRIBE flows lists them. The column date, a day in UTC, picks the files to read. SQL may
    be - to read it from standard input.

    \b
    Examples:
      vpcflow query top-talkers
      vpcflow query rejected-ports --last 6h --limit 5 --format json
      vpcflow query egress-countries --since 2026-11-01 -o november.csv --from https://elastic.example:9200
      vpcflow query 'SELECT "event.action", count(*) FROM flows GROUP BY ALL'
      vpcflow query 'SELECT "source.ip", sum("source.bytes") AS bytes FROM flows
                     GROUP BY ALL ORDER BY bytes DESC LIMIT 10'
      vpcflow query 'FROM flows' --format ndjson
      vpcflow query - -o day.parquet < day.sql

    Exit codes: 0 done; 1 it can't be answered: wrong SQL, a server that doesn't answer; 2 wrong usage, no
    store, or the flows lack what the question is about.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.cli.output import form_of
    from vpcflow.cli.query_named import answer_named, list_names

    form = form or form_of(output, _ENDINGS, "table")
    asked = words[0] if words else ""
    if more.pop("listing"):
        list_names(form, output)
    elif not words:
        raise click.UsageError("Missing argument 'NAME|SQL'; vpcflow query --list has the names.")
    elif len(words) > 1:
        raise click.UsageError("a NAME is one word, such as top-talkers, and SQL stands in quotes")
    elif _NAME.fullmatch(asked):
        answer_named(asked, target, form, output, **more)
    else:
        _refuse(target, more)
        _answer_sql(sys.stdin.read() if asked == "-" else asked, target, form, output)


def _refuse(source: str, more: Mapping[str, Any]) -> None:
    """What a statement can't have."""
    from vpcflow.query.flows import is_elasticsearch

    if is_elasticsearch(source):
        raise ConfigError(
            f"{without_userinfo(source)}: SQL is for Parquet stores; ask an Elasticsearch by name"
            " (vpcflow query --list), or in Kibana"
        )
    if given := [name for name in _OF_NAMES if more[name] is not None]:
        option, _, instead = _OF_NAMES[given[0]].partition(": ")
        raise ConfigError(f"{option} is for questions by name, and this is SQL; {instead}")


def _answer_sql(sql: str, store: str, form: str, output: str | None) -> None:
    from vpcflow.cli.output import open_output, write_rows
    from vpcflow.query.rows import run
    from vpcflow.query.store import connect

    if form == "parquet":
        _parquet(sql, store, output)
        return
    with connect(store) as connection:
        rows = run(connection, sql)
        with open_output(output) as file:
            write_rows(rows, form, file)


def _parquet(sql: str, store: str, output: str | None) -> None:
    from vpcflow.cli.output import parquet_output
    from vpcflow.query.rows import copy_parquet
    from vpcflow.query.store import connect

    with parquet_output(output) as path, connect(store, writable=[path]) as connection:
        copy_parquet(connection, sql, path)
