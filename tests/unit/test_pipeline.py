"""`vpcflow.index`: what it keeps, counts and reports."""

from __future__ import annotations

import base64
import errno
import gzip
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vpcflow
from flowlogs import (
    ACCEPT,
    BAD_COUNT,
    BAD_PORT,
    HEADER,
    NODATA,
    REJECT,
    SKIPDATA,
    documents,
    many,
    rows,
    temporary,
    text,
    write,
)
from vpcflow.pipeline import Progress
from vpcflow.sinks.base import Refusal, Written
from vpcflow.sources.base import Item, Source


def test_a_file_into_the_default_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = write(tmp_path / "flow.log.gz", HEADER, ACCEPT, REJECT, NODATA, SKIPDATA)
    result = vpcflow.index("flow.log.gz")
    assert (result.target, result.files, result.lines, result.documents) == ("vpcflow-data", 1, 4, 4)
    assert (result.nbytes, result.failed, result.refused) == (log.stat().st_size, 0, 0)
    assert result.text_nbytes >= len(text(ACCEPT, REJECT, NODATA, SKIPDATA))
    assert result.ok
    assert result.dead_letter is None
    assert rows(tmp_path / "vpcflow-data") == 4


def test_the_same_input_twice_is_stored_once(tmp_path: Path) -> None:
    store = tmp_path / "store"
    write(tmp_path / "logs" / "a.log", HEADER, ACCEPT, NODATA)
    write(tmp_path / "logs" / "b.log", HEADER, REJECT)
    for _ in range(2):
        vpcflow.index(tmp_path / "logs", to=store)
        assert rows(store) == 3
    write(tmp_path / "logs" / "a.log", HEADER, ACCEPT)
    vpcflow.index(tmp_path / "logs", to=store)
    assert rows(store) == 2, "what a changed file had before goes"


