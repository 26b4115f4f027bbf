"""What becomes of the events of a log group, and whose format they are read with."""

from __future__ import annotations

import json
import time

import pytest
from aws import REGION, Answer, Seen
from log_groups import GROUP, HOUR, STREAM, flow_log, formats, ports, read, record, spec, vpcflow_time

import samples
import vpcflow
from vpcflow import Format
from vpcflow.elastic.template import data_stream
from vpcflow.sources.base import SourceOptions


class TestDocuments:
    def test_what_the_carrier_knows(self, logs, source):
        logs.group(GROUP)
        before = time.time()
        logs.put(GROUP, samples.ACCEPTED, samples.REJECTED)
        documents = read(source())
        assert [document["event"]["action"] for document in documents] == ["ACCEPT", "REJECT"]
        [first, _] = documents
        ingested = first["awscloudwatch"].pop("ingestion_time")
        assert first["awscloudwatch"] == {"log_group": GROUP, "log_stream": STREAM}
        assert abs(vpcflow_time(ingested) - before) < 60
        assert first["log"] == {"file": {"path": f"{GROUP}/{STREAM}"}}
        assert first["input"]["type"] == "aws-cloudwatch"
        assert first["cloud"]["region"] == REGION

    def test_by_command(self, logs, run):
        logs.group(GROUP)
        logs.put(GROUP, samples.ACCEPTED, samples.REJECTED)
        done = run("index", f"cloudwatch:{GROUP}", "--to", "-", "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        assert [json.loads(line)["event"]["action"] for line in done.stdout.splitlines()] == [
            "ACCEPT",
            "REJECT",
        ]

    def test_each_stream_is_an_item(self, logs, source):
        logs.group(GROUP, "eni-a", "eni-b")
        logs.put(GROUP, record(1), record(2), stream="eni-a")
        logs.put(GROUP, record(3), stream="eni-b")
        with_streams = [(it["awscloudwatch"]["log_stream"], it["source"]["port"]) for it in read(source())]
        assert sorted(with_streams) == [("eni-a", 1), ("eni-a", 2), ("eni-b", 3)]

    def test_an_event_that_is_no_flow_log_line_is_reported_and_costs_nobody(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1), "START RequestId: 7c7b Version: $LATEST", record(2))
        good, bad, last = read(source())
        assert ports([good, last]) == [1, 2]
        assert bad["event"]["kind"] == "pipeline_error"
        assert bad["event"]["original"] == "START RequestId: 7c7b Version: $LATEST"

    def test_blank_and_control_messages_are_passed_over(self, logs, source):
        logs.group(GROUP)
        control = '{"messageType":"CONTROL_MESSAGE","logEvents":[]}'
        checking = "CWL CONTROL MESSAGE: Checking health of destination Firehose."
        logs.put(GROUP, " ", record(1), control, checking, "\n")
        assert ports(read(source())) == [1]

    def test_an_event_of_several_lines_is_one(self, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1), "Traceback\n  File x\r\nError", '{\n "message": "' + record(2) + '"\n}\n')
        good, bad, wrapped = read(source())
        assert ports([good, wrapped]) == [1, 2]
        assert bad["event"]["original"] == "Traceback   File x Error"

    def test_records_without_a_time_have_their_event_s(self, aws, logs, source):
        logs.group(GROUP)
        flow_log(aws, GROUP, spec(samples.NAT))
        [first, second, *_] = samples.GUIDE["NAT gateway"][1]
        logs.put(GROUP, first, ago=2 * HOUR)
        logs.put(GROUP, second, ago=HOUR)
        times = [vpcflow_time(document["@timestamp"]) for document in read(source())]
        assert times == pytest.approx([time.time() - 2 * HOUR, time.time() - HOUR], abs=60)


class TestLayout:
    def test_each_group_has_the_format_of_its_flow_log(self, aws, logs, source):
        """Fields in an order that nobody could guess."""
        swapped = "dstaddr srcaddr bytes packets start end"
        logs.group("/vpc/a")
        logs.group("/vpc/b")
        flow_log(aws, "/vpc/a", spec(swapped))
        flow_log(aws, "/vpc/b")
        logs.put("/vpc/a", "10.0.0.2 10.0.0.1 840 10 1418530010 1418530070")
        logs.put("/vpc/b", samples.ACCEPTED)
        custom, default = read(source("/vpc/*"))
        assert (custom["source"]["ip"], custom["source"]["bytes"]) == ("10.0.0.1", 840)
        assert default["source"]["port"] == 20641

    def test_two_flow_logs_that_write_differently_into_one_group_name_no_format(self, aws, logs, source):
        logs.group(GROUP)
        flow_log(aws, GROUP)
        flow_log(aws, GROUP, spec("dstaddr srcaddr bytes"))
        logs.put(GROUP, samples.ACCEPTED)
        assert formats(source()) == [None]

    def test_the_format_that_the_user_gives_needs_no_question(self, proxy, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, samples.ACCEPTED)
        assert formats(source(format=Format.default())) == [None]
        assert [seen for seen in proxy.seen if b"DescribeFlowLogs" in seen.body] == []

    def test_without_the_permission_the_records_have_to_say_it(self, proxy, logs, source):
        logs.group("/vpc/a")
        logs.group("/vpc/b")
        logs.put("/vpc/a", record(1))
        logs.put("/vpc/b", record(2))
        asked = []

        def rule(seen: Seen) -> Answer | None:
            if b"Action=DescribeFlowLogs" not in seen.body:
                return None
            asked.append(seen)
            code = "<Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error>"
            return Answer(403, f"<Response><Errors>{code}</Errors></Response>".encode())

        proxy.rule = rule
        assert sorted(ports(read(source("/vpc/*")))) == [1, 2]
        assert len(asked) == 1

    def test_nor_does_an_answer_matter_that_makes_no_sense(self, proxy, logs, source):
        logs.group(GROUP)
        logs.put(GROUP, record(1))
        proxy.rule = lambda seen: Answer(502, b"<html>Bad gateway") if b"Action=" in seen.body else None
        assert ports(read(source())) == [1]


class TestElasticsearch:
    def test_events_that_are_read_twice_are_there_once(
        self, logs, tmp_path, elasticsearch_url, es, namespace
    ):
        """With a checkpoint that was lost, and ids that are made of group, stream and text."""
        for name in ("/vpc/a", "/vpc/b"):
            logs.group(name)
            logs.put(name, *map(record, range(50)), "no record")
        for checkpoint in ("one.db", "two.db"):
            result = vpcflow.index(
                "cloudwatch:/vpc/*",
                to=elasticsearch_url,
                namespace=namespace,
                source_options=SourceOptions(checkpoint=tmp_path / checkpoint),
            )
            assert (result.lines, result.failed, result.failures) == (102, 2, ())
        es.indices.refresh(index=data_stream(namespace))
        found = es.search(
            index=data_stream(namespace),
            size=0,
            track_total_hits=True,
            aggs={"groups": {"terms": {"field": "awscloudwatch.log_group"}}},
        )
        assert found["hits"]["total"]["value"] == 102
        buckets = found["aggregations"]["groups"]["buckets"]
        assert {it["key"]: it["doc_count"] for it in buckets} == {"/vpc/a": 51, "/vpc/b": 51}
