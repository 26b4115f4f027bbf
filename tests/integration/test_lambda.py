"""The handler for AWS Lambda, called with what each of its event sources sends."""

from __future__ import annotations

import base64
import gzip
import importlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws import REGION, denied

import samples
import vpcflow
import vpcflow.aws
from vpcflow.query.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = gzip.compress(samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED]))
ROOT = Path(__file__).parents[2]
URL = f"https://flows.s3.{REGION}.amazonaws.com"
GROUP, STREAM = "/aws/vpc/flowlogs", "eni-1235b8ca123456789-all"


class Context:
    """What Lambda says of a call."""

    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def handler(aws, store, monkeypatch, no_credentials) -> Callable[..., dict[str, Any]]:
    """The function after a cold start, with a Parquet store as its target."""
    monkeypatch.setenv("VPCFLOW_TO", str(store))
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    module = importlib.reload(importlib.import_module("vpcflow.aws.lambda_handler"))
    assert vpcflow.aws.handler is module.handler
    return lambda event, context=None: vpcflow.aws.handler(event, context or Context())


@pytest.fixture
def bucket(aws) -> Any:
    """The bucket flows with two good objects and one that is cut short."""
    return aws.bucket("flows", {"year=2026/a b.log.gz": LOG, "b.log.gz": LOG, "cut.log.gz": LOG[:-6]})


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


def test_events_of_a_log_group(handler, store):
    counts = handler(
        logs_event(subscribed(samples.ACCEPTED, samples.REJECTED, extractedFields={"srcaddr": "1.2.3.4"}))
    )
    assert counts["documents"] == 2
    assert asked(store, 'SELECT DISTINCT "cloud.region" FROM flows') == [("eu-west-1",)], "the function's"
    # Delivered again, they are there once; events that follow in the same stream are others.
    handler(logs_event(subscribed(samples.ACCEPTED, samples.REJECTED)))
    assert documents(store) == 2
    handler(logs_event(subscribed(samples.ACCEPTED, stream="eni-2-all")))
    assert documents(store) == 3


def test_records_of_a_kinesis_stream(handler, store):
    event = kinesis_event(
        subscribed(samples.ACCEPTED),
        CONTROL,
        subscribed(samples.REJECTED, stream="a") + subscribed(samples.ACCEPTED, stream="b"),
        lines(samples.ACCEPTED),  # as somebody else may have put them there
        subscribed(samples.ACCEPTED)[:-10],
        subscribed(samples.ACCEPTED, kind="OTHER_MESSAGE"),
    )
    failures = handler(event)["batchItemFailures"]
    assert failures == [{"itemIdentifier": event["Records"][n]["kinesis"]["sequenceNumber"]} for n in (4, 5)]
    assert documents(store) == 4


def test_a_layout_that_only_the_environment_knows(handler, store, monkeypatch):
    monkeypatch.setenv("VPCFLOW_FORMAT", "${srcaddr} ${dstaddr} ${dstport}")
    assert handler(logs_event(subscribed("10.0.0.1 10.0.0.2 443")))["documents"] == 1
    assert asked(store, 'SELECT "source.ip", "destination.port", "@timestamp"::VARCHAR FROM flows')[0][
        :2
    ] == ("10.0.0.1", 443)


