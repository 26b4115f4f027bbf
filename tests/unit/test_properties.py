"""What holds for any record, through the public API."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samples
import vpcflow
from vpcflow._core import columns, fields

KINDS = {name: kind for _, name, kind, _ in fields()}
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=20)
ADDRESS = st.one_of(st.ip_addresses().map(str), st.ip_addresses(v=4).map(str))
LIMITS = {"srcport": 65535, "dstport": 65535, "protocol": 255, "start": 4_102_444_800, "end": 4_102_444_800}


def value(name: str) -> st.SearchStrategy[str]:
    if name.endswith("addr"):
        known = ADDRESS
    elif KINDS[name] != "STRING":
        known = st.integers(0, LIMITS.get(name, 2**31 - 1)).map(str)
    else:
        known = TEXT.filter(lambda text: text != "-")
    return st.one_of(known, known, known, st.just("-"))


@st.composite
def logs(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A format and some records of it."""
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=12, unique=True))
    names = ["srcaddr", *[name for name in names if name != "srcaddr"]]
    records = draw(st.lists(st.tuples(*map(value, names)).map(" ".join), min_size=1, max_size=5))
    return " ".join(names), records


def flat(document: Any, path: str = "") -> dict[str, Any]:
    if isinstance(document, dict):
        assert document, f"{path} is an empty object"
        return {
            p: v
            for key, inner in document.items()
            for p, v in flat(inner, f"{path}.{key}".lstrip(".")).items()
        }
    return {path: document}


@given(logs())
@settings(max_examples=150, deadline=None)
def test_every_form_says_the_same(log: tuple[str, list[str]]) -> None:
    names, records = log
    batch = vpcflow.parse(samples.log(names, records))
    documents = batch.to_ecs()
    assert [json.loads(line) for line in batch.to_ndjson().splitlines()] == documents
    bulk = batch.to_bulk(ids="digest").splitlines()
    assert [json.loads(line) for line in bulk[1::2]] == documents
    rows = pa.table(batch).to_pylist()
    assert len(rows) == len(documents) == len(records)
    for row, document in zip(rows, documents, strict=True):
        expected = flat(document)
        for name, cell in row.items():
            if hasattr(cell, "isoformat"):
                cell = cell.isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: PLW2901
            assert cell == expected.get(name), name
        # What Arrow leaves out is the same in every document of a data stream.
        left_out = {name for name in expected if name not in row}
        assert {name.split(".")[0] for name in left_out} <= {
            "agent",
            "data_stream",
            "ecs",
            "input",
            "tags",
            "event",
            "cloud",
        }


@given(logs())
@settings(max_examples=150, deadline=None)
def test_documents_hold_what_the_records_say(log: tuple[str, list[str]]) -> None:
    names, records = log
    batch = vpcflow.parse(samples.log(names, records))
    assert batch.errors == []
    known = {name for name, _, _ in columns()}
    for record, document in zip(records, batch.to_ecs(), strict=True):
        found = flat(document)
        assert set(found) <= known
        typed = samples.typed(names, record)
        assert found.get("source.ip") == typed["srcaddr"]
        if typed["srcaddr"] is not None:
            version = ipaddress.ip_address(str(typed["srcaddr"])).version
            assert found["network.type"] == f"ipv{version}"
        for name in ("packets", "bytes"):
            if name in typed:
                assert found.get(f"network.{name}") == found.get(f"source.{name}") == typed[name]


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_documents_or_an_error_of_ours(data: bytes) -> None:
    try:
        batch = vpcflow.parse(data, format="srcaddr dstaddr action")
    except vpcflow.VpcflowError:
        return
    assert len(batch) == len(batch.to_ndjson().splitlines()) == len(batch.to_ecs())


def test_arrow_goes_into_every_library() -> None:
    import duckdb

    batch = vpcflow.parse(samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED]))
    frame = pl.DataFrame(batch)
    assert frame["source.port"].to_list() == [20641, 49761]
    assert frame["@timestamp"].dtype == pl.Datetime("ms", "UTC")
    assert frame["event.type"].to_list() == [["connection", "allowed"], ["connection", "denied"]]
    table = pa.table(batch)
    assert table["source.bytes"].type == pa.int64()
    assert table["destination.ip"].to_pylist() == ["172.31.16.21", "172.31.9.12"]
    relation = duckdb.from_arrow(table)
    assert relation.filter("\"event.action\" = 'REJECT'").aggregate('sum("network.bytes")').fetchall() == [
        (4249,)
    ]
    # Without pyarrow in between, and more than once.
    assert duckdb.sql('SELECT count(*), min("source.ip") FROM batch').fetchall() == [(2, "172.31.16.139")]


def test_a_schema_asks_for_some_columns_in_types_of_its_own() -> None:
    batch = vpcflow.parse(samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED]))
    wanted = pa.schema(
        [
            ("network.bytes", pa.int32()),
            ("event.action", pa.string()),
            ("source.ip", pa.string()),
            ("cloud.region", pa.string()),
            ("x.y", pa.int8()),
        ]
    )
    table = pa.table(batch, schema=wanted)
    assert table.schema == wanted
    assert table.to_pylist() == [
        {
            "network.bytes": 4249,
            "event.action": action,
            "source.ip": address,
            "cloud.region": None,
            "x.y": None,
        }
        for action, address in (("ACCEPT", "172.31.16.139"), ("REJECT", "172.31.9.69"))
    ]
    with pytest.raises(vpcflow.FormatError, match="can't be had"):
        pa.table(batch, schema=pa.schema([("network.bytes", pa.int8())]))
