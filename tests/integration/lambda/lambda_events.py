"""What Lambda's event sources send to a function."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import samples
from vpcflow.query.store import connect

LOG = gzip.compress(samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED]))
GROUP, STREAM = "/aws/vpc/flowlogs", "eni-1235b8ca123456789-all"


class Context:
    """What Lambda says of a call."""

    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def asked(store: Path, sql: str) -> list[tuple[Any, ...]]:
    with connect(store) as connection:
        return connection.execute(sql).fetchall()


def documents(store: Path) -> int:
    return asked(store, "SELECT count(*) FROM flows")[0][0] if store.exists() else 0


def s3_event(*keys: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-west-1",
                "eventTime": "2026-11-24T12:00:00.000Z",
                "eventName": event,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "flow-logs",
                    "bucket": {"name": "flows", "arn": "arn:aws:s3:::flows"},
                    "object": {"key": key, "size": 181, "eTag": "x", "sequencer": "006418B43A76BC0257"},
                },
            }
            for key in keys
        ]
    }


def eventbridge_event(key: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789010",
        "time": "2026-11-24T12:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:s3:::flows"],
        "detail": {"version": "0", "bucket": {"name": "flows"}, "object": {"key": key, "size": 181}},
    }


def sns_event(message: object) -> dict[str, Any]:
    notification = {
        "Type": "Notification",
        "TopicArn": "arn:aws:sns:eu-west-1:1:t",
        "Message": json.dumps(message),
    }
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": notification}]}


def sqs_event(*bodies: object) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{n}",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795526010359"},
                "messageAttributes": {},
                "md5OfBody": "7b270e59b47ff90a553787216d55d91d",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:flow-logs",
                "awsRegion": "eu-west-1",
            }
            for n, body in enumerate(bodies)
        ]
    }


def subscribed(*messages: str, kind: str = "DATA_MESSAGE", stream: str = STREAM, **more: Any) -> bytes:
    """What a subscription delivers, as it is before base64."""
    return gzip.compress(
        json.dumps(
            {
                "messageType": kind,
                "owner": "123456789010",
                "logGroup": GROUP,
                "logStream": stream,
                "subscriptionFilters": ["flow-logs"],
                "logEvents": [
                    {"id": f"{n:056}", "timestamp": 1418530010000 + n, "message": message, **more}
                    for n, message in enumerate(messages)
                ],
            }
        ).encode()
    )


#: CloudWatch Logs sends it now and then to see whether the destination is there.
CONTROL = gzip.compress(
    json.dumps(
        {
            "messageType": "CONTROL_MESSAGE",
            "owner": "CloudwatchLogs",
            "logGroup": "",
            "logStream": "",
            "subscriptionFilters": [],
            "logEvents": [{"id": "", "timestamp": 1510109208016, "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}],
        }
    ).encode()
)  # fmt: skip


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def logs_event(data: bytes) -> dict[str, Any]:
    return {"awslogs": {"data": text(data)}}


def kinesis_event(*data: bytes) -> dict[str, Any]:
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": f"4959033827149025660855969253836157109592157598913658889{n}",
                    "data": text(each),
                    "approximateArrivalTimestamp": 1545084650.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:4959033827149025660855969253836157109592157598913658889{n}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "eu-west-1",
                "eventSourceARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/flow-logs",
            }
            for n, each in enumerate(data)
        ]
    }


def firehose_event(*data: bytes) -> dict[str, Any]:
    return {
        "invocationId": "invoked123",
        "deliveryStreamArn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/flow-logs",
        "region": "eu-west-1",
        "records": [
            {"recordId": f"record-{n}", "approximateArrivalTimestamp": 1510772160000, "data": text(each)}
            for n, each in enumerate(data)
        ],
    }


def lines(*records: str) -> bytes:
    return "".join(f"{record}\n" for record in records).encode()


def wrapped(*records: str) -> bytes:
    return lines(*(json.dumps({"message": record}) for record in records))
