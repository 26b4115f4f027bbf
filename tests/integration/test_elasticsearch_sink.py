"""The Elasticsearch sink against real servers: what is stored, what is refused, what is sent again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import vpcflow
from vpcflow import SinkError
from vpcflow.elastic import setup, template
from vpcflow.elastic.client import connect
from vpcflow.sinks.elasticsearch import ElasticsearchSink
from vpcflow.sources.base import Item

HEADER = (
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    b" log-status tcp-flags pkt-srcaddr region flow-direction traffic-path brand-new-field\n"
)
LINES = HEADER + (
    b"5 123456789010 eni-1235b8ca 10.0.1.5 52.95.128.179 44490 443 6 20 4249 1418530010 1418530070 ACCEPT"
    b" OK 19 10.0.0.62 eu-west-1 egress 8 2024-05-01\n"
    b"5 123456789010 eni-1235b8ca 172.31.9.69 172.31.9.12 49761 3389 6 1 40 1418530010 1418530070 REJECT"
    b" OK 2 172.31.9.69 eu-west-1 ingress - later\n"
    b"5 123456789010 eni-1235b8ca 2001:db8::1 2001:db8::2 80 99999 6 1 40 1418530010 1418530070 REJECT"
    b" OK 2 - eu-west-1 ingress - later\n"
    b"5 123456789010 eni-1235b8ca - - - - - - - 1418530010 1418530070 - NODATA - - eu-west-1 - - -\n"
)

ORIGIN = vpcflow.Origin(path="flow.log", input_type="log", modified=1418530080)
ITEM = Item("flow.log", "flow.log", Path("flow.log"), None, ORIGIN)


def send(sink, data=LINES):
    writer = sink.open(ITEM)
    before = writer.write(writer.encode(vpcflow.parse(data, origin=ORIGIN)))
    written = writer.commit().result()
    written.documents += before.documents
    written.nbytes += before.nbytes
    written.refused += before.refused
    return written


def many(count):
    """Lines of the default format, each another."""
    row = "2 123456789010 eni-1235b8ca 10.0.1.5 10.1.2.3 {} 443 6 1 40 1418530010 1418530070 ACCEPT OK\n"
    return "".join(row.format(1024 + n) for n in range(count)).encode()


def stored(es, stream):
    es.indices.refresh(index=stream)
    return [hit["_source"] for hit in es.search(index=stream, size=1000, sort="log.offset")["hits"]["hits"]]


def in_order(value):
    """Sorts every list: where the index makes its documents up from its columns, they come sorted."""
    for inner in value.values():
        if isinstance(inner, dict):
            in_order(inner)
        elif isinstance(inner, list):
            inner.sort()


@pytest.fixture
def open_sink(elasticsearch_url, namespace):
    """Makes sinks that write to the test's own data stream, and closes them."""
    sinks = []

    def make(**options):
        sinks.append(ElasticsearchSink(elasticsearch_url, namespace, **options))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def test_documents_are_stored_as_the_core_writes_them(open_sink, es, namespace):
    sink = open_sink(tags=("test",), preserve_original=True)
    written = send(sink)
    assert (written.documents, written.refused) == (4, [])
    assert written.nbytes > 0
    documents = stored(es, f"logs-aws.vpcflow-{namespace}")
    batch = vpcflow.parse(LINES, origin=ORIGIN)
    expected = batch.to_ecs(namespace=namespace, preserve_original=True, tags=("test",))
    for document in (*documents, *expected):
        document["event"].pop("ingested")
        in_order(document)
    assert documents == expected
    assert [document["event"]["kind"] for document in documents] == [
        "event",
        "event",
        "pipeline_error",
        "event",
    ]


def test_fields_can_be_asked_by_their_types(open_sink, es, namespace):
    send(open_sink())
    stream = f"logs-aws.vpcflow-{namespace}"
    es.indices.refresh(index=stream)
    queries = {
        "a network": ({"term": {"source.ip": "10.0.0.0/16"}}, 1),
        "a range of ports": ({"range": {"destination.port": {"gte": 1000, "lt": 4000}}}, 1),
        "a day": ({"range": {"@timestamp": {"gte": "2014-12-14", "lt": "2014-12-15"}}}, 4),
        "a flag": ({"term": {"aws.vpcflow.tcp_flags_array": "fin"}}, 1),
        "words of an error": ({"match": {"error.message": "dstport"}}, 1),
        "a field that nobody knows": ({"term": {"aws.vpcflow.brand_new_field": "2024-05-01"}}, 1),
    }
    found = {name: es.count(index=stream, query=query)["count"] for name, (query, _) in queries.items()}
    assert found == {name: count for name, (_, count) in queries.items()}
    caps = es.field_caps(index=stream, fields="aws.vpcflow.brand_new_field")["fields"]
    assert list(caps["aws.vpcflow.brand_new_field"]) == ["keyword"]


