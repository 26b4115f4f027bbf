"""What a function's environment says: formats, options, and where flows go."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from lambda_events import GROUP, STREAM, asked, logs_event, s3_event, sqs_event, subscribed

import samples
import vpcflow
import vpcflow.aws


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
