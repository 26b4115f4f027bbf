"""Runs that follow a bucket, and how they end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aws import Answer, Moto, Proxy, Seen, denied
from s3_logs import BUCKET, DAY, every, index, key, log, wait_for

from vpcflow.pipeline import IndexResult


@contextmanager
def following(store: Path, **options: Any) -> Iterator[Callable[[], IndexResult]]:
    """A run that follows, on a thread; gives what ends it."""
    stop = threading.Event()
    results: list[IndexResult] = []

    def run() -> None:
        results.append(index(store, follow=True, interval=0.2, stop=stop, **options))

    def end() -> IndexResult:
        stop.set()
        thread.join(20)
        return results[0]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield end
    finally:
        stop.set()
        thread.join(20)


def test_follow_finds_what_comes_later(aws: Moto, tmp_path: Path) -> None:
    store = tmp_path / "store"
    s3 = aws.bucket(BUCKET, every(timedelta(minutes=5), 3))
    with following(store) as end:
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 3)
        s3.put_object(Bucket=BUCKET, Key=key(DAY + timedelta(minutes=15)), Body=log())
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 4)
        result = end()
    assert (result.files, result.ok) == (4, True)
    assert index(store).files == 0


def test_follow_outlasts_a_bucket_that_cannot_be_asked_for_a_while(
    proxy: Proxy, aws: Moto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    aws.bucket(BUCKET, every(timedelta(minutes=5), 1))
    proxy.rule = lambda seen: Answer(
        400, b"<Error><Code>OperationAborted</Code><Message>later</Message></Error>"
    )
    with following(store):
        wait_for(lambda: "OperationAborted: later; looking again in" in caplog.text)
        proxy.rule = lambda seen: None
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 1)


def test_follow_tries_again_what_failed(
    proxy: Proxy, aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpcflow.sources.s3._RETRY", 0.3)
    store = tmp_path / "store"
    aws.bucket(BUCKET, every(timedelta(minutes=5), 2))
    proxy.rule = lambda seen: denied() if "T0000Z" in seen.path else None
    with following(store) as end:
        wait_for(lambda: proxy.count("T0000Z") >= 2)
        proxy.rule = lambda seen: None
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 2)
        assert len(end().failures) >= 2


def test_a_run_ends_although_the_bucket_does_not_answer(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(minutes=5), 1))
    never = threading.Event()

    def rule(seen: Seen) -> None:
        never.wait(30)

    proxy.rule = rule
    command = [
        sys.executable,
        "-m",
        "vpcflow",
        "index",
        f"s3://{BUCKET}",
        "--to",
        str(tmp_path / "store"),
        "--follow",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: proxy.seen != [])
    process.terminate()
    started = time.monotonic()
    process.wait(20)
    never.set()
    assert time.monotonic() - started < 10


def test_a_run_that_is_told_to_end_ends_soon(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(minutes=5), 1))
    with following(tmp_path / "store") as end:
        wait_for(lambda: list((tmp_path / "store").rglob("*.parquet")) != [])
        started = time.monotonic()
        end()
        assert time.monotonic() - started < 5