def test_unreadable_lines_become_documents_or_lines_in_the_log(handler, store, monkeypatch, caplog):
    monkeypatch.setenv("VPCFLOW_FORMAT", "v2")
    event = logs_event(subscribed(samples.ACCEPTED, samples.REJECTED.replace(" 3389 ", " rdp ")))
    assert handler(event)["documents"] == 2
    monkeypatch.setenv("VPCFLOW_ON_ERROR", "dead-letter")
    assert handler(event)["documents"] == 1
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    letter = json.loads(said.removeprefix("not indexed: "))
    assert (letter["field"], letter["line"]) == ("dstport", 2)


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("VPCFLOW_TO", "", "set VPCFLOW_TO in the function's environment"),
        ("VPCFLOW_TO", "flows.ndjson", "each call would replace the file"),
        ("VPCFLOW_TO", "-", "each call would replace the file"),
        ("VPCFLOW_TO", "s3://bucket", "is not a target"),
        ("VPCFLOW_ON_ERROR", "fail", "must be index or dead-letter"),
        ("VPCFLOW_PRESERVE_ORIGINAL", "1", "must be false or true"),
        ("VPCFLOW_FORMAT", "$srcaddr", r"srcaddr"),
    ],
)
def test_an_environment_that_does_not_work(handler, *, monkeypatch, tmp_path, name, value, what):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(vpcflow.VpcflowError, match=what):
        handler(s3_event("a.log.gz"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("event", [{}, {"Records": [{"eventSource": "aws:dynamodb"}]}, {"hello": "world"}])
def test_an_event_of_something_else(handler, event):
    with pytest.raises(vpcflow.VpcflowError, match=r"none that vpcflow reads|not of S3"):
        handler(event)


def given_back(answer: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Results and documents, in order."""
    assert [record["recordId"] for record in answer["records"]] == [
        f"record-{n}" for n in range(len(answer["records"]))
    ]
    return [
        (record["result"], [json.loads(line) for line in base64.b64decode(record["data"]).splitlines()])
        for record in answer["records"]
    ]


def test_firehose_gets_documents_for_its_records(handler, store, monkeypatch):
    monkeypatch.setenv("VPCFLOW_NAMESPACE", "prod")
    monkeypatch.setenv("VPCFLOW_TAGS", "edge, blue")
    monkeypatch.setenv("VPCFLOW_PRESERVE_ORIGINAL", "true")
    monkeypatch.delenv("VPCFLOW_TO")
    answer = handler(
        firehose_event(
            lines(samples.ACCEPTED, samples.REJECTED),
            wrapped(samples.ACCEPTED),
            subscribed(samples.ACCEPTED, samples.REJECTED),
            subscribed(samples.ACCEPTED) + subscribed(samples.REJECTED, stream="b"),
            gzip.decompress(subscribed(samples.ACCEPTED)),  # Firehose has unpacked it
        )
    )
    results = given_back(answer)
    assert [result for result, _ in results] == ["Ok"] * 5
    assert [[document["event"]["action"] for document in found] for _, found in results] == [
        ["ACCEPT", "REJECT"],
        ["ACCEPT"],
        ["ACCEPT", "REJECT"],
        ["ACCEPT", "REJECT"],
        ["ACCEPT"],
    ]
    direct, logged = results[0][1][0], results[2][1][0]
    assert direct["data_stream"]["namespace"] == "prod"
    assert {"edge", "blue", "preserve_original_event"} <= set(direct["tags"])
    assert direct["event"]["original"] == samples.ACCEPTED
    assert "awscloudwatch" not in direct
    assert logged["awscloudwatch"]["log_stream"] == STREAM
    assert all(base64.b64decode(record["data"]).endswith(b"}\n") for record in answer["records"])


def test_firehose_gets_back_what_can_not_be_read_and_drops_what_is_nothing(handler, caplog):
    bad = [
        b"hello world, this is no flow log",
        subscribed(samples.ACCEPTED)[:-10],
        b'{"messageType": "DATA_MESSAGE"} {',
    ]
    event = firehose_event(CONTROL, b"\n", lines(samples.ACCEPTED), *bad)
    answer = handler(event)
    assert [record["result"] for record in answer["records"]] == ["Dropped", "Dropped", "Ok"] + [
        "ProcessingFailed"
    ] * 3
    assert [record["data"] for record in answer["records"][3:]] == [text(data) for data in bad]
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 3


def test_firehose_gets_no_more_than_a_function_may_answer(handler, caplog):
    """Lambda refuses answers of more than 6 MB, and all of their records with them."""
    answer = handler(firehose_event(*[lines(*[samples.ACCEPTED] * 1000)] * 6))
    assert len(json.dumps(answer)) < 6 * 1024 * 1024
    results = [record["result"] for record in answer["records"]]
    assert set(results) == {"Ok", "ProcessingFailed"}
    assert "lower the buffer size" in caplog.text


def test_documents_once_in_elasticsearch_and_one_connection_for_all_calls(
    handler, bucket, *, elasticsearch_url, es, namespace, monkeypatch
):
    from vpcflow.elastic.template import data_stream
    from vpcflow.sinks import elasticsearch

    connected = []
    connect = elasticsearch.connect
    monkeypatch.setattr(
        elasticsearch, "connect", lambda *args, **options: connected.append(1) or connect(*args, **options)
    )
    monkeypatch.setenv("VPCFLOW_TO", elasticsearch_url)
    monkeypatch.setenv("VPCFLOW_NAMESPACE", namespace)
    event = sqs_event(s3_event("b.log.gz"), s3_event("year%3D2026/a+b.log.gz"))
    for _ in range(3):
        assert handler(event) == {"batchItemFailures": []}
        handler(logs_event(subscribed(samples.ACCEPTED, samples.REJECTED)))
    es.indices.refresh(index=data_stream(namespace))
    assert es.count(index=data_stream(namespace))["count"] == 6
    [logged] = es.search(
        index=data_stream(namespace), q="awscloudwatch.log_stream:* AND event.action:REJECT"
    )["hits"]["hits"]
    assert logged["_source"]["awscloudwatch"] == {"log_group": GROUP, "log_stream": STREAM}
    assert logged["_source"]["input"]["type"] == "aws-cloudwatch"
    assert len(connected) == 1


def test_a_target_that_can_not_be_reached_fails_the_call_and_not_the_next_one(
    handler, bucket, store, monkeypatch
):
    monkeypatch.setenv("VPCFLOW_TO", "http://127.0.0.1:9")
    with pytest.raises(vpcflow.SinkError, match="can't be reached"):
        handler(sqs_event(s3_event("b.log.gz")))
    monkeypatch.setenv("VPCFLOW_TO", str(store))
    assert handler(sqs_event(s3_event("b.log.gz"))) == {"batchItemFailures": []}


def test_the_function_needs_neither_duckdb_nor_the_command_line(
    handler, bucket, *, elasticsearch_url, namespace, monkeypatch
):
    """The zip leaves them out: with DuckDB it would be twice as large."""
    monkeypatch.setenv("VPCFLOW_TO", elasticsearch_url)
    monkeypatch.setenv("VPCFLOW_NAMESPACE", namespace)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['click', 'duckdb', 'rich']))\n"
        f"import vpcflow.aws; print(vpcflow.aws.handler({s3_event('b.log.gz')!r}, None)['documents'])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "2\n", done.stderr


def test_the_template_makes_queue_function_and_mapping(aws):
    """examples/lambda/template.yaml, in moto's CloudFormation."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("vpcflow/aws/__init__.py", "")
    aws.bucket("code", {"vpcflow-lambda.zip": zipped.getvalue()})
    s3 = aws.bucket("flows")
    stacks = aws.client("cloudformation")
    values = {
        "LogBucket": "flows",
        "CodeBucket": "code",
        "ElasticsearchUrl": "https://elastic.example:9200",
        "ElasticsearchApiKey": "secret",
    }
    stacks.create_stack(
        StackName="flow-logs",
        TemplateBody=(ROOT / "examples" / "lambda" / "template.yaml").read_text(),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    outputs = {it["OutputKey"]: it["OutputValue"] for it in stacks.describe_stacks()["Stacks"][0]["Outputs"]}
    [function] = aws.client("lambda").list_functions()["Functions"]
    module, _, name = function["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    assert function["Environment"]["Variables"]["VPCFLOW_TO"] == "https://elastic.example:9200"
    [mapping] = aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["EventSourceArn"] == outputs["QueueArn"]
    assert mapping["FunctionArn"] == function["FunctionArn"]
    [policy] = aws.client("iam").list_role_policies(RoleName=function["Role"].rpartition("/")[2])[
        "PolicyNames"
    ]
    assert policy == "vpcflow"
    # The bucket's notifications arrive, and a queue with a redrive policy holds them.
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=outputs["QueueArn"].rpartition(":")[2])["QueueUrl"]
    s3.put_bucket_notification_configuration(
        Bucket="flows",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": outputs["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    s3.put_object(Bucket="flows", Key="b.log.gz", Body=LOG)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert int(attributes["ApproximateNumberOfMessages"]) == 2, "the test message, and the object's"
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 3
    # AWS's advice is six times the function's time-out.
    assert int(attributes["VisibilityTimeout"]) >= 6 * function["Timeout"]
