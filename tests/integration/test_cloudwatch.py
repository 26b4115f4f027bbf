"""Log groups of CloudWatch Logs as sources, on a real moto server."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
from aws import ACCOUNT, REGION, Answer, Moto, Seen
from botocore.config import Config

import samples
import vpcflow
from vpcflow import ConfigError, Format
from vpcflow.elastic.template import data_stream
from vpcflow.sources import open_source
from vpcflow.sources.base import Item, SourceOptions
from vpcflow.sources.checkpoint import Checkpoint
from vpcflow.sources.cloudwatch import CloudWatchSource, ranges

GROUP = "/aws/vpc/flow-logs"
STREAM = "eni-1235b8ca123456789-all"
MINUTE, HOUR = 60, 3600


class Logs:
    """Writes log groups as AWS's services do."""

    def __init__(self, aws: Moto) -> None:
        self.client = aws.client("logs")

    def group(self, name: str, *streams: str) -> None:
        self.client.create_log_group(logGroupName=name)
        for stream in streams or (STREAM,):
            self.client.create_log_stream(logGroupName=name, logStreamName=stream)

    def put(self, group: str, *messages: str, stream: str = STREAM, ago: float = 30 * MINUTE) -> int:
        """Events of one moment, so many seconds ago; returns it (milliseconds)."""
        at = int((time.time() - ago) * 1000)
        self.client.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": at, "message": message} for message in messages],
        )
        return at


@pytest.fixture
def logs(aws: Moto) -> Logs:
    return Logs(aws)


@pytest.fixture
def source(aws: Moto, tmp_path: Path) -> Callable[..., CloudWatchSource]:
    """Opens a source whose checkpoint stays from one to the next."""

    def make(name: str = GROUP, **options: object) -> CloudWatchSource:
        quick = Config(retries={"total_max_attempts": 1})
        return CloudWatchSource(
            name,
            logs=boto3.client("logs", config=quick),
            ec2=lambda: boto3.client("ec2"),
            checkpoint=Checkpoint(tmp_path / "checkpoint.db", "cloudwatch", "target"),
            **options,
        )

    return make


@pytest.fixture
def run(aws: Moto, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `vpcflow` to its end."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vpcflow", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)

    return run


def record(port: int) -> str:
    """A record that is known by its source port."""
    return samples.ACCEPTED.replace(" 20641 ", f" {port} ")


def read(source: CloudWatchSource) -> list[dict]:
    """Everything that a source has now, stored."""
    documents = []
    for item in source.items():
        documents += documents_of(item)
        source.acknowledge(item)
    source.close()
    return documents


def formats(source: CloudWatchSource) -> list[Format | None]:
    """What a source says of the layout of its items."""
    found = []
    for item in source.items():
        found.append(item.format)
        source.acknowledge(item)
    source.close()
    return found


def documents_of(item: Item) -> list[dict]:
    assert not isinstance(item.data, Path)
    return vpcflow.parse(item.data.read(), format=item.format, origin=item.origin).to_ecs()


def ports(documents: list[dict]) -> list[int]:
    return [document["source"]["port"] for document in documents]


def operation(seen: Seen) -> str:
    return seen.headers.get("X-Amz-Target", "").rpartition(".")[2]


def refusal(code: str, message: str = "") -> Answer:
    """How CloudWatch Logs says no."""
    return Answer(
        400,
        json.dumps({"__type": code, "message": message}).encode(),
        {"Content-Type": "application/x-amz-json-1.1"},
    )


def passed_on(seen: Seen, to: str, body: bytes) -> Answer:
    """What the server says to another body."""
    headers = {**seen.headers, "Content-Length": str(len(body))}
    with urlopen(Request(to, body, headers), timeout=30) as answer:
        return Answer(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})


