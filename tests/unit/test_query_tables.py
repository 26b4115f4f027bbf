"""Tables of numbers in place of a store: the same answers, whatever the store has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

import vpcflow
from flowlogs import ACCEPT, HEADER, REJECT, write
from vpcflow import demo
from vpcflow.query import engine_sql
from vpcflow.query.answer import Engine, Step, answer
from vpcflow.query.condensed import Condensed, Need, condense, read_ahead
from vpcflow.query.fields import has_several
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period, Query
from vpcflow.query.named import names, question
from vpcflow.query.store import connect

DAY = datetime(2026, 11, 23, tzinfo=UTC)
WHOLE = Period(DAY, DAY + timedelta(days=1))
SUMS = frozenset({"network.bytes", "network.packets"})
WAYS = {f"{name} {at}": way.query for name in names() for at, way in enumerate(question(name).ways)}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("tables")
    files = list(demo.generate(DAY.date(), lines=10_000))
    for at, file in enumerate(files):
        write(folder / "logs" / f"{at}.log", *file.lines)
    vpcflow.index(folder / "logs", to=folder / "store")
    with connect(folder / "store") as connection:
        yield connection


def made(engine: Engine, fields: frozenset[str], bucket: int = 60, period: Period = WHOLE) -> Condensed:
    found = read_ahead(engine, Need(Filter(), fields, SUMS, period, bucket))
    assert isinstance(found, Condensed)
    assert found.tables
    return found


@pytest.fixture(scope="module")
def tables(store: duckdb.DuckDBPyConnection) -> Engine:
    fields = {field for query in WAYS.values() for field in query.fields() if not has_several(field)}
    return made(engine_sql.engine(store), frozenset(fields - SUMS))


@pytest.mark.parametrize("name", WAYS)
def test_questions_by_name(store: duckdb.DuckDBPyConnection, tables: Engine, name: str) -> None:
    by_tables = answer(WAYS[name], tables, WHOLE)
    assert by_tables == answer(WAYS[name], engine_sql.engine(store), WHOLE)


FIELDS = frozenset({"source.ip", "destination.port", "aws.vpcflow.action", "aws.vpcflow.interface_id"})
QUERY = Query.parse(
    {
        "bucket": "1h",
        "group_by": [{"field": "aws.vpcflow.action", "limit": 2}],
        "metrics": [{"count": "flows"}, {"sum": "network.bytes", "as": "bytes"}, {"distinct": "source.ip", "as": "peers"}],
    }
)  # fmt: skip


def test_a_table_of_a_table_counts_the_same(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpcflow.query.condensed._FEW", 0)
    engine = engine_sql.engine(store)
    flows = made(engine, FIELDS)
    smaller = condense(flows, Need(Filter(), FIELDS - {"destination.port"}, SUMS, WHOLE, 3600))
    assert isinstance(smaller, Condensed)
    assert [table.rows for table in smaller.tables] == sorted(table.rows for table in smaller.tables)
    assert len(smaller.tables) == 2
    assert answer(QUERY, smaller, WHOLE) == answer(QUERY, engine, WHOLE)


def test_flows_of_a_part_of_the_day(store: duckdb.DuckDBPyConnection) -> None:
    """Not from the begin of a piece of time, and not to the end of one."""
    period = Period(DAY + timedelta(hours=3, minutes=7), DAY + timedelta(hours=9, seconds=1))
    engine = engine_sql.engine(store)
    assert answer(QUERY, made(engine, FIELDS, period=period), period) == answer(QUERY, engine, period)


def test_what_no_table_has_the_store_is_asked(store: duckdb.DuckDBPyConnection) -> None:
    engine = engine_sql.engine(store)
    tables = made(engine, FIELDS)
    step = Step(Filter(), WHOLE, ("destination.ip",), None, (Metric("count", "n"), Metric("last", "last")))
    assert sorted(tables(step)) == sorted(engine(step))


def test_more_values_than_a_table_numbers(
    store: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay texts, and answers the same."""
    monkeypatch.setattr("vpcflow.query.coding._VALUES", 3)
    engine = engine_sql.engine(store)
    query = Query.parse(
        {
            "filter": {"source.ip|cidr": ["10.0.0.0/8", "2001:db8::/32"]},
            "group_by": ["source.ip", {"field": "aws.vpcflow.interface_id", "limit": 2}],
            "metrics": [{"count": "flows"}],
            "limit": 7,
        }
    )
    found = answer(query, made(engine, FIELDS), WHOLE)
    assert found.rows
    assert found == answer(query, engine, WHOLE)


def test_files_that_lack_a_field_and_numbers_of_every_size(tmp_path: Path) -> None:
    period = Period(datetime(2014, 12, 14, tzinfo=UTC), datetime(2014, 12, 15, tzinfo=UTC))
    huge = ACCEPT.replace(" 20 4249 ", " 5000000000 9000000000000 ")
    vpcflow.index(write(tmp_path / "a.log", HEADER, huge, REJECT), to=tmp_path / "store")
    version_5 = HEADER.rstrip() + " vpc-id"
    more = [f"{line} {vpc}" for line, vpc in ((ACCEPT, "vpc-1"), (REJECT, "vpc-2"), (ACCEPT, "-"))]
    vpcflow.index(write(tmp_path / "b.log", version_5, *more), to=tmp_path / "store")
    query = Query.parse(
        {
            "group_by": [],
            "metrics": [{"count": "flows"}, {"sum": "network.packets", "as": "packets"}, {"sum": "network.bytes", "as": "bytes"},
                        {"distinct": "aws.vpcflow.vpc_id", "as": "vpcs"},
                        {"share": {"aws.vpcflow.vpc_id|exists": False}, "as": "without"}],
        }
    )  # fmt: skip
    with connect(tmp_path / "store") as connection:
        engine = engine_sql.engine(connection)
        fields = frozenset({"aws.vpcflow.vpc_id", "source.ip"})
        found = answer(query, made(engine, fields, 3600, period), period)
        assert found == answer(query, engine, period)
        assert found.rows == [(5, 5_000_000_080, 9_000_000_016_996, 2, 3 / 5)]
