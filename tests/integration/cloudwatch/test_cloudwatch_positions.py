"""Where a run begins, and what it reads after another one, or after one that was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from log_groups import GROUP, HOUR, MINUTE, documents_of, operation, ports, read, record

from vpcflow.sources.cloudwatch import ranges


class TestGoingOn:
    def test_a_second_run_reads_what_came_since(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1))
        assert ports(read(source())) == [1]
        assert read(source()) == []
        logs.put(GROUP, record(2), ago=0)
        assert ports(read(source())) == [2]

    def test_events_that_arrive_late(self, logs, source):
        """A flow log record has the time of its start, and arrives up to a quarter of an hour after it."""
        logs.group(GROUP)
        logs.put(GROUP, record(1), ago=MINUTE)
        assert ports(read(source())) == [1]
        logs.put(GROUP, record(2), record(3), ago=15 * MINUTE)
        assert ports(read(source())) == [2, 3]
        assert read(source()) == []

    def test_an_event_of_the_future_comes_when_its_time_has_come(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1), ago=-3)
        assert read(source()) == []
        time.sleep(3)
        assert ports(read(source())) == [1]

    def test_latency_asks_for_the_time_that_ended_so_long_ago(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1), ago=4 * MINUTE)
        logs.put(GROUP, record(2), ago=6 * MINUTE)
        assert ports(read(source(latency=5 * MINUTE))) == [2]
        assert ports(read(source(latency=3 * MINUTE))) == [1]

    def test_with_latency_what_arrives_within_it_is_read_without_looking_back(self, proxy, logs, source):
        logs.group(GROUP)
        latency = 20 * MINUTE
        assert read(source(latency=latency)) == []
        logs.put(GROUP, record(1), ago=latency - 2)  # had it been there, it would not have been old enough
        time.sleep(2)
        assert ports(read(source(latency=latency))) == [1]
        first, second = (json.loads(it.body) for it in proxy.seen if operation(it) == "FilterLogEvents")
        assert second["startTime"] == first["endTime"] + 1

    @pytest.mark.parametrize(
        ("position", "expected"),
        [("beginning", [1, 2]), ("end", []), ("2h", [2]), ("3h ago", [1, 2])],
    )
    def test_start_position(self, logs, source, position, expected):
        logs.group(GROUP)
        logs.put(GROUP, record(1), ago=2.5 * HOUR)
        logs.put(GROUP, record(2), ago=HOUR)
        time.sleep(0.01)
        assert ports(read(source(start_position=position))) == expected
        # From there on it is the checkpoint that counts, and what arrives, however old.
        logs.put(GROUP, record(3), ago=10 * MINUTE)
        assert ports(read(source(start_position=position))) == [3]

    def test_since_and_until(self, logs, source):
        logs.group(GROUP)
        for port, hours in ((1, 3), (2, 2), (3, 1)):
            logs.put(GROUP, record(port), ago=hours * HOUR)
        now = time.time()
        assert ports(read(source(since=now - 2.5 * HOUR, until=now - 1.5 * HOUR))) == [2]

    def test_what_was_not_stored_comes_again_as_the_same_items(self, logs, source):
        logs.group(GROUP, "eni-a", "eni-b")
        logs.put(GROUP, record(1), stream="eni-a")
        logs.put(GROUP, record(2), stream="eni-b")
        lost = source()
        first = [item.identity for _, item in zip(range(2), lost.items(), strict=False)]
        lost.close()
        logs.put(GROUP, record(3), stream="eni-b", ago=0)
        again = source()
        items = {}
        for item in again.items():
            items[item.identity] = ports(documents_of(item))
            again.acknowledge(item)
        again.close()
        assert items == dict(zip(first, ([1], [2, 3]), strict=True))

    def test_a_run_that_is_killed_and_run_again_stores_everything_once(self, logs, run, tmp_path):
        """Killed in the middle of its second range, some of which is stored, but not yet in the checkpoint."""
        streams = [f"eni-{n}" for n in range(10)]
        logs.group(GROUP, *streams)
        for n, stream in enumerate(streams):
            for hours in range(1, 7):
                many = [record(1 + n * 6 + hours)] * 100
                logs.put(GROUP, *many, stream=stream, ago=hours * HOUR)
        killed = subprocess.run([sys.executable, "-c", KILLED, GROUP], cwd=tmp_path, check=False, timeout=60)
        assert killed.returncode == -signal.SIGKILL
        count = (
            "query",
            'SELECT count(*) AS n, count(DISTINCT "source.port") AS p FROM flows',
            "--format",
            "json",
        )
        assert json.loads(run(*count).stdout) == [{"n": 1300, "p": 13}]
        assert run("index", f"cloudwatch:{GROUP}").returncode == 0
        assert json.loads(run(*count).stdout) == [{"n": 6000, "p": 60}]


# A run with small ranges, which dies with the thirteenth item that is stored.
KILLED = """
import os, signal, sys
import vpcflow
from vpcflow.sources.cloudwatch import CloudWatchSource, ranges

ranges._FULL = 100_000
acknowledge, stored = CloudWatchSource.acknowledge, []

def dying(source, item):
    stored.append(item)
    if len(stored) == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    acknowledge(source, item)

CloudWatchSource.acknowledge = dying
vpcflow.index(f"cloudwatch:{sys.argv[1]}", workers=1)
"""


class TestRanges:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        monkeypatch.setattr(ranges, "_FULL", 3000)
        monkeypatch.setattr(ranges, "_PART", 1000)

    def test_a_long_history_is_stored_piece_by_piece(self, proxy, logs, source):
        logs.group(GROUP)
        times = [
            logs.put(GROUP, *(record(hours * 10 + n) for n in range(10)), ago=hours * HOUR)
            for hours in range(24, 0, -1)
        ]
        it = source()
        seen: list[int] = []
        sizes = []
        for item in it.items():
            sizes.append(item.size)
            seen += ports(documents_of(item))
            it.acknowledge(item)
            if len(seen) > 120:
                break
        it.close()
        starts = [json.loads(it.body)["startTime"] for it in proxy.seen if operation(it) == "FilterLogEvents"]
        assert starts == sorted(starts)
        assert {*starts[1:]} <= {*times}, "only the first range of a scan looks back"
        rest = ports(read(source()))
        assert sorted(set(seen + rest)) == sorted(hours * 10 + n for hours in range(1, 25) for n in range(10))
        assert len(rest) < 200, "what was stored is not read again"
        assert max(sizes) < 1200

    def test_many_events_of_one_moment(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, *map(record, range(1, 201)))
        assert sorted(ports(read(source()))) == list(range(1, 201))
