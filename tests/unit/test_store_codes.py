"""The core's reader of a store for reports, against what DuckDB says of the same files."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet
import pytest

import flowlogs
import vpcflow
from vpcflow import _core
from vpcflow.errors import ConfigError, DecodeError

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status vpc-id tcp-flags"
)
#: 1 November 2023.
DAY = 1_698_796_800
HOUR = 3_600_000
SHARED = ("event.action", "network.transport", "aws.vpcflow.vpc_id")


def flows(count: int, start: int = DAY, step: int = 60) -> list[str]:
    """Lines of flows, one for each `step` seconds; each tenth has no data."""
    lines = []
    for n in range(count):
        at = start + n * step
        ends = f"{at} {at + 30}"
        if n % 10 == 9:
            lines.append(f"2 123456789010 eni-{n % 3}a - - - - - - - {ends} - NODATA vpc-{n % 4}f -")
            continue
        action = "REJECT" if n % 7 == 0 else "ACCEPT"
        lines.append(
            f"2 123456789010 eni-{n % 3}a 10.0.{n % 5}.{n % 250} 10.1.0.{n % 9} {40_000 + n % 20_000} 443 "
            f"{6 if n % 3 else 17} {n % 50 + 1} {n * 40 + 40} {ends} {action} OK vpc-{n % 4}f {n % 8}"
        )
    return lines


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of three days, of which the last has no VPCs, and of two row groups' worth of flows."""
    folder = tmp_path_factory.mktemp("codes")
    flowlogs.write(folder / "new.log", HEADER, *flows(3000))
    (folder / "old.log").write_bytes(flowlogs.many(140_000))
    for log in ("new.log", "old.log"):
        vpcflow.index(folder / log, to=folder / "store")
    return sorted(map(str, (folder / "store").rglob("*.parquet")))


def asked(paths: Sequence[str], sql: str) -> list[tuple[Any, ...]]:
    files = ", ".join(f"'{path}'" for path in paths)
    return duckdb.sql(f"SELECT {sql} FROM read_parquet([{files}], union_by_name=true)").fetchall()


def distinct(paths: Sequence[str], column: str) -> set[str]:
    return {value for (value,) in asked(paths, f'DISTINCT "{column}"') if value is not None}


def values(paths: Sequence[str], column: str) -> list[str]:
    (found,) = _core.store_values(paths, [column], 1000)
    assert found is not None
    return sorted(found)


def coded(
    paths: Sequence[str | Path],
    shared: Sequence[Sequence[tuple[str, Sequence[str], int]]] = (),
    own: Sequence[tuple[str, str, Sequence[str]]] = (),
    plain: Sequence[tuple[str, str, str]] = (),
    *,
    start: int = 0,
    end: int = 1 << 50,
    piece: tuple[int, int] = (0, 1 << 50),
) -> _core.StoreCodes:
    return _core.StoreCodes(paths, start=start, end=end, piece=piece, shared=shared, own=own, plain=plain)


def table(codes: _core.StoreCodes) -> duckdb.DuckDBPyRelation:
    return duckdb.sql("SELECT * FROM codes")


def shares(paths: Sequence[str], first_bit: int) -> list[tuple[str, list[str], int]]:
    """Columns with 4 bits each."""
    return [(column, values(paths, column), first_bit + 4 * at) for at, column in enumerate(SHARED)]


def sql_number(paths: Sequence[str], column: str) -> str:
    return f'coalesce(list_position({values(paths, column)}, "{column}"), 0)'


def sql_key(paths: Sequence[str], first_bit: int) -> str:
    parts = (f"({sql_number(paths, c)}::BIGINT << {first_bit + 4 * at})" for at, c in enumerate(SHARED))
    return " | ".join(parts)


def plain_copy(path: str, to: Path, options: str) -> str:
    duckdb.sql(f"COPY (FROM '{path}') TO '{to}' (FORMAT parquet, {options})")
    return str(to)


def test_values_are_those_of_the_rows(paths: list[str]) -> None:
    columns = [*SHARED, "source.ip", "destination.ip", "network.community_id", "error.message"]
    found = _core.store_values(paths, [*columns, "no.such"], 200_000)
    assert [set(one or ()) for one in found] == [*(distinct(paths, column) for column in columns), set()]
    assert all(one is not None and len(one) == len(set(one)) for one in found)


def test_a_column_with_more_values_than_wanted_has_none(paths: list[str]) -> None:
    most = len(distinct(paths, "source.ip"))
    assert _core.store_values(paths, ["source.ip", "event.action"], most - 1)[0] is None
    assert len(_core.store_values(paths, ["source.ip", "event.action"], most)[0] or ()) == most


def test_values_of_files_without_dictionaries(paths: list[str], tmp_path: Path) -> None:
    plain = [
        plain_copy(paths[1], tmp_path / "limited.parquet", "DICTIONARY_SIZE_LIMIT 1"),
        plain_copy(paths[1], tmp_path / "listed.parquet", "ROW_GROUP_SIZE 2048"),
    ]
    whole = pyarrow.parquet.ParquetFile(paths[1]).read()
    # The dictionary is given up in the middle of the column.
    mixed = tmp_path / "mixed.parquet"
    pyarrow.parquet.write_table(whole, mixed, dictionary_pagesize_limit=64, data_page_size=256)
    for path in (*plain, str(mixed)):
        assert set(values([path], "source.ip")) == distinct(paths[1:2], "source.ip")
        assert set(values([path], "aws.vpcflow.vpc_id")) == distinct(paths[1:2], "aws.vpcflow.vpc_id")


