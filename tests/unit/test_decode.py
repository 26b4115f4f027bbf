"""Objects as they come: encodings told by content, carriers, chunks."""

from __future__ import annotations

import gzip
import io
import re
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import samples
import vpcflow
from vpcflow import DecodeError, FormatError
from vpcflow._core import Reader

RECORDS = [samples.ACCEPTED, samples.REJECTED] * 50
PLAIN = samples.log(samples.V2, RECORDS)


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


FORMS = {
    "text": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "gzip of several members": b"".join(
        gzip.compress(PLAIN[at : at + 1000]) for at in range(0, len(PLAIN), 1000)
    ),
    "zstd": zstd(PLAIN),
    "zstd of several frames": zstd(PLAIN[:1000]) + zstd(PLAIN[1000:]),
    "parquet": samples.parquet(samples.V2, RECORDS),
    "gzip around parquet": gzip.compress(samples.parquet(samples.V2, RECORDS)),
    "text with a byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "text with CRLF": PLAIN.replace(b"\n", b"\r\n"),
    "text without a last line end": PLAIN[:-1],
    "text with blank lines": b"\n \n" + PLAIN.replace(b"\n", b"\n\n"),
    "text with tabs and runs of blanks": PLAIN.replace(b" ", b" \t "),
    "text with blanks at both ends": PLAIN.replace(b"\n", b"  \n  "),
    "a header on every line": PLAIN.replace(b"\n2 ", b"\n" + samples.V2.encode() + b"\n2 "),
}


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("name", ["x.log", "x.parquet", "x.gz"], ids=["log", "parquet", "gz"])
def test_every_encoding_is_told_by_content_not_by_name(data: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        documents = [document for batch in vpcflow.read(source) for document in batch.to_ecs()]
        assert [document["source"]["port"] for document in documents] == [20641, 49761] * 50
        assert {document["event"]["kind"] for document in documents} == {"event"}


def test_offsets_are_those_of_the_decompressed_text() -> None:
    data = b"\xef\xbb\xbf\n" + PLAIN.replace(b"\n", b"\r\n", 3)
    for form in (data, gzip.compress(data)):
        for chunk_size in (1, 300, 1 << 20):
            reader = Reader(form, chunk_size=chunk_size)
            offsets = [d["log"]["offset"] for chunk in reader for d in chunk.parse().to_ecs()]
            lines = [data[at:].split(b"\n", 1)[0].strip().decode() for at in offsets]
            assert lines == RECORDS


def test_chunks_of_any_size_give_the_same_documents() -> None:
    def read(chunk_size: int) -> list[object]:
        batches = [chunk.parse() for chunk in Reader(PLAIN, chunk_size=chunk_size)]
        return [{**d, "event": {**d["event"], "ingested": None}} for batch in batches for d in batch.to_ecs()]

    whole = read(1 << 20)
    assert len(whole) == 100
    assert all(read(chunk_size) == whole for chunk_size in (1, 7, 118, 119, 1000))


def test_what_a_file_is_known_by(tmp_path: Path) -> None:
    path = tmp_path / "flow.log"
    path.write_bytes(PLAIN)
    (batch,) = vpcflow.read(path)
    assert (batch.origin.path, batch.origin.input_type) == (str(path), "log")
    assert batch.origin.modified == pytest.approx(path.stat().st_mtime, abs=0.001)
    reader = Reader(path)
    assert (reader.encoding, reader.format, reader.bytes_read) == (None, None, 0)
    assert [chunk.nbytes for chunk in reader] == [len(PLAIN) - len(samples.V2) - 1]
    assert (reader.encoding, reader.format, reader.bytes_read) == (
        "text",
        vpcflow.Format.default(),
        len(PLAIN),
    )


def test_a_chunk_is_parsed_once() -> None:
    (chunk,) = Reader(PLAIN)
    assert len(chunk.parse()) == 100
    with pytest.raises(ValueError, match="before"):
        chunk.parse()


def test_chunks_may_be_parsed_on_many_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda chunk: chunk.parse(), Reader(PLAIN, chunk_size=500)))
    assert sum(map(len, batches)) == 100


