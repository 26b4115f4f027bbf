"""A queue with S3's notifications as a source: what is read, when messages go, and what becomes of bad ones."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from aws import Answer, Moto, Proxy, denied

import samples
import vpcflow
from vpcflow.aws.session import client
from vpcflow.query.store import connect
from vpcflow.sources.sqs import SqsSource, queue_region

if TYPE_CHECKING:
    from pathlib import Path

LOG = samples.log(samples.V2, [samples.ACCEPTED, samples.REJECTED])
#: With a key that notifications encode.
KEY = (
    "AWSLogs/aws-account-id=123456789010/aws-service=vpcflowlogs/aws-region=eu-west-2/year=2026/a b+c.log.gz"
)


#: What SQS says to those who lack a permission.
DENIED = Answer(
    403,
    b'{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "Access denied"}',
    {"Content-Type": "application/x-amz-json-1.0"},
)


class Queue:
    """A queue of the test's own."""

    def __init__(self, aws: Moto, name: str = "flow-logs", **attributes: str) -> None:
        self.sqs = aws.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self._attributes()["QueueArn"]

    def _attributes(self) -> dict[str, str]:
        return self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]

    def announce(self, s3: Any, bucket: str, *events: str) -> Queue:
        """Has a bucket's news sent here. S3 sends a test message first."""
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {"QueueArn": self.arn, "Events": list(events) or ["s3:ObjectCreated:*"]}
                ]
            },
        )
        return self

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def notice(self, *keys: str, bucket: str = "flows", event: str = "ObjectCreated:Put") -> None:
        """Sends one message that tells of these objects."""
        records = [
            {
                "eventName": event,
                "awsRegion": "eu-west-1",
                "eventTime": "2026-11-24T12:00:00.000Z",
                "s3": {"bucket": {"name": bucket}, "object": {"key": key}},
            }
            for key in keys
        ]
        self.send(json.dumps({"Records": records}))

    def left(self) -> tuple[int, int]:
        """Messages that wait, and messages that somebody has in hand."""
        attributes = self._attributes()
        return (
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )

    def receive(self) -> list[dict[str, Any]]:
        """What another reader would get now."""
        return self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
        ).get("Messages", [])


@pytest.fixture
def s3(aws: Moto) -> Any:
    """A client; the bucket flows is there."""
    return aws.bucket("flows")


@pytest.fixture
def queue(aws: Moto) -> Queue:
    """Messages that somebody had come again after a second."""
    return Queue(aws, VisibilityTimeout="1")


@pytest.fixture
def source():
    """Opens sources as the command does, but waits only a second for an empty queue."""
    opened = []

    def make(queue: Queue, **options: Any) -> SqsSource:
        clients = {name: client(name) for name in ("sqs", "s3")}
        opened.extend(clients.values())
        return SqsSource(queue.url, **clients, **{"wait": 1, **options})

    yield make
    for each in opened:
        each.close()


def put(s3: Any, *keys: str, body: bytes | None = None) -> None:
    for key in keys:
        s3.put_object(Bucket="flows", Key=key, Body=gzip.compress(LOG) if body is None else body)


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "vpcflow", *map(str, args)]


def rows(store: Path, column: str = "count(*)") -> Any:
    with connect(store) as connection:
        return connection.execute(f"SELECT {column} FROM flows").fetchone()[0]