def test_a_file_that_two_sources_name_is_read_once(tmp_path: Path) -> None:
    log = write(tmp_path / "logs" / "a.log", ACCEPT)
    result = vpcflow.index(
        [tmp_path / "logs", log, str(tmp_path / "logs" / "*.log")], to=tmp_path / "out.ndjson"
    )
    assert (result.files, result.documents) == (1, 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_order_within_an_item_is_kept(workers: int, tmp_path: Path) -> None:
    for name in ("a.log", "b.log.gz"):
        data = many(30_000)
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    target = tmp_path / "out.ndjson"
    result = vpcflow.index([tmp_path / "a.log", tmp_path / "b.log.gz"], to=target, workers=workers)
    assert result.documents == 60_000
    places: dict[str, list[int]] = {}
    for document in documents(target):
        places.setdefault(document["log"]["file"]["path"], []).append(document["log"]["offset"])
    assert {Path(path).name: len(offsets) for path, offsets in places.items()} == {
        "a.log": 30_000,
        "b.log.gz": 30_000,
    }
    assert all(offsets == sorted(offsets) for offsets in places.values())


def test_with_one_worker_items_follow_each_other(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write(tmp_path / "logs" / f"{name}.log", ACCEPT, REJECT)
    target = tmp_path / "out.ndjson"
    vpcflow.index(tmp_path / "logs", to=target, workers=1)
    names = [Path(document["log"]["file"]["path"]).stem for document in documents(target)]
    assert names == ["a", "a", "b", "b", "c", "c"]


def test_an_item_that_is_cut_short_keeps_what_came_before(tmp_path: Path) -> None:
    data = gzip.compress(many(50_000))
    (tmp_path / "cut.log.gz").write_bytes(data[: len(data) // 2])
    write(tmp_path / "good.log", ACCEPT)
    store = tmp_path / "store"
    result = vpcflow.index([tmp_path / "cut.log.gz", tmp_path / "good.log"], to=store)
    [failure] = result.failures
    assert failure.item == str(tmp_path / "cut.log.gz")
    assert isinstance(failure.error, vpcflow.DecodeError)
    assert "cut short" in str(failure)
    assert 10_000 < failure.documents < 50_000
    assert result.files == 2
    assert result.documents == failure.documents + 1 == rows(store)
    assert not result.ok


def test_items_that_cannot_be_read_do_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gone.log").symlink_to("nowhere")
    (tmp_path / "logs" / "noise.bin").write_bytes(bytes(range(256)) * 100)
    write(tmp_path / "logs" / "unknown.log", "eni-1 10.0.0.1 443")
    write(tmp_path / "logs" / "x.log", ACCEPT, REJECT)
    result = vpcflow.index(tmp_path / "logs", to=tmp_path / "out.ndjson", workers=2)
    assert sorted(Path(failure.item).name for failure in result.failures) == [
        "gone.log",
        "noise.bin",
        "unknown.log",
    ]
    assert {type(failure.error) for failure in result.failures} == {FileNotFoundError, vpcflow.FormatError}
    assert len(documents(tmp_path / "out.ndjson")) == 2


def test_when_nothing_can_be_read_the_older_target_stays(tmp_path: Path) -> None:
    target, store, log = tmp_path / "out.ndjson", tmp_path / "store", tmp_path / "a.log"
    write(log, ACCEPT)
    for to in (target, store):
        vpcflow.index(log, to=to)
    log.write_bytes(gzip.compress(many(10))[:12])
    for to in (target, store):
        assert len(vpcflow.index(log, to=to).failures) == 1
    assert len(documents(target)) == 1
    assert rows(store) == 1
    assert temporary(tmp_path) == []


def test_unreadable_lines_become_documents(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", HEADER, ACCEPT, BAD_PORT, BAD_COUNT, REJECT)
    result = vpcflow.index(log, to=tmp_path / "out.ndjson")
    kinds = [document["event"]["kind"] for document in documents(tmp_path / "out.ndjson")]
    assert kinds == ["event", "pipeline_error", "pipeline_error", "event"]
    assert (result.lines, result.documents, result.failed, result.ok) == (4, 4, 2, False)
    first, second = result.errors
    assert (first.item, first.error.line, first.error.field) == (str(log), 3, "srcport")
    assert second.error.line == 4
    assert result.dead_letter is None


def test_unreadable_lines_go_to_the_dead_letter_file(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(text(HEADER, ACCEPT, BAD_PORT) + b"\xff\xfe rubbish\n" + text(REJECT))
    letters = tmp_path / "dead.ndjson"
    letters.write_text('{"older": "entry"}\n')
    result = vpcflow.index(log, to=tmp_path / "out.ndjson", on_error="dead-letter", dead_letter=letters)
    assert (result.lines, result.documents, result.failed, result.dead_letter) == (4, 2, 2, letters)
    older, port, noise = (json.loads(line) for line in letters.read_text().splitlines())
    assert older == {"older": "entry"}
    assert port.pop("reason")
    assert port == {
        "path": str(log),
        "line": 3,
        "offset": len(text(HEADER, ACCEPT)),
        "field": "srcport",
        "original": BAD_PORT,
    }
    assert noise["original"] == "\\xff\\xfe rubbish"
    assert base64.b64decode(noise["original_base64"]) == b"\xff\xfe rubbish"


def test_to_stop_at_the_first_unreadable_line(tmp_path: Path) -> None:
    store = tmp_path / "store"
    good, bad = write(tmp_path / "a.log", ACCEPT), write(tmp_path / "b.log", HEADER, REJECT, BAD_PORT)
    vpcflow.index(good, to=store)
    with pytest.raises(vpcflow.ParseError, match="srcport") as caught:
        vpcflow.index(bad, to=store, on_error="fail")
    assert caught.value.line == 3
    assert caught.value.__notes__ == [f"in {bad}"]
    assert rows(store) == 1, "the item is taken back, earlier runs stay"
    with pytest.raises(vpcflow.ParseError):
        vpcflow.index([good, bad], to=tmp_path / "out.ndjson", on_error="fail")
    assert not (tmp_path / "out.ndjson").exists()
    assert temporary(tmp_path) == []


def test_to_stop_at_the_first_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(many(10))[:-9])
    with pytest.raises(vpcflow.DecodeError):
        vpcflow.index(tmp_path / "cut.gz", to=tmp_path / "store", on_error="fail")


def test_only_the_first_errors_are_kept(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", HEADER, *[BAD_PORT] * 1000)
    result = vpcflow.index(log, to=tmp_path / "out.ndjson")
    assert (result.failed, len(result.errors)) == (1000, 10)


def test_a_format_by_name(tmp_path: Path) -> None:
    log = write(tmp_path / "nat.log", "10.0.1.5 10.0.0.220 443")
    result = vpcflow.index(log, to=tmp_path / "out.ndjson", format="srcaddr dstaddr ${dstport}")
    assert result.ok
    assert documents(tmp_path / "out.ndjson")[0]["destination"]["port"] == 443
    with pytest.raises(vpcflow.FormatError):
        vpcflow.index(log, to=tmp_path / "out.ndjson", format="srcaddr srcaddr")


@pytest.mark.parametrize(
    "options",
    [{"on_error": "ignore"}, {"workers": 0}, {"to": "out.xyz"}, {"sources": []}, {"sources": "nothere"}],
)
def test_what_cannot_work(options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.log", ACCEPT)
    with pytest.raises(vpcflow.ConfigError):
        vpcflow.index(**{"sources": "a.log", "to": "out.ndjson", **options})
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_progress(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(50_000))
    seen: list[Progress] = []
    result = vpcflow.index(tmp_path / "a.log", to=tmp_path / "out.ndjson", progress=seen.append)
    last = seen[-1]
    assert (last.files, last.lines, last.documents, last.nbytes) == (1, 50_000, 50_000, result.nbytes)
    assert last.total == result.nbytes
    assert [step.lines for step in seen] == sorted(step.lines for step in seen)


def test_an_interrupt_leaves_nothing_half_made(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(1_000_000))

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    for target in ("store", "out.parquet", "out.ndjson.gz"):
        with pytest.raises(KeyboardInterrupt):
            vpcflow.index(tmp_path / "a.log", to=tmp_path / target, progress=interrupt)
    assert temporary(tmp_path) == []
    assert list(tmp_path.rglob("*.parquet")) == []


def test_the_result_can_be_pickled(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", HEADER, ACCEPT, BAD_PORT)
    result = vpcflow.index([log, write(tmp_path / "b.log", "what is this")], to=tmp_path / "out.ndjson")
    again = pickle.loads(pickle.dumps(result))
    assert str(again.errors[0]) == str(result.errors[0])
    assert str(again.failures[0]) == str(result.failures[0])


class Memory:
    """A target that keeps documents in memory, and does what it is told to fail at."""

    def __init__(
        self, *, fault: Exception | None = None, refuse: str | None = None, keep: bool = True
    ) -> None:
        self.name = "memory"
        self.keep = keep
        self.fault = fault
        self.refuse = refuse
        self.events: list[str] = []
        self.documents: list[dict[str, Any]] = []
        self.held = self.most = 0
        self.lock = threading.Lock()

    def open(self, item: Item) -> MemoryItem:
        return MemoryItem(self, item)

    def close(self) -> None:
        self.events.append("close")

    def abort(self) -> None:
        self.events.append("abort")


class MemoryItem:
    def __init__(self, sink: Memory, item: Item) -> None:
        self.sink = sink
        self.item = item

    def encode(self, batch: vpcflow.Batch) -> list[dict[str, Any]]:
        with self.sink.lock:
            self.sink.held += 1
            self.sink.most = max(self.sink.most, self.sink.held)
        return batch.to_ecs() if self.sink.keep else []

    def write(self, encoded: list[dict[str, Any]]) -> Written:
        with self.sink.lock:
            self.sink.held -= 1
        if self.sink.fault is not None:
            raise self.sink.fault
        written = Written(0, 0)
        for document in encoded:
            if document["event"].get("action") == self.sink.refuse is not None:
                written.refused.append(Refusal(json.dumps(document), "mapper_parsing_exception"))
            else:
                self.sink.documents.append(document)
                written.documents += 1
        return written

    def commit(self) -> Written:
        self.sink.events.append(f"commit {Path(self.item.name).name}")
        return Written(0, 0)

    def abort(self) -> None:
        self.sink.events.append(f"abort {Path(self.item.name).name}")


class Folder(Source):
    """A source of one's own."""

    def __init__(self, sink: Memory, *paths: Path) -> None:
        self.sink = sink
        self.paths = paths

    def items(self) -> Iterator[Item]:
        for path in self.paths:
            yield Item(str(path), str(path), path.open("rb"), None, vpcflow.Origin(path=str(path)))

    def acknowledge(self, item: Item) -> None:
        self.sink.events.append(f"acknowledge {Path(item.name).name}")


def test_an_item_is_acknowledged_after_its_commit(tmp_path: Path) -> None:
    sink = Memory()
    paths = [write(tmp_path / name, ACCEPT) for name in ("a.log", "b.log")]
    result = vpcflow.index(Folder(sink, *paths), to=sink, workers=1)
    assert sink.events == ["commit a.log", "acknowledge a.log", "commit b.log", "acknowledge b.log", "close"]
    assert result.documents == len(sink.documents) == 2


def test_an_item_that_failed_is_not_acknowledged(tmp_path: Path) -> None:
    sink = Memory()
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(many(50_000))[:-9])
    source = Folder(sink, cut)
    vpcflow.index(source, to=sink, workers=1)
    assert sink.events == ["commit cut.gz", "close"]


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    sink = Memory(fault=OSError(errno.ENOSPC, "No space left on device"))
    for name in ("a.log", "b.log"):
        write(tmp_path / name, ACCEPT)
    with pytest.raises(vpcflow.SinkError, match="memory: No space left on device; make room") as caught:
        vpcflow.index(tmp_path, to=sink, workers=1)
    assert isinstance(caught.value.__cause__, OSError)
    assert sink.events == ["abort a.log", "abort"]


def test_a_target_that_breaks_in_its_own_way_ends_the_run(tmp_path: Path) -> None:
    write(tmp_path / "a.log", ACCEPT)
    with pytest.raises(ZeroDivisionError):
        vpcflow.index(tmp_path, to=Memory(fault=ZeroDivisionError()))


def test_refused_documents_go_to_the_dead_letter_file(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", ACCEPT, REJECT)
    letters = tmp_path / "dead.ndjson"
    result = vpcflow.index(log, to=Memory(refuse="REJECT"), dead_letter=letters)
    assert (result.lines, result.documents, result.refused, result.ok) == (2, 1, 1, False)
    entry = json.loads(letters.read_text())
    assert (entry["path"], entry["reason"]) == (str(log), "mapper_parsing_exception")
    assert entry["document"]["source"]["ip"] == "172.31.9.69"


def test_a_dead_letter_file_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    log = write(tmp_path / "a.log", HEADER, ACCEPT, BAD_PORT)
    with pytest.raises(vpcflow.SinkError, match=r"nowhere.dead\.ndjson: No such file"):
        vpcflow.index(
            log,
            to=tmp_path / "o.ndjson",
            on_error="dead-letter",
            dead_letter=tmp_path / "nowhere" / "dead.ndjson",
        )
    assert not (tmp_path / "o.ndjson").exists()


def test_memory_is_bounded_whatever_the_size(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / name).write_bytes(many(100_000))
    sink = Memory(keep=False)
    result = vpcflow.index(tmp_path, to=sink, workers=2)
    assert result.lines == 300_000
    assert sink.most <= 6, "chunks that are parsed and not yet written"
