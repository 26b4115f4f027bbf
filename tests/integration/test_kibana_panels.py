"""Every panel that ships, asked of a real Elasticsearch as Lens would ask it, over a made-up day of flows.

Lens makes its requests in the browser, from the columns of a panel; `request` does the same here: what groups
becomes a bucket aggregation within the one before, numbers become metrics in the innermost, filters are KQL. Where several fields make
one group, the first stands for them: the tests' server has no `multi_terms`.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

import samples
import vpcflow
from attacks import ATTACKER, HOST, LISTED, OTHER, SWEDEN, enrichers, flow, log, silence
from vpcflow import demo
from vpcflow.alerts.rules import load_all
from vpcflow.dashboards import load
from vpcflow.elastic import setup
from vpcflow.elastic.template import data_stream
from vpcflow.kibana.assets import folder, saved_objects
from vpcflow.kibana.build.lens import LAG
from vpcflow.kibana.build.needs import need
from vpcflow.query import dsl, esql
from vpcflow.query import kql as kql_language

PANELS = [
    pytest.param(panel, id=f"{one['id']}-{panel['panelIndex']}")
    for one in saved_objects()
    if one["type"] == "dashboard"
    for panel in json.loads(one["attributes"]["panelsJSON"])
    if panel["type"] == "lens" and not panel["title"].startswith("Lag")
]

#: What the day has none of, though every format could log it.
NOT_IN_THE_DAY = (
    "Databases that a public address reached",
    "Unreadable lines",
    "Where unreadable lines come from",
    "Refused answers to accepted requests",
)


@pytest.fixture(scope="module")
def stream(elasticsearch_url, es, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bucket")
    demo.write(folder, date(2026, 11, 23), lines=20_000)
    vpcflow.index([folder], to=elasticsearch_url, namespace="kibanapanels")
    name = data_stream("kibanapanels")
    es.indices.refresh(index=name)
    return name


def columns(panel):
    state = panel["embeddableConfig"]["attributes"]["state"]
    ((_, layer),) = state["datasourceStates"]["formBased"]["layers"].items()
    return layer["columnOrder"], layer["columns"], state["query"]["query"]


def kql(text):
    return {"kql": {"query": text}} if text else {"match_all": {}}


def metric(column):
    """One number, over the documents that its own filter leaves."""
    kind, field = column["operationType"], column["sourceField"]
    if kind == "count":
        found = {"value_count": {"field": "@timestamp"}}
    else:
        found = {{"sum": "sum", "unique_count": "cardinality"}[kind]: {"field": field}}
    if "filter" not in column:
        return found
    return {"filter": kql(column["filter"]["query"]), "aggs": {"value": found}}


def request(panel):
    order, found, text = columns(panel)
    aggs = {}
    for name in order:
        column = found[name]
        if column["isBucketed"] or column["operationType"] in ("formula", "math") or "timeShift" in column:
            continue
        aggs[name] = metric(column)
    for name in reversed(order):
        column = found[name]
        if not column["isBucketed"]:
            continue
        if column["operationType"] == "date_histogram":
            bucket = {"date_histogram": {"field": column["sourceField"], "fixed_interval": "30m"}}
        else:
            params = column["params"]
            fields = [column["sourceField"], *params.get("secondaryFields", [])]
            by = params["orderBy"]["columnId"]
            by = by if by in aggs else next((one for one in aggs if one.startswith("metric")), "_count")
            by = by if by in aggs else "_count"
            bucket = {
                "terms": {"field": fields[0], "size": params["size"], "order": {by: params["orderDirection"]}}
            }
        aggs = {name: bucket | {"aggs": aggs}}
    return {"query": kql(text), "aggs": aggs, "size": 0, "track_total_hits": True}


def needed(panel):
    """What the panel's fields need, beside a flow log in the default format."""
    _, found, _ = columns(panel)
    names = {column.get("sourceField") for column in found.values()}
    names |= {name for column in found.values() for name in column["params"].get("secondaryFields", [])}
    names -= {None, "___records___"}
    description = panel["embeddableConfig"]["attributes"]["description"]
    return "Needs " in description or any(need(name) for name in names)


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_an_answer(es, stream, panel):
    """Whoever logs in the default format sees something in every panel that doesn't say that it needs more."""
    answer = es.search(index=stream, **request(panel))
    title = panel["title"].rpartition(" (")[0]
    if title in NOT_IN_THE_DAY or needed(panel):
        return
    assert answer["hits"]["total"]["value"] > 0
    order, found, _ = columns(panel)
    if found[order[0]]["isBucketed"]:
        assert answer["aggregations"][order[0]]["buckets"], title


