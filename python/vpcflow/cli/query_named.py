"""Questions by name, as `vpcflow query` answers them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from vpcflow.cli.options import period_of

if TYPE_CHECKING:
    from vpcflow.query.answer import Answer, Engine
    from vpcflow.query.model import Period, Query
    from vpcflow.query.rows import Rows

__all__ = ["answer_named", "list_names"]

_DAY = 86_400.0


def list_names(form: str, output: str | None) -> None:
    """Writes what there is to ask by name."""
    from vpcflow.query.named import names
    from vpcflow.query.rows import Rows

    _write(Rows(["name", "question"], [False, False], iter(names().items())), ["VARCHAR"] * 2, form, output)


def answer_named(
    name: str,
    source: str,
    form: str,
    output: str | None,
    *,
    last: float | None,
    since: float | None,
    until: float | None,
    limit: int | None,
    namespace: str | None,
    ca: str | None,
) -> None:
    """Writes the answer to a question, and to standard error what it is an answer to."""
    from vpcflow.query.flows import open_flows
    from vpcflow.query.named import ask, dollars, question

    asked = question(name.lower())
    if limit is not None:
        asked = asked.limited(limit)
    period = period_of(last, since, until, usual=_DAY)
    with open_flows(source, namespace=namespace, ca=ca) as engine:
        answer, way = ask(asked, engine, period)
        about = f", {way.about}" if way.about else ""
        click.echo(f"{asked.title}{about}: {_moment(period.start)} to {_moment(period.end)}", err=True)
        if not answer.rows:
            _say_why_nothing(engine, period)
        elif asked.dollars_a_gb is not None:
            whole = dollars(asked, way, engine, period)
            click.echo(
                f"{whole:,.2f} dollars in all: 10^9 bytes at {asked.dollars_a_gb}, AWS's list price a GB in"
                " us-east-1",
                err=True,
            )
    types = _types(answer.columns, way.query)
    _write(_rows(answer, types), types, form, output)


def _say_why_nothing(engine: Engine, period: Period) -> None:
    from vpcflow.query.answer import answer
    from vpcflow.query.filters import Filter
    from vpcflow.query.model import Metric, Query

    [[flows]] = answer(Query.parse({"metrics": [{"count": "flows"}]}), engine, period).rows
    if flows:
        click.echo("None of the flows of that time is of this kind.", err=True)
        return
    ends = Query(Filter(), metrics=(Metric("first", "first"), Metric("last", "last")))
    [[first, last]] = answer(ends, engine, None).rows
    there = f"; those there are go from {_moment(first)} to {_moment(last)}" if first else ""
    click.echo(
        f"There are no flows of that time{there}: give another one with --last, or --since and --until.",
        err=True,
    )


def _rows(answer: Answer, types: list[str]) -> Rows:
    from vpcflow.query.rows import Rows

    numeric = [of in {"BIGINT", "DOUBLE"} for of in types]
    return Rows(answer.columns, numeric, (tuple(map(_value, row)) for row in answer.rows))


def _types(columns: list[str], query: Query) -> list[str]:
    """DuckDB's type of each column."""
    from vpcflow.query.fields import kind

    of = {"long": "BIGINT", "double": "DOUBLE", "date": "TIMESTAMPTZ", "boolean": "BOOLEAN"}
    metrics = {one.name: "DOUBLE" if one.kind == "share" else "BIGINT" for one in query.metrics}
    types = {"dollars": "DOUBLE", **metrics}
    return [types.get(column) or of.get(kind(column), "VARCHAR") for column in columns]


def _value(value: Any) -> Any:
    """Times as `vpcflow.query.rows` gives them."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def _short(value: Any) -> Any:
    """A share as people read it: 0.182, not 0.18181818181818182."""
    return round(value, 3) if isinstance(value, float) else value


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _write(rows: Rows, types: list[str], form: str, output: str | None) -> None:
    from vpcflow.cli.output import open_output, parquet_output, write_rows

    if form == "table":
        rows = replace(rows, rows=(tuple(map(_short, row)) for row in rows.rows))
    if form != "parquet":
        with open_output(output) as file:
            write_rows(rows, form, file)
        return
    from vpcflow.query.rows import write_parquet

    with parquet_output(output) as path:
        write_parquet(rows, types, path)
