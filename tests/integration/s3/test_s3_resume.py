"""What a run remembers of a bucket, and what the next one reads."""

from __future__ import annotations

import itertools
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from aws import Answer, Moto, Proxy, Seen
from s3_logs import BUCKET, DAY, every, index, key, log, rows, stamp, wait_for

from unit.flowlogs import many


def test_a_second_run_reads_what_is_new_or_late(aws: Moto, tmp_path: Path) -> None:
    store = tmp_path / "store"
    s3 = aws.bucket(BUCKET, every(timedelta(hours=1), 72) | {"loose.log": many(2)})
    assert index(store).files == 73
    assert index(store).files == 0
    late, new = DAY + timedelta(hours=60, minutes=5), DAY + timedelta(hours=72)
    for at in (late, new):
        s3.put_object(Bucket=BUCKET, Key=key(at), Body=log())
    s3.put_object(Bucket=BUCKET, Key="another.log", Body=many(2))
    result = index(store)
    assert (result.files, result.documents) == (3, 6)
    assert rows(store) == 76 * 2


def test_only_the_last_days_names_are_remembered(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 200))
    index(tmp_path / "store", checkpoint=tmp_path / "checkpoint.db")
    with closing(sqlite3.connect(tmp_path / "checkpoint.db")) as database:
        [(remembered,)] = database.execute("SELECT count(*) FROM done").fetchall()
    assert remembered == 25


def test_a_run_without_since_reads_what_one_with_since_left(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 72))
    assert index(tmp_path / "store", since=stamp(DAY + timedelta(hours=60))).files == 12
    assert index(tmp_path / "store").files == 60
    assert index(tmp_path / "store").files == 0


def test_each_target_gets_everything(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 3))
    for target in ("one", "two", "file.ndjson", "file.ndjson"):
        assert index(tmp_path / target).files == 3
    assert index(tmp_path / "one").files == 0


def test_a_store_that_was_removed_is_filled_again(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 3))
    assert index(tmp_path / "store").files == 3
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    assert index(tmp_path / "store").files == 3


def test_killed_and_run_again_every_record_is_there_once(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    store = tmp_path / "store"
    count, lines = 120, 200
    body = log(lines)
    aws.bucket(BUCKET, {key(DAY + n * timedelta(minutes=5)): body for n in range(count)})
    command = [sys.executable, "-m", "vpcflow", "index", f"s3://{BUCKET}", "--to", str(store), "-q"]
    killed = threading.Event()
    objects = itertools.count(1)

    def half(seen: Seen) -> Answer | None:
        if ".log.gz" in seen.path and next(objects) > count // 2:
            killed.wait(60)
        return None

    proxy.rule = half
    first = subprocess.Popen(command, cwd=tmp_path)
    try:
        wait_for(lambda: len(list(store.rglob("*.parquet"))) >= 40)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        killed.set()
    assert len(list(store.rglob("*.parquet"))) <= count // 2
    again = index(store)
    assert again.ok
    assert again.files < count - 20, "what was stored before the kill was not read again"
    assert rows(store) == count * lines
    assert index(store).files == 0
