"""Targets: which sink a name means, and what the files look like."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import polars as pl
import pytest

import vpcflow
from flowlogs import ACCEPT, HEADER, NODATA, REJECT, documents, temporary, write
from vpcflow.errors import ConfigError
from vpcflow.sinks import open_sink, without_userinfo
from vpcflow.sinks.ndjson import NdjsonFileSink
from vpcflow.sinks.parquet import ParquetFileSink
from vpcflow.sinks.store import StoreSink


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "in" / "flow.log.gz", HEADER, ACCEPT, REJECT, NODATA)


@pytest.mark.parametrize(
    ("target", "sink"),
    [
        ("out.ndjson", NdjsonFileSink),
        ("out.jsonl.gz", NdjsonFileSink),
        ("OUT.JSON.ZST", NdjsonFileSink),
        ("out.parquet", ParquetFileSink),
        ("store", StoreSink),
        ("deep/store", StoreSink),
        ("store.v1/", StoreSink),
        ("folder.d", StoreSink),
        (".", StoreSink),
    ],
)
def test_the_name_chooses(target: str, sink: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.d").mkdir()
    monkeypatch.chdir(tmp_path)
    assert type(open_sink(target)) is sink
    assert [path.name for path in tmp_path.iterdir()] == ["folder.d"], (
        "nothing is made before there is a document"
    )


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("out.csv", ".csv is no known suffix of a target; targets are a folder"),
        ("out.gz", ".gz is no known suffix"),
        ("nowhere/out.ndjson", "doesn't exist"),
        ("nowhere/out.parquet", "doesn't exist"),
        ("file", "is not a folder"),
        ("ftp://me:secret@host/x", "ftp://host/x: is not a target"),
    ],
)
def test_no_target(target: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_sink(target)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("options", [{"tags": ["a"]}, {"namespace": "prod"}, {"ids": "digest"}])
def test_options_that_parquet_would_drop(options: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Elasticsearch"):
        open_sink(tmp_path / "store", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host:9200/x", "https://host:9200/x"),
        ("https://host:9200", "https://host:9200"),
        ("https://me:p@ss@host", "https://host"),
        ("https://me:pass@[::1/x", "https://[::1/x"),
    ],
)
def test_userinfo_is_not_shown(url: str, shown: str) -> None:
    assert without_userinfo(url) == shown


@pytest.mark.parametrize("suffix", [".ndjson", ".jsonl", ".json"])
def test_ndjson(suffix: str, log: Path, tmp_path: Path) -> None:
    target = tmp_path / f"out{suffix}"
    result = vpcflow.index(log, to=target, tags=["mine"], namespace="prod", preserve_original=True)
    rows = documents(target)
    assert [row["event"].get("action") for row in rows] == ["ACCEPT", "REJECT", None]
    assert rows[0]["source"]["ip"] == "172.31.16.139"
    assert rows[0]["log"]["file"]["path"] == str(log)
    assert rows[0]["data_stream"]["namespace"] == "prod"
    assert rows[0]["event"]["original"] == ACCEPT
    assert "mine" in rows[0]["tags"]
    assert (result.documents, result.written_nbytes, result.target) == (3, target.stat().st_size, str(target))
    assert temporary(tmp_path) == []


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_ndjson(suffix: str, log: Path, tmp_path: Path) -> None:
    target = tmp_path / f"out.ndjson{suffix}"
    vpcflow.index(log, to=target)
    # Polars decompresses both by itself.
    lines = pl.read_csv(target, has_header=False, separator="\x01", quote_char=None).to_series()
    assert [json.loads(line)["event"].get("action") for line in lines] == ["ACCEPT", "REJECT", None]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_ndjson_of_nothing_is_a_file_that_can_be_read(suffix: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.touch()
    target = tmp_path / f"out.ndjson{suffix}"
    assert vpcflow.index(empty, to=target).documents == 0
    data = target.read_bytes()
    if suffix == ".gz":
        data = gzip.decompress(data)
    elif suffix == ".zst":
        # The smallest frame there is: our own reader takes it for a log without lines.
        data = b"".join(batch.to_ndjson() for batch in vpcflow.read(target))
    assert data == b""


def test_ndjson_takes_the_place_of_an_older_file(log: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real.ndjson", tmp_path / "link.ndjson"
    real.write_text("old")
    link.symlink_to(real)
    vpcflow.index(log, to=link)
    assert link.is_symlink()
    assert len(documents(real)) == 3


def test_parquet_file(log: Path, tmp_path: Path) -> None:
    other = write(
        tmp_path / "in" / "nat.log",
        "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr",
        "- eni-1235b8ca123456789 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5",
    )
    target = tmp_path / "out.parquet"
    assert vpcflow.index([log, other], to=target, workers=1).documents == 4
    rows = pl.read_parquet(target)
    assert rows["source.ip"].to_list() == ["172.31.16.139", "172.31.9.69", None, "10.0.1.5"]
    assert rows["aws.vpcflow.pkt_dstaddr"].to_list() == [None, None, None, "203.0.113.5"]
    assert temporary(tmp_path) == []


def test_store(log: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    result = vpcflow.index(log, to=store)
    parts = sorted(store.rglob("*.parquet"))
    assert [part.parent.name for part in parts] == ["date=2014-12-14", "date=2015-05-10"]
    assert result.written_nbytes == sum(part.stat().st_size for part in parts)
    assert temporary(tmp_path) == []


def test_ndjson_documents_equal_those_of_the_batch(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.ndjson"
    vpcflow.index(log, to=target)
    expected = [row for batch in vpcflow.read(log) for row in batch.to_ecs()]
    found = documents(target)
    for row in (*expected, *found):
        row["event"].pop("ingested")
    assert found == expected


def test_standard_output_needs_a_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    with pytest.raises(OSError, match="fileno"):
        open_sink("-")
