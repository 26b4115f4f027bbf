"""The short form of queries, and what KQL makes of its filters."""

from __future__ import annotations

import pytest

from vpcflow.errors import ConfigError
from vpcflow.query.filters import Filter
from vpcflow.query.kql import compile_filter
from vpcflow.query.model import Query


@pytest.mark.parametrize(
    ("written", "kql"),
    [
        (None, ""),
        ({"aws.vpcflow.action": "REJECT"}, "aws.vpcflow.action: REJECT"),
        ({"destination.port": 22}, "destination.port: 22"),
        ({"destination.port": [22, 3389]}, "destination.port: 22 or destination.port: 3389"),
        (
            {"source.port|lt": 1024, "destination.port|gte": 32768},
            "source.port < 1024 and destination.port >= 32768",
        ),
        ({"source.ip|cidr": "10.0.0.0/8"}, 'source.ip: "10.0.0.0/8"'),
        ({"source.ip|cidr": "fc00::/7"}, 'source.ip: "fc00::/7"'),
        ({"source.ip": "2001:db8::1"}, 'source.ip: "2001:db8::1"'),
        ({"source.ip|exists": True}, "source.ip: *"),
        ({"source.ip|exists": False}, "not source.ip: *"),
        ({"cloud.region|startswith": "eu-"}, "cloud.region: eu-*"),
        ({"log.file.path|contains": "a (b)"}, r"log.file.path: *a\ \(b\)*"),
        ({"labels.owner": "the lab's"}, 'labels.owner: "the lab\'s"'),
        ({"labels.owner": 'say "and"'}, 'labels.owner: "say \\"and\\""'),
        ({"labels.owner": "or"}, 'labels.owner: "or"'),
        ([{"source.port": 1}, {"source.port": 2}], "source.port: 1 or source.port: 2"),
        (
            {"a": {"source.port": [1, 2]}, "b": {"source.ip|cidr": "10.0.0.0/8"}, "condition": "a and not b"},
            '(source.port: 1 or source.port: 2) and not source.ip: "10.0.0.0/8"',
        ),
        (
            {"a": {"source.port": 1, "destination.port": 2}, "condition": "not a"},
            "not (source.port: 1 and destination.port: 2)",
        ),
    ],
)
def test_filters_in_kql(written, kql):
    assert compile_filter(Filter(written)) == kql


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ({"source.adress": 1}, "there is no field source.adress; did you mean source.address?"),
        ({"source.port|below": 1}, "the filter is none"),
        ({"source.port|lt": "many"}, "the filter is none"),
        ({"source.ip|cidr": "10.0.0.0/99"}, "the filter is none"),
        ({"a": {"source.port": 1}, "condition": "a and c"}, "the filter is none"),
        ("REJECT", "in no field"),
        (5, "the filter"),
    ],
)
def test_filters_that_mean_nothing(written, why):
    with pytest.raises(ConfigError, match=why.replace("?", r"\?")):
        Filter(written)


def test_a_query_knows_its_fields():
    query = Query.parse(
        {
            "filter": {"aws.vpcflow.action": "REJECT"},
            "group_by": ["source.ip", {"field": "destination.port", "limit": 5}],
            "bucket": "1h",
            "metrics": [
                {"count": "flows"},
                {"sum": "network.bytes", "as": "bytes"},
                {"distinct": "destination.ip", "as": "hosts"},
                {"share": {"network.direction": "egress"}, "as": "out"},
            ],
            "order_by": "-bytes",
            "limit": 10,
        }
    )
    assert query.fields() == [
        "aws.vpcflow.action",
        "source.ip",
        "destination.port",
        "network.bytes",
        "destination.ip",
        "network.direction",
    ]
    assert [metric.name for metric in query.metrics] == ["flows", "bytes", "hosts", "out"]
    assert [group.limit for group in query.group_by] == [None, 5]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"metrics": []}, "asks for no numbers"),
        ({"metrics": [{"avg": "network.bytes"}]}, "is none of"),
        ({"metrics": [{"sum": "source.ip"}]}, "it is no number"),
        ({"metrics": [{"sum": "network.byte"}]}, "did you mean network.bytes"),
        ({"metrics": "flows"}, "metrics must be a list"),
        ({"bucket": "hourly"}, "neither auto nor a length"),
        ({"order_by": "-bytes"}, "is none of flows"),
        ({"limit": 0}, "no number above 0"),
        ({"group_by": [{"name": "source.ip"}]}, "neither a field nor"),
        ({"group": ["source.ip"]}, "the query has no group"),
    ],
)
def test_queries_that_mean_nothing(change, why):
    with pytest.raises(ConfigError, match=why):
        Query.parse({"metrics": [{"count": "flows"}]} | change)
