"""Log groups, what is in them, and what a source reads from them."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

from aws import ACCOUNT, Answer, Moto, Seen

import samples
import vpcflow
from vpcflow import Format
from vpcflow.sources.base import Item
from vpcflow.sources.cloudwatch import CloudWatchSource

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
