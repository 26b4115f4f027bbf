"""The handler for AWS Lambda, told of objects by S3, EventBridge, SNS and SQS."""

from __future__ import annotations

import pytest
from aws import REGION, denied
from lambda_events import (
    CONTROL,
    Context,
    asked,
    documents,
    eventbridge_event,
    logs_event,
    s3_event,
    sns_event,
    sqs_event,
)

import vpcflow
import vpcflow.aws

URL = f"https://flows.s3.{REGION}.amazonaws.com"


@pytest.mark.parametrize(
    "event",
    [
        s3_event("year%3D2026/a+b.log.gz"),
        eventbridge_event("year=2026/a b.log.gz"),
        sns_event(s3_event("year%3D2026/a+b.log.gz")),
    ],
    ids=["S3", "EventBridge", "SNS"],
)
def test_an_object_that_s3_announces(handler, bucket, store, event):
    assert handler(event) == {"objects": 1, "lines": 2, "documents": 2, "unreadable": 0, "refused": 0}
    assert asked(store, 'SELECT DISTINCT "log.file.path" FROM flows') == [(f"{URL}/year=2026/a b.log.gz",)]


@pytest.mark.parametrize(
    "event",
    [
        {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": "2026-11-24T12:00:00.000Z",
            "Bucket": "flows",
        },
        s3_event("a.log.gz", event="ObjectRemoved:Delete"),
        s3_event("AWSLogs/"),
        logs_event(CONTROL),
    ],
    ids=["test event", "deletion", "folder", "control message"],
)
def test_an_event_without_records(handler, store, event):
    assert handler(event)["objects"] == 0


def test_an_object_that_can_not_be_read_fails_the_call(handler, bucket, store):
    """S3 calls again, and the store then has each record once."""
    for _ in range(2):
        with pytest.raises(
            vpcflow.VpcflowError, match=r"s3://flows/cut.log.gz: .*cut short.*; what is not indexed"
        ):
            handler(s3_event("b.log.gz", "cut.log.gz"))
    assert documents(store) == 4


def test_of_a_batch_of_messages_only_those_that_failed_come_again(handler, bucket, store, caplog):
    event = sqs_event(
        s3_event("year%3D2026/a+b.log.gz"),
        s3_event("cut.log.gz"),
        "no notification at all",
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "flows"},
        sns_event(s3_event("b.log.gz"))["Records"][0]["Sns"],
        eventbridge_event("gone.log.gz"),
        s3_event("b.log.gz", "cut.log.gz"),
    )
    failures = handler(event)["batchItemFailures"]
    assert {failure["itemIdentifier"] for failure in failures} == {
        "message-1",
        "message-2",
        "message-5",
        "message-6",
    }
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("message message-2 is not JSON" in line for line in said)
    assert any("gone.log.gz" in line and "is not there any more" in line for line in said)
    assert asked(store, 'SELECT DISTINCT "log.file.path" AS path FROM flows ORDER BY path') == [
        (f"{URL}/b.log.gz",),
        (f"{URL}/cut.log.gz",),
        (f"{URL}/year=2026/a b.log.gz",),
    ]


def test_a_batch_that_is_indexed_has_no_failures(handler, bucket):
    assert handler(sqs_event(s3_event("b.log.gz"))) == {"batchItemFailures": []}


def test_a_batch_of_which_nothing_is_indexed_is_an_error_that_alarms_see(handler, bucket):
    with pytest.raises(vpcflow.VpcflowError, match="cut short"):
        handler(sqs_event(s3_event("cut.log.gz")))


def test_a_missing_permission_is_named(handler, bucket, proxy):
    proxy.rule = lambda seen: denied() if "b.log.gz" in seen.path else None
    with pytest.raises(
        vpcflow.VpcflowError, match=r"permission s3:GetObject on arn:aws:s3:::flows/b.log.gz is missing"
    ):
        handler(s3_event("b.log.gz"))


def test_what_there_is_no_time_for_comes_again(handler, bucket, caplog):
    with pytest.raises(vpcflow.VpcflowError, match="time was nearly up; give it more, or smaller batches"):
        handler(sqs_event(s3_event("b.log.gz"), s3_event("a.log.gz")), Context(seconds=0))