def test_ranges_are_those_of_the_rows(paths: list[str], tmp_path: Path) -> None:
    columns = ["source.bytes", "source.port", "log.offset", "no.such"]
    ends = ", ".join(f'min("{column}"), max("{column}")' for column in columns[:-1])
    ((*found,),) = asked(paths, ends)
    assert _core.store_ranges(paths, columns) == [*zip(found[::2], found[1::2], strict=True), None]
    whole = pyarrow.parquet.ParquetFile(paths[1]).read()
    pyarrow.parquet.write_table(whole, tmp_path / "bare.parquet", write_statistics=False)
    bare = _core.store_ranges([tmp_path / "bare.parquet"], columns)
    assert bare == _core.store_ranges(paths[1:2], columns)


def test_rows_have_the_numbers_of_their_values(paths: list[str]) -> None:
    codes = coded(
        paths,
        piece=(0, HOUR),
        shared=[shares(paths, 32), shares(paths, 0)],
        own=[("o", "source.ip", values(paths, "source.ip"))],
        plain=[
            ("port", "source.port", "USMALLINT"),
            ("bytes", "source.bytes", "UINTEGER"),
            ("packets", "source.packets", "BIGINT"),
            ("id", "network.community_id", "VARCHAR"),
        ],
    )
    relation = table(codes)
    types = ["BIGINT", "BIGINT", "USMALLINT", "USMALLINT", "UINTEGER", "BIGINT", "VARCHAR"]
    assert list(map(str, relation.types)) == types
    assert relation.columns == ["key0", "key1", "o", "port", "bytes", "packets", "id"]
    expected = asked(
        paths,
        f'epoch_ms("@timestamp") // {HOUR} | {sql_key(paths, 32)}, {sql_key(paths, 0)}, '
        f'nullif({sql_number(paths, "source.ip")}, 0), "source.port", "source.bytes", "source.packets", '
        '"network.community_id"',
    )
    assert relation.fetchall() == expected
    assert len(expected) == 143_000


@pytest.mark.parametrize(
    ("start", "end"), [(0, 86_400), (100, 10_000), (3600, 3601), (-9, 0), (90_000, 1 << 40)]
)
def test_only_rows_of_the_period_come(paths: list[str], start: int, end: int) -> None:
    start, end, piece = (DAY + start) * 1000, (DAY + end) * 1000, (DAY - 10) * 1000
    codes = coded(paths, start=start, end=end, piece=(piece, HOUR), shared=[shares(paths, 40)])
    expected = asked(
        paths, f'(epoch_ms("@timestamp") - {piece}) // {HOUR} | {sql_key(paths, 40)}, epoch_ms("@timestamp")'
    )
    assert table(codes).fetchall() == [(key,) for key, at in expected if start <= at < end]


def test_rows_of_files_as_others_write_them(paths: list[str], tmp_path: Path) -> None:
    some = 'CASE WHEN n % 5 > 0 THEN "@timestamp" END AS "@timestamp"'
    numbered = f"SELECT *, row_number() OVER () AS n FROM '{paths[1]}'"
    times = f"SELECT * REPLACE ({some}) FROM ({numbered})"
    path = str(tmp_path / "micros.parquet")
    duckdb.sql(f"COPY ({times}) TO '{path}' (FORMAT parquet, DICTIONARY_SIZE_LIMIT 1, ROW_GROUP_SIZE 2048)")
    whole = pyarrow.parquet.ParquetFile(paths[1]).read()
    mixed = str(tmp_path / "mixed.parquet")
    pyarrow.parquet.write_table(
        whole, mixed, dictionary_pagesize_limit=64, data_page_size=256, data_page_version="2.0"
    )
    for copy in (path, mixed):
        own = [("o", "source.ip", values([copy], "source.ip"))]
        codes = coded([copy], shared=[shares([copy], 1)], own=own)
        expected = (
            f'{sql_key([copy], 1)}, nullif({sql_number([copy], "source.ip")}, 0), epoch_ms("@timestamp")'
        )
        assert table(codes).fetchall() == [row[:2] for row in asked([copy], expected) if row[2]]


