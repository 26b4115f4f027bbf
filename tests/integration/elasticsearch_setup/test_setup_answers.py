"""What can be asked of flows that are stored as `vpcflow setup` says, in either mode of an index."""

from __future__ import annotations

import json

import pytest
from set_up import LOG

import samples
import vpcflow
from vpcflow.elastic import setup
from vpcflow.elastic.template import Options, data_stream


@pytest.fixture(params=["logsdb", "standard"])
def filled(request, es, own, index):
    """A data stream of either mode, with the log in it."""
    plan = setup.prepare(es, Options(own, index_mode=request.param))
    setup.apply(es, plan)
    assert [change.error for change in plan.changes] == [None] * len(plan.changes)
    assert index(own).ok
    stream = data_stream(own)
    es.indices.refresh(index=stream)
    (backing,) = es.indices.get_settings(index=stream).body.values()
    assert backing["settings"]["index"].get("mode", "standard") == request.param
    return stream


QUERIES = {
    "an address": ({"term": {"source.ip": "203.0.113.7"}}, 2),
    "a network": ({"term": {"destination.ip": "10.0.0.0/8"}}, 3),
    "an IPv6 network": ({"term": {"source.ip": "2001:db8::/32"}}, 1),
    "either end": ({"term": {"related.ip": "52.95.128.179"}}, 2),
    "an address inside the packet": ({"term": {"aws.vpcflow.pkt_dstaddr": "10.0.0.62"}}, 1),
    "an address as text": ({"term": {"source.address": "203.0.113.7"}}, 2),
    "ports": ({"terms": {"destination.port": [22, 3389]}}, 2),
    "a range of ports": ({"range": {"source.port": {"gte": 49000, "lt": 49762}}}, 1),
    "large flows": ({"range": {"source.bytes": {"gt": 4000}}}, 2),
    "packets": ({"range": {"network.packets": {"lte": 2}}}, 3),
    "an action": ({"term": {"event.action": "REJECT"}}, 2),
    "an action, as AWS names it": ({"term": {"aws.vpcflow.action": "REJECT"}}, 2),
    "an outcome": ({"term": {"event.outcome": "success"}}, 3),
    "a kind": ({"term": {"event.type": "denied"}}, 2),
    "a direction": ({"term": {"network.direction": "egress"}}, 2),
    "an interface": ({"term": {"aws.vpcflow.interface_id": "eni-2"}}, 2),
    "an account": ({"term": {"cloud.account.id": "210987654321"}}, 1),
    "an account, as AWS names it": ({"term": {"aws.vpcflow.account_id": "210987654321"}}, 1),
    "some interfaces": ({"prefix": {"aws.vpcflow.interface_id": "eni-"}}, 6),
    "records without traffic": ({"term": {"aws.vpcflow.log_status": "NODATA"}}, 1),
    "a flag": ({"term": {"aws.vpcflow.tcp_flags_array": "ack"}}, 2),
    "a connection by its id": ({"term": {"network.community_id": "{community_id}"}}, 2),
    "an hour": ({"range": {"@timestamp": {"gte": "2014-12-14T04:00:00Z", "lt": "2014-12-14T05:00:00Z"}}}, 4),
    "began before": ({"range": {"event.start": {"lt": "2014-12-14T05:00:00Z"}}}, 4),
    "has a field": ({"exists": {"field": "source.bytes"}}, 5),
    "a new field of AWS": ({"term": {"aws.vpcflow.brand_new": "2024-05-01"}}, 1),
    "text over all fields": ({"query_string": {"query": "REJECT"}}, 2),
    "in Kibana's language": ({"kql": {"query": "source.ip: 203.0.113.0/24 and destination.port < 1024"}}, 1),
}


def test_queries_of_dashboards_and_rules_are_answered(filled, es):
    connection = next(
        document["network"]["community_id"]
        for document in vpcflow.parse(LOG).to_ecs()
        if document["source"]["ip"] == "10.0.1.5"
    )
    found = {}
    for name, (query, _) in QUERIES.items():
        asked = json.loads(json.dumps(query).replace("{community_id}", connection))
        found[name] = es.count(index=filled, query=asked)["count"]
    expected = {name: count for name, (_, count) in QUERIES.items()}
    assert found == expected


