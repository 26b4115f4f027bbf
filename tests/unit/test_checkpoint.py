"""What a source remembers from run to run."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from vpcflow.errors import ConfigError, SourceError
from vpcflow.sources.checkpoint import Checkpoint, checkpoint_path, default_path
from vpcflow.sources.marks import LOOK_BACK, Marks

HOUR = 3600.0
DAY = 24 * HOUR
#: Some midnight.
START = 20_000 * DAY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "not" / "yet" / "there" / "checkpoint.db"


def test_a_value_is_there_when_the_file_is_opened_again(file: Path) -> None:
    checkpoint = Checkpoint(file, "s3://bucket/", "store")
    checkpoint.put("position", {"at": 17})
    checkpoint.close()
    checkpoint = Checkpoint(file, "s3://bucket/", "store")
    assert checkpoint.get("position") == {"at": 17}
    checkpoint.put("position", None)
    assert checkpoint.get("position") is None
    checkpoint.close()


def test_values_by_the_beginning_of_their_name(file: Path) -> None:
    checkpoint = Checkpoint(file, "s3://bucket/", "store")
    for name in ("failed a%", "failed b_", "failing c"):
        checkpoint.put(name, name)
    assert checkpoint.values("failed ") == {"a%": "failed a%", "b_": "failed b_"}
    checkpoint.close()


def test_sources_and_targets_are_kept_apart(file: Path) -> None:
    first, *others = [
        Checkpoint(file, source, target)
        for source, target in (("s3://a/", "x"), ("s3://a/", "y"), ("s3://b/", "x"))
    ]
    first.put("position", 1)
    first.add("folder", "key", START)
    for other in others:
        assert other.get("position") is None
        assert other.done("folder") == {}
    renewed = Checkpoint(file, "s3://a/", "x", new=True)
    assert renewed.get("position") is None
    assert renewed.done("folder") == {}
    for checkpoint in (first, *others, renewed):
        checkpoint.close()


def test_what_is_written_together_is_there_as_a_whole_or_not_at_all(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    with pytest.raises(KeyboardInterrupt), checkpoint.together():
        checkpoint.put("a", 1)
        checkpoint.add("folder", "key", START)
        raise KeyboardInterrupt
    assert checkpoint.get("a") is None
    assert checkpoint.done("folder") == {}
    checkpoint.close()


def test_many_threads_and_two_connections_write_at_once(file: Path) -> None:
    checkpoints = [Checkpoint(file, "source", "target") for _ in range(2)]

    def write(number: int) -> None:
        for n in range(50):
            with checkpoints[number % 2].together():
                checkpoints[number % 2].add("folder", f"{number}-{n}", START)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(checkpoints[0].done("folder")) == 200
    for checkpoint in checkpoints:
        checkpoint.close()


def test_after_closing_nothing_is_written(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    checkpoint.close()
    with checkpoint.together():
        checkpoint.put("a", 1)
    checkpoint.close()
    checkpoint = Checkpoint(file, "source", "target")
    assert checkpoint.get("a") is None
    checkpoint.close()


def test_a_file_that_takes_no_more(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    with closing(sqlite3.connect(file)) as other:
        other.execute("DROP TABLE value")
    with pytest.raises(
        SourceError, match=r"checkpoint.db: the checkpoint can't be kept: no such table: value"
    ):
        checkpoint.put("a", 1)
    checkpoint.close()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, and long enough to be seen as none " * 9)
    with pytest.raises(ConfigError, match=r"text: can't be used as a checkpoint: .*--checkpoint"):
        Checkpoint(tmp_path / "text", "source", "target")
    with pytest.raises(ConfigError, match="can't be used as a checkpoint"):
        Checkpoint(tmp_path / "text" / "below", "source", "target")


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "vpcflow" / "checkpoint.db"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_path() == Path("/home/somebody/.local/state/vpcflow/checkpoint.db")


@pytest.mark.parametrize("target", ["-", "out.ndjson", "out.JSON.gz", "/tmp/flows.parquet", "x.jsonl.zst"])
def test_targets_that_each_run_makes_anew_have_none(target: str) -> None:
    assert checkpoint_path(None, target) is None
    if target == "-":
        assert checkpoint_path(Path("given.db"), target) == Path("given.db")
    else:
        with pytest.raises(ConfigError, match=r"is made anew by each run"):
            checkpoint_path(Path("given.db"), target)


@pytest.mark.parametrize(
    "target", ["vpcflow-data", "https://elastic.example:9200", "data.d/", "my.json.store"]
)
def test_other_targets_have_one(target: str) -> None:
    assert checkpoint_path(None, target) == default_path()
    assert checkpoint_path(Path("given.db"), target) == Path("given.db")


def read(checkpoint: Checkpoint, hours: range, *, since: float = 0.0) -> list[int]:
    """Reads an object an hour, as a source does; returns those that were new."""
    marks = Marks(checkpoint, "folder", since, ordered=True)
    new = []
    for hour in hours:
        at = START + hour * HOUR
        if at < max(since, marks.start):
            continue
        marks.see(at)
        if not marks.knows(f"{hour}", at):
            marks.begin(f"{hour}", at)
            marks.end(f"{hour}")
            new.append(hour)
    marks.finish()
    return new


def test_only_the_last_day_is_remembered_one_by_one(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    assert read(checkpoint, range(500)) == list(range(500))
    assert set(checkpoint.done("folder")) == {str(hour) for hour in range(475, 500)}
    assert read(checkpoint, range(500)) == []
    assert read(checkpoint, range(503)) == [500, 501, 502]
    assert len(checkpoint.done("folder")) == 25
    checkpoint.close()


def test_an_object_that_comes_late_is_found(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    marks = Marks(checkpoint, "folder", 0.0, ordered=True)
    marks.see(START)
    marks.finish()
    assert not marks.knows("late", START - LOOK_BACK)
    assert marks.knows("too late", START - LOOK_BACK - 1)
    checkpoint.close()


def test_an_object_of_a_time_to_come_does_not_stand_for_what_comes_until_then(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    now = time.time()
    marks = Marks(checkpoint, "folder", 0.0, ordered=True)
    marks.see(now + 1000 * DAY)
    marks.finish()
    assert not marks.knows("today's", now)
    checkpoint.close()


def test_the_mark_waits_for_what_is_being_read(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    marks = Marks(checkpoint, "folder", 0.0, ordered=True)
    marks.see(START)
    marks.begin("slow", START)
    for day in range(1, 9):
        marks.see(START + day * DAY)
        marks.begin(f"{day}", START + day * DAY)
        marks.end(f"{day}")
    again = Marks(checkpoint, "folder", 0.0, ordered=True)
    assert not again.knows("slow", START), "it is read again when the process is killed here"
    assert again.knows("3", START + 3 * DAY)
    marks.end("slow")
    marks.finish()
    assert Marks(checkpoint, "folder", 0.0, ordered=True).start == START + 7 * DAY
    checkpoint.close()


def test_what_an_earlier_run_was_not_asked_for_is_still_to_be_read(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    assert read(checkpoint, range(500), since=START + 400 * HOUR) == list(range(400, 500))
    assert read(checkpoint, range(500), since=START + 300 * HOUR) == list(range(300, 400))
    assert read(checkpoint, range(500)) == list(range(300))
    assert read(checkpoint, range(500)) == []
    checkpoint.close()


def test_runs_that_each_look_at_the_last_hours_gather_nothing(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    for hour in range(0, 1000, 6):
        read(checkpoint, range(hour, hour + 6), since=START + hour * HOUR)
    assert len(checkpoint.done("folder")) < 60
    assert len(checkpoint.get("spans folder") or []) <= 8
    checkpoint.close()


def test_without_an_order_the_mark_moves_at_the_end_only(file: Path) -> None:
    checkpoint = Checkpoint(file, "source", "target")
    marks = Marks(checkpoint, "", 0.0, ordered=False)
    for name, at in (("a", START), ("b", START - 9 * DAY), ("c", START - 5 * DAY)):
        marks.see(at)
        marks.begin(name, at)
        marks.end(name)
    assert not Marks(checkpoint, "", 0.0, ordered=False).knows("d", START - 9 * DAY)
    marks.finish()
    again = Marks(checkpoint, "", 0.0, ordered=False)
    assert again.knows("d", START - 9 * DAY)
    assert set(checkpoint.done("")) == {"a"}
    checkpoint.close()