#: A flow log with every field that a panel asks for, and in it all that they ask about.
RICH = (
    f"{samples.V2} vpc-id subnet-id instance-id az-id flow-direction traffic-path pkt-dst-aws-service reject-reason "
    "next-hop-interface-type next-hop-az-id tgw-attachment-id packets-lost-no-route packets-lost-blackhole"
)
HERE = "vpc-1 subnet-1 i-1 euw1-az1"
THERE = "nat_gateway euw1-az2 tgw-1 1 2"


def everything(end):
    out, back = f"{HERE} egress 8 S3 -", f"{HERE} ingress - - -"
    refused = f"{HERE} ingress - - BPA"
    yield f"{flow(end, HOST, SWEDEN, 443, size=9000)} {out} {THERE}"
    yield f"{flow(end, OTHER, HOST, 5432, action='REJECT')} {refused} - - - - -"
    yield f"{flow(end, HOST, OTHER, 40000, from_port=443, action='REJECT')} {out} - - - - -"
    yield f"{flow(end, ATTACKER, HOST, 22, action='REJECT')} {refused} - - - - -"
    yield f"{flow(end, ATTACKER, HOST, 5432)} {back} - - - - -"
    yield f"{flow(end, HOST, LISTED, 8443)} {out} - - - - -"
    for status in ("NODATA", "SKIPDATA"):
        yield f"{silence(end, status)} {HERE} - - - - - - - - -"
    yield "not a record"


@pytest.fixture(scope="module", params=["interface", "perimeter"])
def rich(request, elasticsearch_url, es, tmp_path_factory):
    """The same log in the two views of direction."""
    folder = tmp_path_factory.mktemp("rich")
    path = log(folder / "flow.log", RICH, list(everything(datetime(2026, 11, 23, 8, tzinfo=UTC))))
    view = vpcflow.Direction(internal_networks=["private"] if request.param == "perimeter" else None)
    namespace = f"rich{uuid.uuid4().hex[:12]}"
    vpcflow.index(path, to=elasticsearch_url, namespace=namespace, direction=view, enrich=enrichers(folder))
    es.indices.refresh(index=data_stream(namespace))
    return request.param, data_stream(namespace)


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_shows_something_of_a_log_that_has_everything(es, rich, panel):
    view, index = rich
    answer = es.search(index=index, **request(panel))
    if panel["title"].startswith("Availability zones") and view == "perimeter":
        assert answer["hits"]["total"]["value"] == 0  # as its description says
        return
    assert answer["hits"]["total"]["value"] > 0
    order, found, _ = columns(panel)
    if found[order[0]]["isBucketed"]:
        assert answer["aggregations"][order[0]]["buckets"]
    if panel["title"].startswith("Bytes by direction"):
        keys = {bucket["key"] for bucket in answer["aggregations"]["group-0"]["buckets"]}
        assert keys == ({"ingress", "egress"} if view == "interface" else {"inbound", "outbound", "internal"})
    if panel["title"].startswith("Bytes through NAT gateways"):
        assert answer["aggregations"]["metric-0"]["value"] == 9000


