"""What CloudWatch Logs refuses, throttles or takes away while a run reads it."""

from __future__ import annotations

import contextlib
import json
import logging

from aws import ACCOUNT, REGION, Answer, Seen
from log_groups import GROUP, HOUR, STREAM, operation, ports, read, record, refusal

import vpcflow


class TestFaults:
    def test_a_log_group_that_disappears_is_a_failure_and_the_others_go_on(
        self, proxy, logs, tmp_path, caplog
    ):
        for name in ("/vpc/a", "/vpc/b", "/vpc/c"):
            logs.group(name)
            logs.put(name, record(1))

        def rule(seen: Seen) -> None:
            if operation(seen) == "FilterLogEvents" and json.loads(seen.body)["logGroupName"] == "/vpc/b":
                with contextlib.suppress(logs.client.exceptions.ResourceNotFoundException):
                    logs.client.delete_log_group(logGroupName="/vpc/b")

        proxy.rule = rule
        result = vpcflow.index("cloudwatch:/vpc/*", to=tmp_path / "store")
        assert result.documents == 2
        assert [str(failure) for failure in result.failures] == ["cloudwatch:/vpc/b: the log group is gone"]

    def test_a_permission_that_is_missing_is_named(self, proxy, logs, run):
        logs.group(GROUP)
        proxy.rule = lambda seen: (
            refusal("AccessDeniedException", "no") if operation(seen) == "FilterLogEvents" else None
        )
        done = run("index", f"cloudwatch:{GROUP}", "--quiet")
        assert done.returncode == 1
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"
        assert (
            f"Error: cloudwatch:{GROUP}: access denied: the permission logs:FilterLogEvents on {arn}"
            in done.stderr
        )

    def test_no_permission_to_look_for_groups(self, proxy, logs, run):
        proxy.rule = lambda seen: refusal("AccessDeniedException", "no")
        done = run("index", f"cloudwatch:{GROUP}", "--quiet")
        assert done.returncode == 2
        assert "the permission logs:DescribeLogGroups" in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_a_throttled_run_reads_everything_and_says_it_once(self, proxy, logs, source, caplog):
        logs.group(GROUP, "eni-a", "eni-b")
        logs.put(GROUP, *map(record, range(1, 51)), stream="eni-a", ago=2 * HOUR)
        logs.put(GROUP, *map(record, range(51, 101)), stream="eni-b")
        requests = []

        def rule(seen: Seen) -> Answer | None:
            if not operation(seen):  # EC2, which has other words for it
                return None
            requests.append(seen)
            return refusal("ThrottlingException", "Rate exceeded") if len(requests) % 3 else None

        proxy.rule = rule
        with caplog.at_level(logging.WARNING, "vpcflow"):
            assert sorted(ports(read(source()))) == list(range(1, 101))
        assert [it.getMessage() for it in caplog.records] == [
            "CloudWatch Logs throttles requests (FilterLogEvents has a quota an account and region); "
            "reading goes on more slowly"
        ]

    def test_a_machine_whose_clock_is_slow(self, proxy, logs, source):
        """What AWS calls past is read, though it lies in this machine's future."""
        proxy.ahead = HOUR
        logs.group(GROUP)
        logs.put(GROUP, record(1), ago=-HOUR / 2)
        assert ports(read(source())) == [1]

    def test_what_can_not_be_told_is_left_to_a_run_that_knows_the_format(self, logs, source, run):
        logs.group(GROUP)
        logs.put(GROUP, "10.0.0.2 10.0.0.1 840")
        done = run("index", f"cloudwatch:{GROUP}", "--quiet")
        assert done.returncode == 1
        assert f"Error: cloudwatch:{GROUP}/{STREAM}: " in done.stderr
        done = run("index", f"cloudwatch:{GROUP}", "--format", "dstaddr srcaddr bytes", "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        done = run("query", 'SELECT "source.ip" AS ip FROM flows', "--format", "json")
        assert json.loads(done.stdout) == [{"ip": "10.0.0.1"}]
