"""Runs that follow log groups."""

from __future__ import annotations

import logging
import threading
import time

from aws import Answer
from log_groups import GROUP, MINUTE, documents_of, ports, record, refusal

import vpcflow
from vpcflow.sources.cloudwatch import CloudWatchSource


class Following:
    """A source that follows, on a thread of its own."""

    def __init__(self, source: CloudWatchSource, refuse: frozenset[int] = frozenset()) -> None:
        self.source = source
        self.ports: list[int] = []
        self.refused: list[bool] = []
        self._refuse = refuse
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Following:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        began = time.monotonic()
        self.source.stop()
        self._thread.join(5)
        assert time.monotonic() - began < 5
        self.source.close()

    def wait(self, count: int) -> list[int]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ports) >= count, 20), self.ports
            return sorted(self.ports)

    def _run(self) -> None:
        for item in self.source.items():
            try:
                found = ports(documents_of(item))
            except vpcflow.VpcflowError as error:
                found, fault = [], error
            else:
                fault = vpcflow.FormatError("not this one") if self._refuse & set(found) else None
            if fault is None:
                self.source.acknowledge(item)
            else:
                self.refused.append(self.source.release(item, fault))
            with self._changed:
                self.ports += found
                self._changed.notify_all()


class TestFollowing:
    def test_new_events_and_new_groups_come_as_they_arrive(self, logs, source):
        logs.group("/vpc/a")
        logs.put("/vpc/a", record(1))
        with Following(source("/vpc/*", follow=True, scan_frequency=0.2)) as following:
            following.wait(1)
            logs.put("/vpc/a", record(2), ago=0)
            following.wait(2)
            logs.group("/vpc/b")
            logs.put("/vpc/b", record(3), ago=0)
            logs.put("/vpc/a", record(4), ago=10 * MINUTE)
            assert following.wait(4) == [1, 2, 3, 4]
            time.sleep(0.5)
        assert sorted(following.ports) == [1, 2, 3, 4], "each once"

    def test_what_can_not_be_stored_comes_three_times_and_holds_nobody_up_then(self, logs, source):
        logs.group(GROUP, "eni-a", "eni-b")
        logs.put(GROUP, record(1), stream="eni-a")
        logs.put(GROUP, record(2), stream="eni-b")
        with Following(source(follow=True, scan_frequency=0.2), frozenset({1})) as following:
            assert following.wait(4) == [1, 1, 1, 2], "what was stored does not come again"
            logs.put(GROUP, record(3), ago=0, stream="eni-a")
            following.wait(5)
        assert following.refused == [False, False, True]

    def test_a_service_that_can_not_be_reached_for_a_while(self, proxy, logs, source, caplog):
        logs.group(GROUP)
        logs.put(GROUP, record(1))
        down = threading.Event()
        down.set()
        proxy.rule = lambda seen: Answer(503) if down.is_set() else None
        with (
            caplog.at_level(logging.WARNING, "vpcflow"),
            Following(source(follow=True, scan_frequency=0.2)) as following,
        ):
            time.sleep(0.7)
            down.clear()
            following.wait(1)
        [said] = [it.getMessage() for it in caplog.records]
        assert said.startswith(f"cloudwatch:{GROUP}: ")
        assert said.endswith("; trying again every 0.2 s")

    def test_a_throttled_run_can_be_stopped(self, proxy, logs, source):
        logs.group(GROUP)
        proxy.rule = lambda seen: refusal("ThrottlingException", "Rate exceeded")
        with Following(source(follow=True)):
            time.sleep(0.5)

    def test_a_group_that_goes_while_it_is_followed(self, logs, source, caplog):
        for name in ("/vpc/a", "/vpc/b"):
            logs.group(name)
            logs.put(name, record(1))
        with (
            caplog.at_level(logging.WARNING, "vpcflow"),
            Following(source("/vpc/*", follow=True, scan_frequency=0.2)) as following,
        ):
            following.wait(2)
            logs.client.delete_log_group(logGroupName="/vpc/b")
            time.sleep(0.7)
            logs.put("/vpc/a", record(2), ago=0)
            following.wait(3)
        assert [it.getMessage() for it in caplog.records] == [
            "cloudwatch:/vpc/b: the log group is gone; the other groups go on"
        ]
