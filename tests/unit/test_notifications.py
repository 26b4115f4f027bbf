"""S3's notifications, in every shape in which they arrive."""

from __future__ import annotations

import json

import pytest

from vpcflow import DecodeError
from vpcflow.aws.notifications import Notice, read_notices

#: As S3 sends it to a queue.
DIRECT = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2023-03-17T05:32:42.728Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AWS:AIDAWHL7AXDB2IME26NB3"},
            "requestParameters": {"sourceIPAddress": "52.94.133.0"},
            "responseElements": {"x-amz-request-id": "B86806D8E85F4A5F"},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "flow-logs",
                "bucket": {
                    "name": "flows",
                    "ownerIdentity": {"principalId": "A2EOMKP5A4DS45"},
                    "arn": "arn:aws:s3:::flows",
                },
                "object": {
                    "key": "AWSLogs/123456789010/vpcflowlogs/eu-west-1/2023/03/17/a.log.gz",
                    "size": 3097,
                    "eTag": "3e7705498e8be60520841409ebc69bc1",
                    "sequencer": "006418B43A76BC0257",
                },
            },
        }
    ]
}
#: As EventBridge sends it.
EVENTBRIDGE = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789010",
    "time": "2023-03-17T05:32:42Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:s3:::flows"],
    "detail": {
        "version": "0",
        "bucket": {"name": "flows"},
        "object": {"key": "year=2023/a+b.log.gz", "size": 744, "etag": "b1946ac92492d2347c6235b4d2611184"},
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "reason": "PutObject",
    },
}
#: What S3 sends once, when notifications are set up.
TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2023-03-17T05:30:00.000Z",
    "Bucket": "flows",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}
NOTICE = Notice(
    event="ObjectCreated:Put",
    bucket="flows",
    key="AWSLogs/123456789010/vpcflowlogs/eu-west-1/2023/03/17/a.log.gz",
    size=3097,
    time=1679031162.728,
    region="eu-west-1",
)


def through_sns(message: object) -> dict[str, str]:
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789010:flows",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(message),
        "Timestamp": "2023-03-17T05:32:43.000Z",
    }


def to_a_function(message: object) -> dict[str, object]:
    """How a topic calls a function."""
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": through_sns(message)}]}


def with_key(key: str) -> dict[str, object]:
    return json.loads(json.dumps(DIRECT).replace(NOTICE.key, key))


@pytest.mark.parametrize(
    "wrap", [lambda message: message, through_sns, to_a_function], ids=["direct", "SNS", "SNS to Lambda"]
)
def test_the_object_that_s3_tells_of(wrap):
    assert read_notices(wrap(DIRECT)) == [NOTICE]
    assert read_notices(json.dumps(wrap(DIRECT))) == [NOTICE]
    assert NOTICE.created


@pytest.mark.parametrize(
    "wrap", [lambda message: message, through_sns], ids=["EventBridge", "EventBridge through SNS"]
)
def test_the_object_that_eventbridge_tells_of(wrap):
    [notice] = read_notices(wrap(EVENTBRIDGE))
    assert notice == Notice(
        event="Object Created",
        bucket="flows",
        key="year=2023/a+b.log.gz",  # EventBridge doesn't encode keys: the plus is a plus
        size=744,
        time=1679031162.0,
        region="eu-west-1",
    )
    assert notice.created


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("aws-region%3Deu-west-1/year%3D2026/a.log.gz", "aws-region=eu-west-1/year=2026/a.log.gz"),
        ("red+flower.log", "red flower.log"),
        ("1%2B1.log", "1+1.log"),
        ("100%25/a.log", "100%/a.log"),
        ("%E2%82%AC.log", "€.log"),
    ],
)
def test_keys_are_decoded(encoded, key):
    [notice] = read_notices(with_key(encoded))
    assert notice.key == key


def test_one_message_may_tell_of_several_objects():
    two = {"Records": [*DIRECT["Records"], *with_key("b.log")["Records"]]}
    assert [notice.key for notice in read_notices(two)] == [NOTICE.key, "b.log"]


@pytest.mark.parametrize("message", [TEST, through_sns(TEST), {"Records": []}])
def test_a_test_message_tells_of_nothing(message):
    assert read_notices(message) == []


@pytest.mark.parametrize(
    ("event", "created"),
    [
        ("ObjectCreated:CompleteMultipartUpload", True),
        ("ObjectCreated:Copy", True),
        ("s3:ObjectCreated:Put", True),
        ("ObjectRemoved:Delete", False),
        ("LifecycleExpiration:Delete", False),
        ("ObjectTagging:Put", False),
    ],
)
def test_only_new_objects_are_to_be_read(event, created):
    [notice] = read_notices(json.loads(json.dumps(DIRECT).replace("ObjectCreated:Put", event)))
    assert notice.created is created


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("2 123456789010 eni-1235b8ca123456789 - - - -", r"is not JSON \(.*\), so it is no notification of S3"),
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1, 2]", "is JSON, but no notification of S3"),
        ('{"hello": "world"}', "is JSON, but no notification of S3"),
        ('{"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {}}]}', "has a record of aws:dynamodb, not of S3"),
        ('{"Records": [7]}', "has a record of unknown origin"),
        ('{"Records": [{"s3": {}}]}', "can't be read: 'eventName' is missing"),
        ('{"Records": [{"s3": 5, "eventName": "ObjectCreated:Put"}]}', "is a notification of S3 that can't be read"),
        (json.dumps(with_key("%FF.log")), "can't be read: .*utf-8"),
        (json.dumps(EVENTBRIDGE | {"source": "aws.ec2"}), "is an event of aws.ec2, not of S3"),
        (json.dumps(EVENTBRIDGE | {"detail": None}), "is a notification of S3 that can't be read"),
        (json.dumps(through_sns("hello")), "is JSON, but no notification"),
        ('{"Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:eu-west-1:1:t"}', "subscribed to arn:aws:sns:eu-west-1:1:t; confirm"),
    ],
)  # fmt: skip
def test_a_message_that_is_no_notification_says_what_it_is(message, what):
    with pytest.raises(DecodeError, match=what):
        read_notices(message)


def test_times_that_say_nothing_are_left_out():
    [notice] = read_notices(json.loads(json.dumps(DIRECT).replace("2023-03-17T05:32:42.728Z", "yesterday")))
    assert notice.time is None