def test_a_column_that_is_asked_for_twice(paths: list[str], tmp_path: Path) -> None:
    """As for event.action and aws.vpcflow.action; and whatever kind of text it is for who wrote it."""
    whole = pyarrow.parquet.ParquetFile(paths[1]).read()
    for of in (pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()):
        copy = str(tmp_path / f"{of}.parquet")
        column = whole.schema.get_field_index("source.ip")
        again = whole.set_column(column, "source.ip", whole["source.ip"].cast(of))
        pyarrow.parquet.write_table(again, copy, use_dictionary=False)
        one, other = _core.store_values([copy], ["source.ip", "source.ip"], 1000)
        assert sorted(one or []) == sorted(other or []) == sorted(values([copy], "source.ip"))


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
def test_rows_of_pages_of_other_sizes(paths: list[str], tmp_path: Path, compression: str) -> None:
    whole = pyarrow.parquet.ParquetFile(paths[1]).read()
    copy = tmp_path / "copy.parquet"
    pyarrow.parquet.write_table(
        whole, copy, compression=compression, data_page_size=64, write_batch_size=37, row_group_size=500
    )
    own = [("o", "source.ip", values([str(copy)], "source.ip"))]
    codes = coded([copy], shared=[shares([str(copy)], 1)], own=own)
    expected = f"{sql_key([str(copy)], 1)}, nullif({sql_number([str(copy)], 'source.ip')}, 0)"
    assert table(codes).fetchall() == asked([str(copy)], expected)


def test_damage_anywhere_is_an_error_or_another_value_but_no_crash(paths: list[str], tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    whole = pyarrow.parquet.ParquetFile(paths[1]).read().select(["@timestamp", "source.ip"]).slice(0, 300)
    pyarrow.parquet.write_table(whole, path, compression="none")
    good = path.read_bytes()
    known = values([str(path)], "source.ip")
    failed = 0
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        try:
            table(coded([path], own=[("o", "source.ip", known)])).fetchall()
        except duckdb.Error as error:
            assert "damaged.parquet" in str(error)
            failed += 1
    assert failed > 50


def test_numbers_above_65535_take_a_larger_type(paths: list[str]) -> None:
    (ids,) = _core.store_values(paths, ["network.community_id"], 1 << 20)
    assert ids is not None and len(ids) > 65_535
    codes = coded(paths, own=[("o", "network.community_id", ids)])
    relation = table(codes)
    assert list(map(str, relation.types)) == ["UINTEGER"]
    numbers = {value: 1 + at for at, value in enumerate(ids)}
    expected = [(numbers.get(value),) for (value,) in asked(paths, '"network.community_id"')]
    assert relation.fetchall() == expected


def test_a_value_that_is_not_listed_is_an_error(paths: list[str]) -> None:
    for shared, own in (
        ([[("event.action", ["ACCEPT"], 0)]], []),
        ([], [("o", "event.action", ["ACCEPT"])]),
    ):
        codes = coded(paths, shared=shared, own=own)
        with pytest.raises(duckdb.Error, match=r"\.parquet: .*a value was written meanwhile: .REJECT"):
            table(codes).fetchall()


def test_a_value_that_no_row_of_the_period_has_need_not_be_listed(paths: list[str]) -> None:
    start = (DAY + 60) * 1000  # the second flow
    codes = coded(
        paths,
        start=start,
        end=start + HOUR // 20,
        piece=(start, HOUR),
        shared=[[("event.action", ["ACCEPT"], 1)]],
    )
    assert table(codes).fetchall() == [(2,)] * 3


def test_a_number_that_does_not_fit_is_an_error(paths: list[str]) -> None:
    plain = [("bytes", "source.bytes", "USMALLINT")]
    codes = coded(paths, plain=plain)
    with pytest.raises(duckdb.Error, match=r"\.parquet: .*source\.bytes"):
        table(codes).fetchall()


def test_files_that_are_none_are_named(paths: list[str], tmp_path: Path) -> None:
    text, short, gone = tmp_path / "text.parquet", tmp_path / "short.parquet", tmp_path / "gone.parquet"
    text.write_text("version account-id interface-id\n")
    shutil.copy(paths[1], short)
    whole = short.read_bytes()
    short.write_bytes(whole[:100] + whole[-4000:])
    for path in (text, short, gone):
        with pytest.raises(DecodeError, match=path.name):
            _core.store_values([*paths, path], ["source.ip"], 1000)
        with pytest.raises(duckdb.Error, match=path.name):
            table(coded([path], shared=[[("event.action", ["ACCEPT", "REJECT"], 0)]])).fetchall()
    for path in (text, gone):
        with pytest.raises(DecodeError, match=path.name):
            _core.store_ranges([*paths, path], ["source.port"])


def test_columns_of_another_type_are_an_error(paths: list[str]) -> None:
    with pytest.raises(DecodeError, match=r"\.parquet: .*source\.port is not text"):
        _core.store_values(paths, ["source.port"], 10)
    with pytest.raises(DecodeError, match=r"\.parquet: .*source\.ip has no whole numbers"):
        _core.store_ranges(paths, ["source.ip"])
    codes = coded(paths, own=[("o", "source.port", [])])
    with pytest.raises(duckdb.Error, match=r"\.parquet: .*source\.port is not text"):
        table(codes).fetchall()


def test_what_can_not_be_made_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"event\.action has no room from bit 62 on"):
        coded([], shared=[[("event.action", ["ACCEPT", "REJECT"], 62)]])
    with pytest.raises(ConfigError, match="piece of time"):
        coded([], start=0, end=1, piece=(1, 1))
    with pytest.raises(ValueError, match="FLOAT"):
        coded([], plain=[("x", "source.bytes", "FLOAT")])
