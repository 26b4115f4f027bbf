"""What becomes of objects that can't be read, and of a run whose queue is missing, silent or forbidden."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
from typing import Any

import pytest
from aws import Answer, denied
from queues import LOG, Queue, command, letters, put, rows, wait_until

import vpcflow
from vpcflow.sources.sqs import queue_region

#: What SQS says to those who lack a permission.
DENIED = Answer(
    403,
    b'{"__type": "com.amazon.coral.service#AccessDeniedException", "message": "Access denied"}',
    {"Content-Type": "application/x-amz-json-1.0"},
)


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