def letters(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_until(true, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


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


def test_a_message_stays_until_all_of_its_objects_are_stored(s3, queue, source, tmp_path):
    put(s3, "a.log.gz")
    put(s3, "broken.log.gz", body=gzip.compress(LOG)[:-6])
    queue.notice("a.log.gz", "broken.log.gz")
    result = vpcflow.index(
        source(queue, max_receives=1), to=tmp_path / "store", dead_letter=tmp_path / "dead"
    )
    assert [failure.item for failure in result.failures] == ["s3://flows/broken.log.gz"]
    assert sum(queue.left()) == 1
    # Mended and read again, the store has each record once.
    put(s3, "broken.log.gz")
    wait_until(lambda: queue.left() == (1, 0))
    assert vpcflow.index(source(queue), to=tmp_path / "store").ok
    assert (queue.left(), rows(tmp_path / "store")) == ((0, 0), 4)


def test_a_message_stays_when_the_target_takes_nothing(aws: Moto, s3, source, tmp_path):
    queue = Queue(aws, VisibilityTimeout="60")
    put(s3, "a.log.gz")
    queue.notice("a.log.gz")
    store = tmp_path / "store"
    store.mkdir()
    reader = source(queue)
    sink = vpcflow.sinks.open_sink(store)

    def refuse(item):
        raise OSError(28, "No space left on device")

    sink.open = refuse
    with pytest.raises(vpcflow.SinkError, match="make room"):
        vpcflow.index(reader, to=sink)
    # It is given back at once, not after the visibility time-out.
    assert queue.left() == (1, 0)
    assert queue.receive()[0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_what_is_being_read_is_kept_from_others(s3, queue, proxy: Proxy, source, tmp_path):
    """The object takes three times as long as the visibility time-out."""
    put(s3, "slow.log.gz")
    queue.notice("slow.log.gz")
    go_on = threading.Event()

    def slow(seen):
        if "slow.log.gz" in seen.path:
            go_on.wait(30)

    proxy.rule = slow
    reader = source(queue)
    results = []
    run = threading.Thread(target=lambda: results.append(vpcflow.index(reader, to=tmp_path / "store")))
    run.start()
    wait_until(lambda: proxy.count("slow.log.gz"))
    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert queue.receive() == []
        time.sleep(0.2)
    go_on.set()
    run.join(20)
    assert (results[0].documents, queue.left(), proxy.count("slow.log.gz")) == (2, (0, 0), 1)


def test_an_object_that_is_announced_twice_is_read_once_at_a_time(s3, queue, proxy: Proxy, source, tmp_path):
    put(s3, "a.log.gz")
    queue.notice("a.log.gz", "a.log.gz")
    queue.notice("a.log.gz")
    both = threading.Event()
    proxy.rule = lambda seen: both.wait(10) and None if "a.log.gz" in seen.path else None
    reader = source(queue)
    threading.Timer(1, both.set).start()
    result = vpcflow.index(reader, to=tmp_path / "store")
    assert (result.files, result.documents, queue.left()) == (1, 2, (0, 0))
    assert proxy.count("a.log.gz") == 1


def test_what_can_not_be_read_goes_to_the_dead_letter_file_after_some_times(aws, s3, source, tmp_path):
    dead_letters = Queue(aws, "dead")
    queue = Queue(
        aws,
        VisibilityTimeout="1",
        RedrivePolicy=json.dumps({"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": 2}),
    )
    put(s3, "a.log.gz", "b.log.gz")
    put(s3, "broken.log.gz", body=gzip.compress(LOG)[:-6])
    queue.notice("a.log.gz")
    queue.notice("broken.log.gz")
    queue.notice("b.log.gz")
    target, dead = tmp_path / "store", tmp_path / "dead.ndjson"
    first = vpcflow.index(source(queue, max_receives=2), to=target, dead_letter=dead)
    # A run for an empty queue doesn't wait for what comes again, but takes it when it comes in time.
    runs = [first]
    while not dead.exists():
        wait_until(lambda: queue.left() == (1, 0))
        runs.append(vpcflow.index(source(queue, max_receives=2), to=target, dead_letter=dead))
    assert sum(len(run.failures) for run in runs) == 2
    assert not any(run.ok for run in runs)
    [letter] = letters(dead)
    assert letter["path"] == "s3://flows/broken.log.gz"
    assert "cut short" in letter["reason"]
    # The queue's own policy has the last word.
    wait_until(lambda: queue.left() == (1, 0))
    assert queue.receive() == []
    assert (sum(queue.left()), sum(dead_letters.left())) == (0, 1)
    assert rows(target) == 6, "and what could be read of it is there"


def test_a_run_leaves_alone_what_it_has_given_up(s3, queue, source, tmp_path):
    put(s3, "broken.log.gz", body=b"\x1f\x8b\x08 this is no gzip")
    queue.notice("broken.log.gz")
    stop = threading.Event()
    threading.Timer(4, stop.set).start()
    result = vpcflow.index(
        source(queue, follow=True, max_receives=2),
        to=tmp_path / "store",
        dead_letter=tmp_path / "dead",
        stop=stop,
    )
    assert [failure.item for failure in result.failures] == ["s3://flows/broken.log.gz"] * 2
    assert len(letters(tmp_path / "dead")) == 1
    assert sum(queue.left()) == 1


def test_a_run_ends_although_what_it_has_given_up_keeps_coming(s3, queue, source, tmp_path):
    put(s3, "broken.log.gz", body=gzip.compress(LOG)[:-6])
    put(s3, "a.log.gz")
    for key in ("broken.log.gz", "a.log.gz"):
        queue.notice(key)
    result = vpcflow.index(
        source(queue, max_receives=1, wait=2), to=tmp_path / "store", dead_letter=tmp_path / "dead"
    )
    assert (len(result.failures), result.documents, len(letters(tmp_path / "dead"))) == (1, 4, 1)
    assert sum(queue.left()) == 1


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


def test_an_object_of_a_bucket_that_may_not_be_read_names_the_permission(s3, queue, proxy, source, tmp_path):
    put(s3, "a.log.gz")
    queue.notice("a.log.gz", bucket="others")
    queue.notice("a.log.gz")
    proxy.rule = lambda seen: denied() if seen.path.startswith("/others/") else None
    result = vpcflow.index(
        source(queue, max_receives=1), to=tmp_path / "store", dead_letter=tmp_path / "dead"
    )
    [failure] = result.failures
    assert "access denied" in str(failure)
    assert "s3:GetObject on arn:aws:s3:::others/a.log.gz" in str(failure)
    assert (result.documents, sum(queue.left())) == (2, 1)


def test_a_queue_that_answers_no_more_for_a_while_ends_no_run_that_follows(
    s3, *, queue, proxy, source, tmp_path, caplog
):
    put(s3, "a.log.gz")
    reader = source(queue, follow=True)
    refused = threading.Event()

    def refuse(seen: Any) -> Answer | None:
        if b"ReceiveMessage" in seen.headers.get("X-Amz-Target", "").encode() and not refused.is_set():
            refused.set()
            return Answer(400, b'{"__type": "com.amazonaws.sqs#InternalError", "message": "not now"}',
                          {"Content-Type": "application/x-amz-json-1.0"})  # fmt: skip
        return None

    proxy.rule = refuse
    queue.notice("a.log.gz")
    stop = threading.Event()
    threading.Thread(target=lambda: (wait_until(lambda: queue.left() == (0, 0)), stop.set())).start()
    result = vpcflow.index(reader, to=tmp_path / "store", stop=stop)
    assert refused.is_set()
    assert result.documents == 2
    assert any("trying again" in record.getMessage() for record in caplog.records)


def test_a_queue_that_is_not_there(aws, queue, tmp_path):
    done = subprocess.run(
        command("index", f"sqs:{queue.url}s"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: sqs:{queue.url}s: there is no such queue")


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("ReceiveMessage", "sqs:ReceiveMessage"),
        ("DeleteMessage", "sqs:DeleteMessage"),
    ],
)
def test_a_missing_permission_ends_the_run_and_is_named(
    s3, *, queue, proxy, source, tmp_path, operation, permission
):
    put(s3, "a.log.gz")
    queue.notice("a.log.gz")

    def deny(seen: Any) -> Answer | None:
        if seen.headers.get("X-Amz-Target") == f"AmazonSQS.{operation}":
            return DENIED
        return None

    proxy.rule = deny
    with pytest.raises(vpcflow.ConfigError, match=f"access denied: the permission {permission}"):
        vpcflow.index(source(queue, follow=True), to=tmp_path / "store")


def test_a_message_that_may_not_be_held_ends_the_run(s3, queue, proxy, source, tmp_path):
    put(s3, "slow.log.gz")
    queue.notice("slow.log.gz")
    asked = threading.Event()

    def deny(seen: Any) -> Answer | None:
        if seen.headers.get("X-Amz-Target") == "AmazonSQS.ChangeMessageVisibilityBatch":
            asked.set()
            return DENIED
        if "slow.log.gz" in seen.path:
            asked.wait(20)
        return None

    proxy.rule = deny
    with pytest.raises(vpcflow.ConfigError, match="the permission sqs:ChangeMessageVisibility"):
        vpcflow.index(source(queue, follow=True), to=tmp_path / "store")


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs", "eu-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/flow-logs", "cn-north-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/flow-logs", "us-gov-west-1"),
        ("https://us-east-2.queue.amazonaws.com/123456789012/flow-logs", "us-east-2"),
        ("http://localhost:4566/000000000000/flow-logs", None),
    ],
)
def test_a_queue_says_where_it_is(url, region):
    assert queue_region(url) == region


@pytest.mark.parametrize(
    "url", ["", "flow-logs", "arn:aws:sqs:eu-west-1:123456789012:flow-logs", "https://host"]
)
def test_a_queue_is_named_by_its_url(url):
    with pytest.raises(vpcflow.ConfigError, match=r"is no URL of a queue; it looks like sqs:https://sqs\."):
        queue_region(url)


def test_a_run_that_is_stopped_gives_back_what_it_has_not_read(s3, aws, proxy, source, tmp_path):
    queue = Queue(aws)  # where messages come again only after half a minute
    keys = [f"{n}.log.gz" for n in range(12)]
    put(s3, *keys)
    for key in keys:
        queue.notice(key)
    first, go_on, stop = threading.Event(), threading.Event(), threading.Event()

    def slow(seen):
        if ".log.gz" in seen.path:
            first.set()
            go_on.wait(20)

    proxy.rule = slow
    reader = source(queue, follow=True)
    results = []
    run = threading.Thread(
        target=lambda: results.append(vpcflow.index(reader, to=tmp_path / "store", workers=1, stop=stop))
    )
    run.start()
    assert first.wait(20)
    stop.set()
    go_on.set()
    run.join(20)
    [result] = results
    assert 1 <= result.files < len(keys)
    assert result.documents == 2 * result.files
    assert queue.left() == (len(keys) - result.files, 0)


def test_sigterm_ends_a_run_that_follows_with_nothing_acknowledged_that_is_not_stored(
    aws, s3, proxy, tmp_path
):
    queue = Queue(aws)
    put(s3, "good.log.gz", "slow.log.gz")
    queue.notice("good.log.gz")
    go_on = threading.Event()
    proxy.rule = lambda seen: go_on.wait(30) and None if "slow.log.gz" in seen.path else None
    store = tmp_path / "store"
    run = subprocess.Popen(
        command("index", f"sqs:{queue.url}", "--to", store, "--follow", "--workers", "1"),
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with run:
        wait_until(lambda: queue.left() == (0, 0))  # and it goes on waiting
        queue.notice("slow.log.gz")
        wait_until(lambda: proxy.count("slow.log.gz"))
        run.terminate()
        _, said = run.communicate(timeout=15)
        go_on.set()
    assert "Traceback" not in said
    assert (rows(store), queue.left()) == (2, (1, 0)), said


@pytest.mark.timeout(240)
def test_two_processes_share_a_queue_and_nothing_is_lost_when_one_is_killed(aws, s3, tmp_path):
    """1,000 objects of 20 records. The first process is killed half-way, the second goes on with its messages."""
    queue = Queue(aws, VisibilityTimeout="3").announce(s3, "flows")
    for n in range(1000):
        records = [samples.ACCEPTED.replace(" 20641 ", f" {20 * n + i} ") for i in range(20)]
        put(s3, f"AWSLogs/year=2026/{n:04}.log.gz", body=gzip.compress(samples.log(samples.V2, records)))
    store = tmp_path / "store"
    run = command("index", f"sqs:{queue.url}", "--to", store)

    def stored() -> int:
        return sum(1 for _ in store.glob("date=*/*.parquet"))

    with (tmp_path / "first").open("w") as output:
        first = subprocess.Popen(run, cwd=tmp_path, stdout=output, stderr=output)
    wait_until(lambda: stored() > 100, 60)
    second = subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with second:
        wait_until(lambda: stored() > 500, 60)
        first.kill()
        first.wait(10)
        at_the_kill = stored()
        assert sum(queue.left()) > 0
        said, _ = second.communicate(timeout=120)
        assert second.returncode == 0, said
    # What the first had in hand may have come again after the second saw an empty queue.
    while sum(queue.left()):
        subprocess.run(run, cwd=tmp_path, check=True, timeout=60)
    assert rows(store) == 20_000
    assert rows(store, 'count(DISTINCT "source.port")') == 20_000
    # The second had its share before the kill, and the first had: each of them held at most a few objects then.
    [files] = re.findall(r"^files +([\d,]+)", said, re.MULTILINE)
    assert 1000 - at_the_kill + 50 < int(files.replace(",", "")) < 900


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