def test_aggregations_of_dashboards_and_rules_are_answered(filled, es):
    answer = es.search(
        index=filled,
        size=0,
        aggregations={
            "hours": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h", "min_doc_count": 1}},
            "talkers": {"terms": {"field": "source.ip", "order": {"bytes": "desc"}},
                        "aggregations": {"bytes": {"sum": {"field": "source.bytes"}}}},
            "ports": {"cardinality": {"field": "destination.port"}},
            "connections": {"cardinality": {"field": "network.community_id"}},
            "actions": {"terms": {"field": "event.action"}},
            "networks": {"ip_range": {"field": "source.ip", "ranges": [{"mask": "10.0.0.0/8"}]}},
            "longest": {"max": {"field": "event.end"}},
        },
    )["aggregations"]  # fmt: skip
    assert [bucket["doc_count"] for bucket in answer["hours"]["buckets"]] == [4, 2]
    assert [(b["key"], b["bytes"]["value"]) for b in answer["talkers"]["buckets"]][:2] == [
        ("52.95.128.179", 9000),
        ("10.0.1.5", 4249),
    ]
    assert answer["ports"]["value"] == 5
    assert answer["connections"]["value"] == 4
    assert {b["key"]: b["doc_count"] for b in answer["actions"]["buckets"]} == {"ACCEPT": 3, "REJECT": 2}
    assert answer["networks"]["buckets"][0]["doc_count"] == 1
    assert answer["longest"]["value_as_string"] == "2014-12-14T05:07:50.000Z"


def test_esql_answers_rules(filled, es):
    answer = es.esql.query(
        query=f'FROM {filled} | WHERE event.action == "REJECT" AND CIDR_MATCH(destination.ip, "10.0.0.0/8") '
        "| STATS ports = COUNT_DISTINCT(destination.port), bytes = SUM(network.bytes) BY source.ip "
        "| WHERE ports >= 2 | LIMIT 10"
    )
    assert answer["values"] == [[2, 80, "203.0.113.7"]]


def test_documents_come_back_whole(filled, es):
    hits = es.search(index=filled, size=10, sort="log.offset")["hits"]["hits"]
    expected = vpcflow.parse(LOG).to_ecs()
    assert len(hits) == len(expected)
    for hit, document in zip(hits, expected, strict=True):
        found = flatten(hit["_source"])
        wanted = flatten(document)
        for name in ("event.ingested", "data_stream.namespace", "log.file.path", "input.type", "log.offset"):
            found.pop(name, None)
            wanted.pop(name, None)
        assert found == wanted


def flatten(document, above=""):
    """Values by dotted name; lists as sorted lists, since synthetic source sorts them and unwraps single ones."""
    flat = {}
    for name, value in document.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{above}{name}.")
        else:
            flat[f"{above}{name}"] = sorted(value) if isinstance(value, list) else [value]
    return flat


def test_fields_that_nobody_knows_are_kept_and_mapped_only_where_they_belong(filled, es):
    document = {
        "@timestamp": "2026-01-01T00:00:00.000Z",
        "aws": {"vpcflow": {"later": {"deep": "x"}, "count": 7}},
        "labels": {"team": "net", "team.mail": "net@example.com", "cost": 12},
        "other": {"a": 1, "b": "text"},
        "source": {"ip": "10.0.0.1", "mystery": "kept"},
        "threat": {"indicator": {"ip": "10.0.0.1", "first_seen": "2025-12-31T00:00:00.000Z"}},
    }
    es.index(index=filled, document=document, op_type="create", refresh=True)
    (hit,) = es.search(index=filled, query={"term": {"aws.vpcflow.later.deep": "x"}})["hits"]["hits"]
    source = flatten(hit["_source"])
    for name in ("other.a", "other.b", "source.mystery", "labels.team", "labels.team.mail"):
        assert source[name] == flatten(document)[name], name
    caps = es.field_caps(index=filled, fields="*")["fields"]
    assert not {"other.a", "other.b", "source.mystery"} & caps.keys()
    assert [next(iter(caps[name])) for name in ("labels.team", "labels.team.mail", "labels.cost")] == [
        "keyword"
    ] * 3
    for query in ({"term": {"labels.team.mail": "net@example.com"}}, {"term": {"aws.vpcflow.count": 7}}):
        assert es.count(index=filled, query=query)["count"] == 1


def test_the_line_comes_back_when_it_was_kept(es, own, index):
    for mode in ("logsdb", "standard"):
        setup.apply(es, setup.prepare(es, Options(own, index_mode=mode)))
        if es.indices.exists(index=data_stream(own)):
            es.indices.rollover(alias=data_stream(own))
        assert index(own, samples.log(samples.V2, [samples.ACCEPTED, "x" * 40_000]), preserve_original=True)
    es.indices.refresh(index=data_stream(own))
    hits = es.search(index=data_stream(own), size=10)["hits"]["hits"]
    lines = sorted(hit["_source"]["event"]["original"] for hit in hits)
    assert lines == sorted([samples.ACCEPTED, "x" * 40_000] * 2)
