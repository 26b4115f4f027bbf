"""The handler for AWS Lambda, called by CloudWatch Logs, Kinesis and Firehose."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from lambda_events import (
    CONTROL,
    STREAM,
    asked,
    documents,
    firehose_event,
    kinesis_event,
    lines,
    logs_event,
    subscribed,
    text,
    wrapped,
)

import samples


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