def test_numbers_of_the_day(es, stream):
    """The panels say what is known of the day: not only that they answer."""

    def asked(title):
        (panel,) = (one.values[0] for one in PANELS if one.values[0]["title"].startswith(title))
        return es.search(index=stream, **request(panel)).body

    def value(answer):
        return next(iter(answer["aggregations"].values()))["value"]

    total = es.count(index=stream)["count"]
    silent = value(asked("Intervals without traffic"))
    skipped = value(asked("Intervals that AWS skipped"))
    assert (silent, skipped) != (0, 0)
    assert value(asked("Flows (")) == total - silent - skipped
    scan = asked("Port scans")["aggregations"]["group-0"]["buckets"][0]
    assert scan["key"] == "198.51.100.23"
    sources = asked("Big egress")["aggregations"]["group-0"]["buckets"]
    assert "203.0.113.200" in {pair["key"] for source in sources for pair in source["group-1"]["buckets"]}


def test_the_lag_is_what_duckdb_makes_of_the_documents(es, namespace):
    """As the panel asks, in ES|QL: records of two times, stored up to some hours after."""
    setup.put_template(es)
    lags = {0: [30, 40, 50, 700], 60: [20, 20, 3600], 130: []}  # seconds, by minutes of the hour
    start = datetime(2026, 11, 23, 8, tzinfo=UTC)
    lines = []
    for minute, waits in lags.items():
        for wait in waits or [0]:
            end = start + timedelta(minutes=minute, seconds=wait % 7)
            document = {"@timestamp": end.isoformat()}
            if waits:
                document["event"] = {"ingested": (end + timedelta(seconds=wait)).isoformat()}
            lines += [json.dumps({"create": {}}), json.dumps(document)]
    name = data_stream(namespace)
    answer = es.bulk(operations=("\n".join(lines) + "\n").encode(), index=name, refresh=True)
    assert not answer["errors"]
    rows = es.esql.query(query=LAG.replace("logs-aws.vpcflow-*", name)).body
    assert [column["name"] for column in rows["columns"]] == ["Median", "95th percentile", "period"]

    hits = es.search(index=name, size=100)["hits"]["hits"]
    documents = [json.dumps(hit["_source"]) for hit in hits]
    sql = """SELECT quantile_cont(lag, 0.5), quantile_cont(lag, 0.95), period FROM (
        SELECT epoch((d->>'$.event.ingested')::TIMESTAMPTZ) - epoch((d->>'$."@timestamp"')::TIMESTAMPTZ) AS lag,
        time_bucket(INTERVAL 10 MINUTES, (d->>'$."@timestamp"')::TIMESTAMPTZ) AS period
        FROM (SELECT unnest(?::VARCHAR[])::JSON AS d)) WHERE lag IS NOT NULL GROUP BY period ORDER BY period"""
    expected = duckdb.execute(sql, [documents]).fetchall()
    assert len(expected) == 2
    for row, (median, high, period) in zip(rows["values"], expected, strict=True):
        assert row[:2] == pytest.approx([median, high])
        assert datetime.fromisoformat(row[2]) == period


def filters():
    """Every filter of a panel, of a share, of a saved search and of a rule."""
    for path in sorted((folder() / "dashboards").glob("*.yml")):
        board = load(path)
        queries = [panel.query for panel in board.panels if panel.query]
        for query in [*queries, *([board.search.query] if board.search else [])]:
            yield query.filter
            yield from (metric.filter for metric in query.metrics if metric.filter)
    yield from (rule.filter for rule in load_all(folder() / "rules"))


def test_a_filter_finds_the_same_flows_in_every_language(es, stream):
    asked = {repr(one): one for one in filters() if one.tree is not None}
    assert len(asked) > 25
    found = {}
    for name, one in asked.items():
        by_dsl = es.count(index=stream, query=dsl.compile_filter(one))["count"]
        by_kql = es.count(index=stream, query=kql(kql_language.compile_filter(one)))["count"]
        query = f"FROM {stream} | WHERE {esql.compile_filter(one)} | STATS flows = COUNT(*) | LIMIT 1"
        ((by_esql,),) = es.esql.query(query=query).body["values"]
        assert by_dsl == by_kql == by_esql, name
        found[name] = by_dsl
    assert sum(number > 0 for number in found.values()) > 10