def vpcflow_time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def flow_log(aws: Moto, group: str, layout: str | None = None) -> None:
    """A flow log that writes to a group."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_flow_logs(
        ResourceIds=[vpc], ResourceType="VPC", TrafficType="ALL", LogGroupName=group,
        DeliverLogsPermissionArn=f"arn:aws:iam::{ACCOUNT}:role/flow-logs",
        **({"LogFormat": layout} if layout else {}),
    )  # fmt: skip


def spec(names: str) -> str:
    return " ".join(f"${{{name}}}" for name in names.split())


class TestDocuments:
    def test_what_the_carrier_knows(self, logs, source):
        logs.group(GROUP)
        before = time.time()
        logs.put(GROUP, samples.ACCEPTED, samples.REJECTED)
        documents = read(source())
        assert [document["event"]["action"] for document in documents] == ["ACCEPT", "REJECT"]
        [first, _] = documents
        ingested = first["awscloudwatch"].pop("ingestion_time")
        assert first["awscloudwatch"] == {"log_group": GROUP, "log_stream": STREAM}
        assert abs(vpcflow_time(ingested) - before) < 60
        assert first["log"] == {"file": {"path": f"{GROUP}/{STREAM}"}}
        assert first["input"]["type"] == "aws-cloudwatch"
        assert first["cloud"]["region"] == REGION

    def test_by_command(self, logs, run):
        logs.group(GROUP)
        logs.put(GROUP, samples.ACCEPTED, samples.REJECTED)
        done = run("index", f"cloudwatch:{GROUP}", "--to", "-", "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        assert [json.loads(line)["event"]["action"] for line in done.stdout.splitlines()] == [
            "ACCEPT",
            "REJECT",
        ]

    def test_each_stream_is_an_item(self, logs, source):
        logs.group(GROUP, "eni-a", "eni-b")
        logs.put(GROUP, record(1), record(2), stream="eni-a")
        logs.put(GROUP, record(3), stream="eni-b")
        with_streams = [(it["awscloudwatch"]["log_stream"], it["source"]["port"]) for it in read(source())]
        assert sorted(with_streams) == [("eni-a", 1), ("eni-a", 2), ("eni-b", 3)]

    def test_an_event_that_is_no_flow_log_line_is_reported_and_costs_nobody(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1), "START RequestId: 7c7b Version: $LATEST", record(2))
        good, bad, last = read(source())
        assert ports([good, last]) == [1, 2]
        assert bad["event"]["kind"] == "pipeline_error"
        assert bad["event"]["original"] == "START RequestId: 7c7b Version: $LATEST"

    def test_blank_and_control_messages_are_passed_over(self, logs, source):
        logs.group(GROUP)
        control = '{"messageType":"CONTROL_MESSAGE","logEvents":[]}'
        checking = "CWL CONTROL MESSAGE: Checking health of destination Firehose."
        logs.put(GROUP, " ", record(1), control, checking, "\n")
        assert ports(read(source())) == [1]

    def test_an_event_of_several_lines_is_one(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1), "Traceback\n  File x\r\nError", '{\n "message": "' + record(2) + '"\n}\n')
        good, bad, wrapped = read(source())
        assert ports([good, wrapped]) == [1, 2]
        assert bad["event"]["original"] == "Traceback   File x Error"

    def test_records_without_a_time_have_their_event_s(self, aws, logs, source):
        logs.group(GROUP)
        flow_log(aws, GROUP, spec(samples.NAT))
        [first, second, *_] = samples.GUIDE["NAT gateway"][1]
        logs.put(GROUP, first, ago=2 * HOUR)
        logs.put(GROUP, second, ago=HOUR)
        times = [vpcflow_time(document["@timestamp"]) for document in read(source())]
        assert times == pytest.approx([time.time() - 2 * HOUR, time.time() - HOUR], abs=60)


class TestLayout:
    def test_each_group_has_the_format_of_its_flow_log(self, aws, logs, source):
        """Fields in an order that nobody could guess."""
        swapped = "dstaddr srcaddr bytes packets start end"
        logs.group("/vpc/a")
        logs.group("/vpc/b")
        flow_log(aws, "/vpc/a", spec(swapped))
        flow_log(aws, "/vpc/b")
        logs.put("/vpc/a", "10.0.0.2 10.0.0.1 840 10 1418530010 1418530070")
        logs.put("/vpc/b", samples.ACCEPTED)
        custom, default = read(source("/vpc/*"))
        assert (custom["source"]["ip"], custom["source"]["bytes"]) == ("10.0.0.1", 840)
        assert default["source"]["port"] == 20641

    def test_two_flow_logs_that_write_differently_into_one_group_name_no_format(self, aws, logs, source):
        logs.group(GROUP)
        flow_log(aws, GROUP)
        flow_log(aws, GROUP, spec("dstaddr srcaddr bytes"))
        logs.put(GROUP, samples.ACCEPTED)
        assert formats(source()) == [None]

    def test_the_format_that_the_user_gives_needs_no_question(self, proxy, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, samples.ACCEPTED)
        assert formats(source(format=Format.default())) == [None]
        assert [seen for seen in proxy.seen if b"DescribeFlowLogs" in seen.body] == []

    def test_without_the_permission_the_records_have_to_say_it(self, proxy, logs, source):
        logs.group("/vpc/a")
        logs.group("/vpc/b")
        logs.put("/vpc/a", record(1))
        logs.put("/vpc/b", record(2))
        asked = []

        def rule(seen: Seen) -> Answer | None:
            if b"Action=DescribeFlowLogs" not in seen.body:
                return None
            asked.append(seen)
            code = "<Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
            return Answer(403, f"<Response><Errors>{code}</Errors></Response>".encode())

        proxy.rule = rule
        assert sorted(ports(read(source("/vpc/*")))) == [1, 2]
        assert len(asked) == 1

    def test_nor_does_an_answer_matter_that_makes_no_sense(self, proxy, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1))
        proxy.rule = lambda seen: Answer(502, b"<html>Bad gateway") if b"Action=" in seen.body else None
        assert ports(read(source())) == [1]


class TestWhichGroups:
    def test_a_prefix(self, logs, source):
        for n, name in enumerate(["/aws/vpc/a", "/aws/vpc/b", "/aws/lambda/c"]):
            logs.group(name)
            logs.put(name, record(n))
        assert sorted(ports(read(source("/aws/vpc/*", number_of_workers=2)))) == [0, 1]
        assert ports(read(source("*"))) == [2]

    def test_a_name_is_not_the_beginning_of_another(self, logs, source):
        for n, name in enumerate(["/vpc/a", "/vpc/ab"]):
            logs.group(name)
            logs.put(name, record(n))
        assert ports(read(source("/vpc/a"))) == [0]

    def test_an_arn_as_the_console_shows_it(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1))
        assert ports(read(source(f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"))) == [1]

    def test_the_region_of_an_arn(self, aws):
        far = aws.client("logs", region="us-west-2")
        far.create_log_group(logGroupName=GROUP)
        far.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
        event = {"timestamp": int(time.time() * 1000), "message": record(1)}
        far.put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=[event])
        arn = f"arn:aws:logs:us-west-2:{ACCOUNT}:log-group:{GROUP}"
        [document] = read(open_source(f"cloudwatch:{arn}", SourceOptions(target="-")))  # type: ignore[arg-type]
        assert document["cloud"]["region"] == "us-west-2"

    @pytest.mark.parametrize("allowed", [True, False], ids=["", "without logs:DescribeLogGroups"])
    def test_a_group_of_a_linked_account_is_named_by_its_arn(self, aws, proxy, logs, source, allowed):
        """moto has no linked accounts: the proxy is one."""
        logs.group(GROUP)
        logs.put(GROUP, record(1))
        arn = f"arn:aws:logs:{REGION}:999999999999:log-group:{GROUP}"

        def rule(seen: Seen) -> Answer | None:
            if operation(seen) == "DescribeLogGroups" and not allowed:
                return refusal("AccessDeniedException", "no")
            asked = json.loads(seen.body) if operation(seen) == "FilterLogEvents" else {}
            if asked.pop("logGroupIdentifier", None) != arn:
                return None
            asked["logGroupName"] = GROUP
            return passed_on(seen, aws.url, json.dumps(asked).encode())

        proxy.rule = rule
        assert ports(read(source(arn))) == [1]

    def test_streams_by_name_and_by_prefix(self, proxy, logs, source):
        logs.group(GROUP, "eni-a-all", "eni-b-all", "tgw-c")
        for n, stream in enumerate(["eni-a-all", "eni-b-all", "tgw-c"]):
            logs.put(GROUP, record(n), stream=stream)
        assert ports(read(source(log_streams=("eni-b-all",)))) == [1]
        # Another choice is another reading: what the one has stored is not stored for the other.
        assert ports(read(source(log_stream_prefix="eni-"))) == [0, 1]
        asked = [json.loads(seen.body) for seen in proxy.seen if operation(seen) == "FilterLogEvents"]
        assert (asked[0]["logStreamNames"], asked[-1]["logStreamNamePrefix"]) == (["eni-b-all"], "eni-")

    def test_an_empty_group(self, logs, source, run):
        logs.group(GROUP)
        assert read(source()) == []
        done = run("index", f"cloudwatch:{GROUP}")
        assert done.returncode == 0

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("/aws/vpc/missing", "there is no such log group; check name, --region and account"),
            ("/aws/vpc/missing*", "there is no log group whose name begins so"),
        ],
    )
    def test_a_group_that_is_not_there(self, aws, source, name, message):
        with pytest.raises(ConfigError, match=message):
            read(source(name))

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("", {}, "is not the name of a log group"),
            ("/a*b", {}, "a * at the end"),
            ("arn:aws:s3:::bucket", {}, "is not the ARN of a log group"),
            ("/a", {"log_streams": ("x",), "log_stream_prefix": "y"}, "exclude each other"),
            ("/a", {"log_streams": tuple(map(str, range(101)))}, "101 are too many"),
            ("/a", {"start_position": "middle"}, "start_position=middle: must be beginning, end"),
            ("/a", {"latency": -1}, "latency must be 0 or more"),
        ],
    )
    def test_what_is_no_source(self, source, name, options, message):
        with pytest.raises(ConfigError) as caught:
            source(name, **options)
        assert message in str(caught.value)


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


class TestElasticsearch:
    def test_events_that_are_read_twice_are_there_once(
        self, logs, tmp_path, elasticsearch_url, es, namespace
    ):
        """With a checkpoint that was lost, and ids that are made of group, stream and text."""
        for name in ("/vpc/a", "/vpc/b"):
            logs.group(name)
            logs.put(name, *map(record, range(50)), "no record")
        for checkpoint in ("one.db", "two.db"):
            result = vpcflow.index(
                "cloudwatch:/vpc/*",
                to=elasticsearch_url,
                namespace=namespace,
                source_options=SourceOptions(checkpoint=tmp_path / checkpoint),
            )
            assert (result.lines, result.failed, result.failures) == (102, 2, ())
        es.indices.refresh(index=data_stream(namespace))
        found = es.search(
            index=data_stream(namespace),
            size=0,
            track_total_hits=True,
            aggs={"groups": {"terms": {"field": "awscloudwatch.log_group"}}},
        )
        assert found["hits"]["total"]["value"] == 102
        buckets = found["aggregations"]["groups"]["buckets"]
        assert {it["key"]: it["doc_count"] for it in buckets} == {"/vpc/a": 51, "/vpc/b": 51}
