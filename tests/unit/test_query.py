"""SQL over the store."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

import vpcflow
from flowlogs import ACCEPT, BAD_PORT, HEADER, NODATA, REJECT, write
from vpcflow import _core
from vpcflow.errors import ConfigError
from vpcflow.query.rows import QueryError, run
from vpcflow.query.store import connect


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("it's a [store] * of ? mine")
    write(folder / "a.log", HEADER, ACCEPT, REJECT, NODATA)
    write(folder / "b.log", "flow-direction srcaddr dstaddr tcp-flags pkt-srcaddr end brand-new-field",
          "egress 10.0.0.5 192.0.2.7 19 10.0.0.5 1418530070 something")  # fmt: skip
    vpcflow.index(folder, to=folder / "store")
    (folder / "store" / "date=2014-12-14" / ".half.parquet").write_bytes(b"PAR1 half a file")
    return folder / "store"


def ask(store: Path, sql: str) -> list[tuple[Any, ...]]:
    with connect(store) as connection:
        return list(run(connection, sql).rows)


def test_a_question(store: Path) -> None:
    sql = 'SELECT "source.ip", sum("source.bytes") FROM flows WHERE "event.action" = \'REJECT\' GROUP BY ALL'
    assert ask(store, sql) == [("172.31.9.69", 4249)]


def test_every_column_of_the_parquet_form_is_there(store: Path) -> None:
    with connect(store) as connection:
        found = connection.execute("DESCRIBE flows").fetchall()
        for name, *_ in found:
            connection.execute(f'SELECT "{name}" FROM flows WHERE "{name}" IS NOT NULL')
    names = [row[0] for row in found]
    assert names[: len(_core.columns())] == [name for name, _, _ in _core.columns()]
    assert set(names[len(_core.columns()) :]) == {"aws.vpcflow.brand_new_field", "date"}
    assert len(set(names)) == len(names)


def test_columns_that_the_files_leave_out_equal_those_of_the_documents(store: Path) -> None:
    derived = [name for name, _, sql in _core.columns() if sql is not None]
    assert {"event.outcome", "network.bytes", "related.ip", "aws.vpcflow.tcp_flags_array"} <= set(derived)
    lines = {"a.log": (HEADER, ACCEPT, REJECT, NODATA)}
    batch = vpcflow.parse("\n".join(lines["a.log"]).encode())
    columns = ", ".join(f'"{name}"' for name in derived)
    sql = f'SELECT {columns} FROM flows WHERE ends_with("log.file.path", \'a.log\') ORDER BY "log.offset"'
    for row, document in zip(ask(store, sql), batch.to_ecs(), strict=True):
        for name, value in zip(derived, row, strict=True):
            assert value == at(document, name), name


def test_derived_lists(store: Path) -> None:
    sql = 'SELECT "related.ip", "aws.vpcflow.tcp_flags_array" FROM flows WHERE "source.ip" = \'10.0.0.5\''
    assert ask(store, sql) == [(["10.0.0.5", "192.0.2.7"], ["fin", "syn", "ack"])]


def test_columns_that_no_file_has_are_null_of_their_type(store: Path) -> None:
    with connect(store) as connection:
        types = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE flows)").fetchall())
        assert connection.execute(
            'SELECT max("aws.vpcflow.packets_lost_no_route") FROM flows'
        ).fetchall() == [(None,)]
    assert types["aws.vpcflow.packets_lost_no_route"] == "BIGINT"
    assert types["service.name"] == "VARCHAR"


def test_days(store: Path) -> None:
    assert ask(store, "SELECT DISTINCT date FROM flows ORDER BY ALL") == [
        (date(2014, 12, 14),),
        (date(2015, 5, 10),),
    ]
    assert ask(store, "SELECT count(*) FROM flows WHERE date = '2015-05-10'") == [(1,)]


def test_times_are_utc_and_come_as_text(store: Path) -> None:
    sql = 'SELECT "@timestamp", "@timestamp", ["event.start"] FROM flows WHERE "event.action" = \'ACCEPT\''
    with connect(store) as connection:
        result = run(connection, sql)
        assert result.columns[:2] == ["@timestamp", "@timestamp_1"]
        [(first, second, listed)] = result.rows
    assert first == second == "2014-12-14T04:07:50.000Z"
    assert "2014-12-14 04:06:50+00" in listed
    assert ask(store, 'SELECT hour("@timestamp") FROM flows WHERE "event.action" = \'ACCEPT\'') == [(4,)]


def test_unreadable_lines_are_in_the_store_too(tmp_path: Path) -> None:
    vpcflow.index(write(tmp_path / "a.log", HEADER, ACCEPT, BAD_PORT), to=tmp_path / "store")
    sql = 'SELECT "event.original" FROM flows WHERE "event.kind" = \'pipeline_error\''
    assert ask(tmp_path / "store", sql) == [(BAD_PORT,)]


def test_several_statements(store: Path) -> None:
    sql = "SET threads = 1; CREATE TEMP TABLE t AS SELECT 1 AS a; SELECT a, a FROM t; -- end"
    with connect(store) as connection:
        result = run(connection, sql)
        assert (result.columns, result.numeric, list(result.rows)) == (["a", "a_1"], [True, True], [(1, 1)])


def test_rows_come_as_they_are_asked_for(store: Path) -> None:
    with connect(store) as connection:
        rows = run(connection, "SELECT range FROM range(1_000_000_000)").rows
        assert [next(rows), next(rows)] == [(0,), (1,)]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        ('SELECT "source.ipp" FROM flows', 'Binder Error: Referenced column "source.ipp" not found'),
        ("SELECT * FROM flow", "Catalog Error: Table with name flow does not exist!"),
        ("SELECT error('here')", "here"),
        ("", "the statement is empty"),
        ("-- nothing", "the statement is empty"),
    ],
)
def test_errors_are_one_line(store: Path, sql: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(store, sql)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "LINE 1" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/vpcflow-test.csv'",
        "INSTALL inet",
        "SET enable_external_access = true",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    ],
)
def test_nothing_but_the_store_can_be_reached(store: Path, sql: str) -> None:
    with pytest.raises(QueryError):
        ask(store, sql)


def test_no_extension_is_fetched(store: Path) -> None:
    with connect(store) as connection:
        for name in ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access"):
            assert connection.execute(f"SELECT current_setting('{name}')").fetchall() == [(False,)]


def test_an_api_user_gets_a_duckdb_connection(store: Path) -> None:
    with connect(store) as connection:
        assert isinstance(connection, duckdb.DuckDBPyConnection)
        frame = connection.sql('SELECT "@timestamp", "source.ip" FROM flows ORDER BY ALL').pl()
    assert frame.height == 4


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store is there; make one with: vpcflow index"):
        connect(tmp_path / "nothere")
    (tmp_path / "date=2014-12-14").mkdir()
    (tmp_path / "date=2014-12-14" / ".x.parquet").touch()
    with pytest.raises(ConfigError, match="nothing is in this store yet"):
        connect(tmp_path)


def test_a_store_with_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "date=2014-12-14").mkdir()
    (tmp_path / "date=2014-12-14" / "x-0.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ConfigError, match=r"can't be read.*x-0\.parquet"):
        connect(tmp_path)


def at(document: dict[str, Any], dotted: str) -> Any:
    """The value at a dotted path, None where there is none."""
    value: Any = document
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
