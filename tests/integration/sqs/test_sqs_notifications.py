"""A queue with S3's notifications as a source: which messages lead to records, and which to nothing."""

from __future__ import annotations

import json
import subprocess

from queues import Queue, command, letters, put

import vpcflow

#: With a key that notifications encode.
KEY = (
    "AWSLogs/aws-account-id=123456789010/aws-service=vpcflowlogs/aws-region=eu-west-2/year=2026/a b+c.log.gz"
)


def test_the_command_reads_what_a_bucket_announces(s3, queue, tmp_path):
    queue.announce(s3, "flows")
    put(s3, KEY, "b.log.gz")
    done = subprocess.run(
        command("index", f"sqs:{queue.url}", "--to", "out.ndjson"),
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, queue.left()) == (0, (0, 0)), done.stderr
    documents = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert len(documents) == 4
    [document] = [
        it
        for it in documents
        if it["aws"]["s3"]["object"]["key"] == KEY and it["event"]["action"] == "ACCEPT"
    ]
    assert document["source"]["ip"] == "172.31.16.139"
    assert document["input"]["type"] == "aws-s3"
    assert document["aws"]["s3"]["bucket"] == {"arn": "arn:aws:s3:::flows", "name": "flows"}
    assert document["log"]["file"]["path"] == f"https://flows.s3.eu-west-1.amazonaws.com/{KEY}"
    assert document["cloud"]["region"] == "eu-west-2", "from the key"


def test_notifications_come_through_sns_and_eventbridge(aws, s3, source, tmp_path):
    wrapped, raw, events = (Queue(aws, name) for name in ("wrapped", "raw", "events"))
    sns, eventbridge = aws.client("sns"), aws.client("events")
    topic = sns.create_topic(Name="flows")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=wrapped.arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw.arn, Attributes={"RawMessageDelivery": "true"})
    eventbridge.put_rule(
        Name="flows", EventPattern='{"source": ["aws.s3"], "detail-type": ["Object Created"]}'
    )
    eventbridge.put_targets(Rule="flows", Targets=[{"Id": "1", "Arn": events.arn}])
    s3.put_bucket_notification_configuration(
        Bucket="flows",
        NotificationConfiguration={
            "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}],
            "EventBridgeConfiguration": {},
        },
    )
    put(s3, KEY)
    for name, queue in (("wrapped", wrapped), ("raw", raw), ("events", events)):
        result = vpcflow.index(source(queue), to=tmp_path / f"{name}.ndjson")
        assert (result.documents, result.ok, queue.left()) == (2, True, (0, 0)), name
        assert KEY in (tmp_path / f"{name}.ndjson").read_text(), name


def test_an_empty_queue_ends_the_run(s3, queue, source, tmp_path):
    queue.announce(s3, "flows")  # nothing but the test message
    result = vpcflow.index(source(queue), to=tmp_path / "store")
    assert (result.files, result.ok, queue.left()) == (0, True, (0, 0))


def test_an_empty_object_and_a_folder_have_no_records(s3, queue, source, tmp_path):
    queue.announce(s3, "flows")
    put(s3, "empty.log", "AWSLogs/", body=b"")
    result = vpcflow.index(source(queue), to=tmp_path / "store")
    assert (result.files, result.lines, result.ok, queue.left()) == (1, 0, True, (0, 0))


def test_a_message_that_is_no_notification_is_given_up_at_once(s3, queue, source, tmp_path):
    put(s3, "a.log.gz")
    queue.send("2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA")
    queue.notice("a.log.gz")
    result = vpcflow.index(source(queue), to=tmp_path / "store", dead_letter=tmp_path / "dead")
    assert result.documents == 2
    [failure] = result.failures
    assert str(failure).startswith(f"sqs:{queue.url} message ")
    assert "is not JSON" in str(failure)
    [letter] = letters(tmp_path / "dead")
    assert "no notification of S3" in letter["reason"]
    assert sum(queue.left()) == 1, "the queue's redrive policy decides what becomes of it"


def test_notices_of_deletions_are_deleted_and_said_once(s3, queue, source, tmp_path, caplog):
    queue.announce(s3, "flows", "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    put(s3, "a.log.gz", "b.log.gz", "c.log.gz")
    for key in ("b.log.gz", "c.log.gz"):
        s3.delete_object(Bucket="flows", Key=key)
    result = vpcflow.index(
        source(queue, max_receives=1), to=tmp_path / "store", dead_letter=tmp_path / "dead"
    )
    # The notices of what was deleted since are there too, and lead nowhere.
    assert sorted(map(str, result.failures)) == [
        "s3://flows/b.log.gz: is not there any more",
        "s3://flows/c.log.gz: is not there any more",
    ]
    [said] = [record.getMessage() for record in caplog.records if "ObjectRemoved" in record.getMessage()]
    assert "limit the bucket's notifications to s3:ObjectCreated:*" in said
    assert result.documents == 2
    assert sum(queue.left()) == 2


def test_notices_of_what_other_services_put_there_are_deleted_and_said_once(
    s3, queue, source, tmp_path, caplog
):
    queue.announce(s3, "flows")
    trail = "AWSLogs/123456789010/CloudTrail/eu-west-1/2026/11/24"
    put(
        s3,
        f"{trail}/a.json.gz",
        f"{trail}/b.json.gz",
        "AWSLogs/123456789010/vpcflowlogs/eu-west-1/2026/11/24/a.log.gz",
    )
    result = vpcflow.index(source(queue), to=tmp_path / "store")
    assert (result.files, result.documents, result.ok, queue.left()) == (1, 2, True, (0, 0))
    [said] = [record.getMessage() for record in caplog.records]
    assert "objects of other services" in said
    assert f"s3://flows/{trail}/" in said


def test_notices_that_come_twice_leave_documents_once_in_elasticsearch(
    s3, *, queue, source, elasticsearch_url, es, namespace
):
    from vpcflow.elastic.template import data_stream

    put(s3, "a.log.gz")
    for _ in range(3):
        queue.notice("a.log.gz")
        result = vpcflow.index(source(queue), to=elasticsearch_url, namespace=namespace)
        assert result.documents == 2
    es.indices.refresh(index=data_stream(namespace))
    assert es.count(index=data_stream(namespace))["count"] == 2
