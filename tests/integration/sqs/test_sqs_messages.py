"""When messages go, who else gets them, and what a run that ends or is killed leaves behind."""

from __future__ import annotations

import gzip
import re
import subprocess
import threading
import time

import pytest
from aws import Moto, Proxy
from queues import LOG, Queue, command, put, rows, wait_until

import samples
import vpcflow


def test_a_message_stays_until_all_of_its_objects_are_stored(s3, queue, source, tmp_path):
    put(s3, "a.log.gz")
    put(s3, "broken.log.gz", body=gzip.compress(LOG)[:-6])
    queue.notice("a.log.gz", "broken.log.gz")
    result = vpcflow.index(
        source(queue, max_receives=1), to=tmp_path / "store", dead_letter=tmp_path / "dead"
    )
    assert [failure.item for failure in result.failures] == ["s3://flows/broken.log.gz"]
    assert sum(queue.left()) == 1
    # Mended and read again, the store has each record once.
    put(s3, "broken.log.gz")
    wait_until(lambda: queue.left() == (1, 0))
    assert vpcflow.index(source(queue), to=tmp_path / "store").ok
    assert (queue.left(), rows(tmp_path / "store")) == ((0, 0), 4)


def test_a_message_stays_when_the_target_takes_nothing(aws: Moto, s3, source, tmp_path):
    queue = Queue(aws, VisibilityTimeout="60")
    put(s3, "a.log.gz")
    queue.notice("a.log.gz")
    store = tmp_path / "store"
    store.mkdir()
    reader = source(queue)
    sink = vpcflow.sinks.open_sink(store)

    def refuse(item):
        raise OSError(28, "No space left on device")

    sink.open = refuse
    with pytest.raises(vpcflow.SinkError, match="make room"):
        vpcflow.index(reader, to=sink)
    # It is given back at once, not after the visibility time-out.
    assert queue.left() == (1, 0)
    assert queue.receive()[0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_what_is_being_read_is_kept_from_others(s3, queue, proxy: Proxy, source, tmp_path):
    """The object takes three times as long as the visibility time-out."""
    put(s3, "slow.log.gz")
    queue.notice("slow.log.gz")
    go_on = threading.Event()

    def slow(seen):
        if "slow.log.gz" in seen.path:
            go_on.wait(30)

    proxy.rule = slow
    reader = source(queue)
    results = []
    run = threading.Thread(target=lambda: results.append(vpcflow.index(reader, to=tmp_path / "store")))
    run.start()
    wait_until(lambda: proxy.count("slow.log.gz"))
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert queue.receive() == []
        time.sleep(0.2)
    go_on.set()
    run.join(20)
    assert (results[0].documents, queue.left(), proxy.count("slow.log.gz")) == (2, (0, 0), 1)


def test_an_object_that_is_announced_twice_is_read_once_at_a_time(s3, queue, proxy: Proxy, source, tmp_path):
    put(s3, "a.log.gz")
    queue.notice("a.log.gz", "a.log.gz")
    queue.notice("a.log.gz")
    both = threading.Event()
    proxy.rule = lambda seen: both.wait(10) and None if "a.log.gz" in seen.path else None
    reader = source(queue)
    threading.Timer(1, both.set).start()
    result = vpcflow.index(reader, to=tmp_path / "store")
    assert (result.files, result.documents, queue.left()) == (1, 2, (0, 0))
    assert proxy.count("a.log.gz") == 1


def test_a_run_that_is_stopped_gives_back_what_it_has_not_read(s3, aws, proxy, source, tmp_path):
    queue = Queue(aws)  # where messages come again only after half a minute
    keys = [f"{n}.log.gz" for n in range(12)]
    put(s3, *keys)
    for key in keys:
        queue.notice(key)
    first, go_on, stop = threading.Event(), threading.Event(), threading.Event()

    def slow(seen):
        if ".log.gz" in seen.path:
            first.set()
            go_on.wait(20)

    proxy.rule = slow
    reader = source(queue, follow=True)
    results = []
    run = threading.Thread(
        target=lambda: results.append(vpcflow.index(reader, to=tmp_path / "store", workers=1, stop=stop))
    )
    run.start()
    assert first.wait(20)
    stop.set()
    go_on.set()
    run.join(20)
    [result] = results
    assert 1 <= result.files < len(keys)
    assert result.documents == 2 * result.files
    assert queue.left() == (len(keys) - result.files, 0)


def test_sigterm_ends_a_run_that_follows_with_nothing_acknowledged_that_is_not_stored(
    aws, s3, proxy, tmp_path
):
    queue = Queue(aws)
    put(s3, "good.log.gz", "slow.log.gz")
    queue.notice("good.log.gz")
    go_on = threading.Event()
    proxy.rule = lambda seen: go_on.wait(30) and None if "slow.log.gz" in seen.path else None
    store = tmp_path / "store"
    run = subprocess.Popen(
        command("index", f"sqs:{queue.url}", "--to", store, "--follow", "--workers", "1"),
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with run:
        wait_until(lambda: queue.left() == (0, 0))  # and it goes on waiting
        queue.notice("slow.log.gz")
        wait_until(lambda: proxy.count("slow.log.gz"))
        run.terminate()
        _, said = run.communicate(timeout=15)
        go_on.set()
    assert "Traceback" not in said
    assert (rows(store), queue.left()) == (2, (1, 0)), said


@pytest.mark.timeout(240)
def test_two_processes_share_a_queue_and_nothing_is_lost_when_one_is_killed(aws, s3, tmp_path):
    """1,000 objects of 20 records. The first process is killed half-way, the second goes on with its messages."""
    queue = Queue(aws, VisibilityTimeout="3").announce(s3, "flows")
    for n in range(1000):
        records = [samples.ACCEPTED.replace(" 20641 ", f" {20 * n + i} ") for i in range(20)]
        put(s3, f"AWSLogs/year=2026/{n:04}.log.gz", body=gzip.compress(samples.log(samples.V2, records)))
    store = tmp_path / "store"
    run = command("index", f"sqs:{queue.url}", "--to", store)

    def stored() -> int:
        return sum(1 for _ in store.glob("date=*/*.parquet"))

    with (tmp_path / "first").open("w") as output:
        first = subprocess.Popen(run, cwd=tmp_path, stdout=output, stderr=output)
    wait_until(lambda: stored() > 100, 60)
    second = subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with second:
        wait_until(lambda: stored() > 500, 60)
        first.kill()
        first.wait(10)
        at_the_kill = stored()
        assert sum(queue.left()) > 0
        said, _ = second.communicate(timeout=120)
        assert second.returncode == 0, said
    # What the first had in hand may have come again after the second saw an empty queue.
    while sum(queue.left()):
        subprocess.run(run, cwd=tmp_path, check=True, timeout=60)
    assert rows(store) == 20_000
    assert rows(store, 'count(DISTINCT "source.port")') == 20_000
    # The second had its share before the kill, and the first had: each of them held at most a few objects then.
    [files] = re.findall(r"^files +([\d,]+)", said, re.MULTILINE)
    assert 1000 - at_the_kill + 50 < int(files.replace(",", "")) < 900