def test_the_gil_is_free_while_the_core_works() -> None:
    # The other thread can only count while this one is inside the core.
    data = samples.log(samples.V2, RECORDS * 2000)
    counted, done = 0, threading.Event()

    def count() -> None:
        nonlocal counted
        while not done.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    try:
        batch = vpcflow.parse(data)
        batch.to_ndjson()
        before = counted
        batch.to_bulk(ids="digest", compression="gzip")
        assert counted > before
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize(
    "data", [b"", b"\n\n \n", gzip.compress(b""), samples.V2.encode(), samples.V2.encode() + b"\n"]
)
def test_nothing_in_it(data: bytes) -> None:
    assert list(vpcflow.read(data)) == []
    batch = vpcflow.parse(data)
    assert (len(batch), batch.errors, batch.to_ecs(), batch.to_ndjson()) == (0, [], [], b"")


class TestParquet:
    def read(self, **columns: object) -> vpcflow.Batch:
        file = io.BytesIO()
        pq.write_table(pa.table(columns), file)
        return vpcflow.parse(file.getvalue())

    def test_nulls_and_hyphens_are_absent(self) -> None:
        batch = self.read(
            srcaddr=["10.0.0.1", "-", None, ""],
            action=["ACCEPT", "-", None, ""],
            packets=pa.array([1, None, None, None], pa.int64()),
        )
        first, *rest = batch.to_ecs()
        assert first["source"] == {"address": "10.0.0.1", "ip": "10.0.0.1", "packets": 1}
        assert first["event"]["action"] == "ACCEPT"
        assert batch.errors == []
        assert all("source" not in document and "action" not in document["event"] for document in rest)

    @pytest.mark.parametrize(
        "ports",
        [
            pa.array([443, None], pa.int32()),
            pa.array([443, None], pa.uint16()),
            pa.array([443, None], pa.int64()),
            pa.array([443.0, None], pa.float64()),
            pa.array(["443", "-"], pa.string()),
            pa.array(["443", ""], pa.large_string()),
            pa.array(["443", None], pa.string()).dictionary_encode(),
            pa.array([b"443", None], pa.binary()),
        ],
        ids=lambda array: str(array.type),
    )
    def test_numbers_of_any_type(self, ports: pa.Array) -> None:
        batch = self.read(srcaddr=["10.0.0.1", "10.0.0.2"], dstport=ports)
        assert batch.errors == []
        assert [document.get("destination") for document in batch.to_ecs()] == [{"port": 443}, None]

    def test_times_as_timestamps(self) -> None:
        moments = pa.array([1_418_530_070_000], pa.timestamp("ms", "UTC"))
        (document,) = self.read(srcaddr=["10.0.0.1"], end=moments).to_ecs()
        assert document["@timestamp"] == "2014-12-14T04:07:50.000Z"

    def test_numbers_where_text_belongs(self) -> None:
        (document,) = self.read(
            account_id=pa.array([123456789010], pa.int64()), srcaddr=["10.0.0.1"]
        ).to_ecs()
        assert document["cloud"]["account"]["id"] == "123456789010"

    def test_columns_nobody_knows_yet(self) -> None:
        (document,) = self.read(srcaddr=["10.0.0.1"], field_of_tomorrow=["x"]).to_ecs()
        assert document["aws"]["vpcflow"] == {"field_of_tomorrow": "x"}

    def test_values_out_of_range_are_errors_of_their_row(self) -> None:
        batch = self.read(
            srcaddr=["10.0.0.1", "nowhere", "10.0.0.3", "10.0.0.4"],
            dstport=pa.array([443, 443, 70000, -1], pa.int32()),
        )
        assert [(e.line, e.offset, e.field, e.raw) for e in batch.errors] == [
            (2, None, "srcaddr", b"nowhere 443"),
            (3, None, "dstport", b"10.0.0.3 70000"),
            (4, None, "dstport", b"10.0.0.4 -1"),
        ]
        documents = batch.to_ecs()
        assert [d["event"]["kind"] for d in documents] == [
            "event",
            "pipeline_error",
            "pipeline_error",
            "pipeline_error",
        ]
        assert documents[1]["event"]["original"] == "nowhere 443"
        assert documents[2]["error"]["message"].startswith(
            "dstport: 70000 is not a whole number from 0 to 65535"
        )

    def test_a_file_of_something_else(self) -> None:
        with pytest.raises(FormatError, match=r"Source IP.*not flow log fields"):
            self.read(**{"Source IP": ["10.0.0.1"]})
        with pytest.raises(FormatError, match="not flow log fields"):
            self.read(name=["x"])

    def test_many_row_groups(self) -> None:
        data = samples.parquet(samples.V2, RECORDS * 300, row_group_size=1000)
        assert sum(len(batch) for batch in vpcflow.read(data)) == 30000
        assert len(vpcflow.parse(data)) == 30000

    @pytest.mark.parametrize("version", ["1.0", "2.0"])
    @pytest.mark.parametrize("dictionaries", [True, False])
    @pytest.mark.parametrize("compression", ["gzip", "zstd", "snappy", "lz4", "none"])
    def test_pages_of_every_kind(self, compression: str, dictionaries: bool, version: str) -> None:
        options = {"compression": compression, "use_dictionary": dictionaries, "data_page_version": version}
        batch = vpcflow.parse(samples.parquet(samples.V2, RECORDS, data_page_size=64, **options))
        plain = vpcflow.parse(PLAIN)
        for fields in ("source", "destination", "network", "cloud"):
            assert [document[fields] for document in batch.to_ecs()] == [
                document[fields] for document in plain.to_ecs()
            ]

    def test_dictionaries_that_batches_share(self) -> None:
        addresses = ["10.0.0.1", "10.0.0.2", " 10.0.0.3 ", "nowhere", "-", None, "2001:db8::1"]
        table = pa.table(
            {
                "account_id": ["123456789010", 'a "quoted" one', None] * 7000,
                "srcaddr": addresses * 3000,
                "dstaddr": pa.array([None] * 21000, pa.string()),
                "pkt_srcaddr": ["10.0.0.2", *["10.0.0.9"] * 9] * 2100,
                "bytes": pa.array(range(21000), pa.int64()),
            }
        )

        def documents(**options: object) -> tuple[bytes, bytes, list[tuple[int, str | None, bytes]]]:
            file = io.BytesIO()
            pq.write_table(table, file, **options)
            batch, data = vpcflow.parse(file.getvalue()), file.getvalue()
            parts = b"".join(part.to_ndjson() for part in vpcflow.read(data))
            # An error's time is that of its reading.
            now = re.compile(rb'"(ingested|@timestamp)":"[^"]*"')
            whole, parts = (now.sub(b"", said) for said in (batch.to_ndjson(), parts))
            return whole, parts, [(error.line, error.field, error.raw) for error in batch.errors]

        shared = documents()
        assert shared[0].count(b"\n") == 21000
        assert shared[0] == shared[1]
        assert [line for line, _, _ in shared[2]] == list(range(4, 21000, 7))
        # Never the same dictionary twice, and none at all.
        assert documents(row_group_size=1500) == shared
        assert documents(use_dictionary=False) == shared

    @pytest.mark.parametrize("keep", [4, 8, 100, 1000, -8, -1])
    def test_cut_short(self, keep: int) -> None:
        data = samples.parquet(samples.V2, RECORDS)[:keep]
        with pytest.raises(DecodeError, match="Parquet"):
            list(vpcflow.read(data))

    def test_damaged_pages(self) -> None:
        data = bytearray(samples.parquet(samples.V2, RECORDS, compression="gzip"))
        data[100:140] = bytes(40)
        with pytest.raises(DecodeError, match="Parquet"):
            list(vpcflow.read(bytes(data)))