def test_every_field_has_the_type_that_the_template_says(open_sink, es, namespace):
    send(open_sink())
    stream = f"logs-aws.vpcflow-{namespace}"
    caps = es.field_caps(index=stream, fields="*")["fields"]
    # Elasticsearch reports the family: keyword for constant_keyword, text for match_only_text. Latitude and
    # longitude are columns of the store, and one geo_point here.
    expected = {
        name: template.STAND_INS.get(kind["type"], kind["type"])
        for name, kind in template.fields().items()
        if not name.endswith((".location.lat", ".location.lon"))
    }
    assert {name: next(iter(caps.get(name, ["nothing"]))) for name in expected} == expected
    original = caps["event.original"]["keyword"]
    assert (original["searchable"], original["aggregatable"]) == (False, False)
    backing = next(iter(es.indices.get_mapping(index=stream).body.values()))["mappings"]["properties"]
    assert backing["source"]["properties"]["geo"]["properties"]["location"] == {"type": "geo_point"}
    assert backing["aws"]["properties"]["s3"]["properties"]["metadata"] == {"type": "flattened"}


def test_a_refused_document_comes_back_and_the_others_are_stored(open_sink, es, namespace):
    stream = f"logs-aws.vpcflow-{namespace}"
    strict = {"source": {"properties": {"port": {"type": "short"}}}}
    es.indices.put_index_template(
        name=stream,
        index_patterns=[stream],
        priority=900,
        data_stream={},
        template={"mappings": {"properties": strict}},
    )
    try:
        lines = many(3).replace(b" 1025 443 ", b" 40000 443 ")
        written = send(open_sink(), lines)
    finally:
        es.indices.delete_index_template(name=stream)
    assert written.documents == 2
    (refusal,) = written.refused
    assert '"port":40000' in refusal.document
    assert "source.port" in refusal.reason
    assert "out of range" in refusal.reason
    assert "account" not in refusal.reason
    assert [document["source"]["port"] for document in stored(es, stream)] == [1024, 1026]


def test_digests_make_a_second_run_add_nothing(open_sink, es, namespace):
    sink = open_sink(ids="digest")
    assert [send(sink).documents, send(sink).documents] == [4, 4]
    assert len(stored(es, f"logs-aws.vpcflow-{namespace}")) == 4


def test_an_empty_batch_is_no_request(open_sink, es, namespace):
    empty = send(open_sink(), HEADER)
    assert (empty.documents, empty.refused) == (0, [])
    assert not es.indices.exists(index=f"logs-aws.vpcflow-{namespace}")


def test_the_template_is_put_once(es):
    notes = setup.put_template(es)
    assert all("stands in" in note for note in notes)
    before = es.cluster.state(metric="metadata")["metadata"]
    assert setup.put_template(es) == notes
    assert es.cluster.state(metric="metadata")["metadata"] == before


def test_a_newer_template_is_left_alone_and_an_older_one_is_replaced(es):
    setup.put_template(es)
    wanted = es.indices.get_index_template(name=template.NAME)["index_templates"][0]["index_template"]
    other = {
        "name": template.NAME,
        "index_patterns": wanted["index_patterns"],
        "priority": wanted["priority"],
        "data_stream": {},
        "meta": wanted["_meta"],
    }
    try:
        es.indices.put_index_template(**other, version=template.VERSION + 1)
        (note,) = setup.put_template(es)
        assert "newer vpcflow" in note
        stored = es.indices.get_index_template(name=template.NAME)["index_templates"][0]["index_template"]
        assert stored["version"] == template.VERSION + 1
    finally:
        es.indices.put_index_template(**other, version=template.VERSION - 1)
        setup.put_template(es)
    assert es.indices.get_index_template(name=template.NAME)["index_templates"][0]["index_template"] == wanted


def test_a_busy_server_gets_everything_in_the_end(own_elasticsearch):
    """Too much at once is 429, a killed server refuses connections: all is stored, and nothing twice."""
    server = own_elasticsearch(settings={"indexing_pressure.memory.limit": "512kb"})
    sink = ElasticsearchSink(server.url, ids="digest", give_up_after=60)
    impatient = ElasticsearchSink(server.url, give_up_after=1)
    try:
        assert send(sink, many(1500)).documents == 1500  # some 2 MB: the server has room for a quarter
        server.pause(kill=True)
        results = []
        thread = threading.Thread(target=lambda: results.append(send(sink, many(1600))))
        thread.start()
        time.sleep(1)
        server.resume()
        thread.join()
        assert [(result.documents, result.refused) for result in results] == [(1600, [])]
        with connect(server.url) as es:
            es.indices.refresh(index="logs-aws.vpcflow-default")
            assert es.count(index="logs-aws.vpcflow-default")["count"] == 1600
        server.pause()
        with pytest.raises(SinkError, match=r"took nothing for 1 s .*can't be reached"):
            send(impatient)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(send, sink)
            time.sleep(0.2)
            sink.abort()
            with pytest.raises(
                SinkError, match=r"stopped (before everything was stored|while the server was busy)"
            ):
                waiting.result()
    finally:
        sink.close()
        impatient.close()
