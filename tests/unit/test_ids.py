"""Digest ids: the same record from the same place has one id, however it is delivered."""

from __future__ import annotations

import json
from typing import Any

import vpcflow

LINE = b"2 123456789010 eni-1235b8ca 10.0.1.5 10.0.0.2 39812 443 6 1 40 1418530010 1418530070 ACCEPT OK\n"
#: Of a NAT gateway's format, which says no time.
NAT = vpcflow.Format("instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr")
UNTIMED = b"- eni-1235b8ca 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n"


def ids(data: bytes, *, format: vpcflow.Format | None = None, **origin: Any) -> list[str]:
    batch = vpcflow.parse(data, format=format, origin=vpcflow.Origin(**origin))
    actions = batch.to_bulk(ids="digest").splitlines()[::2]
    return [json.loads(action)["create"]["_id"] for action in actions]


def events(data: bytes, **origin: Any) -> list[str]:
    return ids(data, log_group="/aws/vpc/flowlogs", log_stream="eni-1235b8ca-all", **origin)


def test_the_same_line_at_two_places_of_an_object_is_two_records():
    assert len(set(ids(LINE * 2, path="flow.log"))) == 2


def test_an_object_in_s3_is_the_same_whatever_way_led_to_it():
    listed = ids(LINE, bucket="flow-logs", key="a.log", path="s3://flow-logs/a.log")
    assert ids(LINE, bucket="flow-logs", key="a.log", modified=1418530080.0) == listed
    assert ids(LINE, bucket="other", key="a.log") != listed


class TestEventsOfCloudWatchLogs:
    def test_they_are_known_by_group_stream_and_text_wherever_a_page_of_them_begins(self):
        other = LINE.replace(b"39812", b"39813")
        assert set(events(LINE + other)) == set(events(other) + events(LINE, ingestion_time=1418530200.0))
        assert ids(LINE, log_group="/aws/vpc/flowlogs", log_stream="eni-other") != events(LINE)

    def test_the_record_says_the_time_where_it_can(self):
        assert events(LINE, modified=1.0) == events(LINE, modified=2.0)

    def test_the_event_says_it_where_the_record_can_not(self):
        first = events(UNTIMED, format=NAT, modified=1418530010.0)
        assert events(UNTIMED, format=NAT, modified=1418530010.0) == first
        assert events(UNTIMED, format=NAT, modified=1418530070.0) != first

    def test_they_have_no_place_in_an_object(self):
        origin = vpcflow.Origin(log_group="group", log_stream="stream", ingestion_time=1418530200.25)
        (document,) = vpcflow.parse(LINE, origin=origin).to_ecs()
        assert "offset" not in document.get("log", {})
        assert document["awscloudwatch"] == {
            "log_group": "group",
            "log_stream": "stream",
            "ingestion_time": "2014-12-14T04:10:00.250Z",
        }
