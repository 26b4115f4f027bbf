"""Which log groups and streams a source reads."""

from __future__ import annotations

import json
import time
from urllib.request import Request, urlopen

import pytest
from aws import ACCOUNT, REGION, Answer, Seen
from log_groups import GROUP, STREAM, operation, ports, read, record, refusal

from vpcflow import ConfigError
from vpcflow.sources import open_source
from vpcflow.sources.base import SourceOptions


def passed_on(seen: Seen, to: str, body: bytes) -> Answer:
    """What the server says to another body."""
    headers = {**seen.headers, "Content-Length": str(len(body))}
    with urlopen(Request(to, body, headers), timeout=30) as answer:
        return Answer(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})


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
