"""`vpcflow setup` against real servers: what it stores, what it leaves, and what can be asked of it afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import samples
import vpcflow
from vpcflow.elastic import setup, template
from vpcflow.elastic.client import connect
from vpcflow.elastic.template import Options, data_stream

#: A record that has every field of its layout, one of the default layout, and one that can't be read.
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    " log-status vpc-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id flow-direction traffic-path brand-new"
)
ROWS = [
    "5 123456789010 eni-1 10.0.1.5 52.95.128.179 44490 443 6 20 4249 1418530010 1418530070 ACCEPT OK vpc-1 19"
    " IPv4 10.0.0.62 52.95.128.179 eu-west-1 euw1-az1 egress 8 2024-05-01",
    "5 123456789010 eni-1 52.95.128.179 10.0.1.5 443 44490 6 30 9000 1418530010 1418530130 ACCEPT OK vpc-1 18"
    " IPv4 52.95.128.179 10.0.0.62 eu-west-1 euw1-az1 ingress - later",
    "5 123456789010 eni-2 203.0.113.7 10.0.1.9 49761 3389 6 1 40 1418530010 1418530070 REJECT OK vpc-1 2"
    " IPv4 203.0.113.7 10.0.1.9 eu-west-1 euw1-az1 ingress - later",
    "5 123456789010 eni-2 203.0.113.7 10.0.1.9 49762 22 6 1 40 1418530010 1418530070 REJECT OK vpc-1 2"
    " IPv4 203.0.113.7 10.0.1.9 eu-west-1 euw1-az1 ingress - later",
    "5 210987654321 eni-3 2001:db8::1 2001:db8:1::2 5000 53 17 2 150 1418533610 1418533670 ACCEPT OK vpc-2 0"
    " IPv6 2001:db8::1 2001:db8:1::2 eu-west-1 euw1-az2 egress 1 later",
    "5 123456789010 eni-3 - - - - - - - 1418533610 1418533670 - NODATA vpc-2 - - - - eu-west-1 euw1-az2 - - -",
]
LOG = "".join(f"{line}\n" for line in (HEADER, *ROWS)).encode()


def vpcflow_setup(url, *args, code=0, **extra):
    """Runs the command and returns its output and its errors, as lines."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ELASTICSEARCH")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "vpcflow", "setup", *args],
        env=environment | ({"ELASTICSEARCH_URL": url} if url else {}) | extra,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def results(lines):
    """The table: what became of each object, by name."""
    rows = [line.split("  ") for line in lines if line.lstrip().startswith(("component", "index template"))]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    return {name: result for _, name, result in cells}


def metadata(es):
    """Everything that set-up could change."""
    state = es.cluster.state(metric="metadata")["metadata"]
    return {key: state.get(key) for key in ("component_template", "index_template", "indices")}


def simulated(es, namespace):
    """What an index of a data stream would be made of."""
    found = es.indices.simulate_index_template(name=data_stream(namespace))["template"]
    return found["settings"]["index"], found["mappings"], found.get("lifecycle", {})


@pytest.fixture
def own(es, namespace):
    """A namespace whose templates are removed afterwards, where no data stream uses them."""
    yield namespace
    es.options(ignore_status=(400, 404)).indices.delete_index_template(name=f"{template.NAME}-{namespace}")
    for kind in ("settings", "custom"):
        name = f"vpcflow-{namespace}@{kind}"
        es.options(ignore_status=(400, 404)).cluster.delete_component_template(name=name)


@pytest.fixture
def index(elasticsearch_url, tmp_path):
    """Indexes a log with the user's own call."""

    def run(namespace, data=LOG, **options):
        (tmp_path / "flow.log").write_bytes(data)
        return vpcflow.index([tmp_path / "flow.log"], to=elasticsearch_url, namespace=namespace, **options)

    return run


# What is stored.


def test_a_second_run_changes_nothing(elasticsearch_url, es, own):
    args = ("--namespace", own, "--retention", "30d", "--shards", "2")
    first, _ = vpcflow_setup(elasticsearch_url, *args)
    assert results(first)[f"vpcflow-{own}@settings"] == "created"
    assert results(first)[f"vpcflow-logs-{own}"] == "created"
    assert "Note: flows are deleted when they are older than 30d, by data stream lifecycle" in first
    before = metadata(es)
    second, errors = vpcflow_setup(elasticsearch_url, *args)
    assert results(second) == {
        "vpcflow-ecs@mappings": "left as it is",
        "vpcflow-aws@mappings": "left as it is",
        f"vpcflow-{own}@settings": "left as it is",
        f"vpcflow-logs-{own}": "left as it is",
    }
    assert errors == []
    assert metadata(es) == before


def test_a_dry_run_changes_nothing(elasticsearch_url, es, own):
    before = metadata(es)
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--dry-run")
    assert results(lines)[f"vpcflow-logs-{own}"] == "would be created"
    assert lines[-1] == "Nothing was changed: run it without --dry-run for that"
    assert metadata(es) == before
    vpcflow_setup(elasticsearch_url, "--namespace", own)
    before = metadata(es)
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "3", "--dry-run")
    assert results(lines)[f"vpcflow-{own}@settings"] == "would be changed"
    assert "  setting index.number_of_shards: added, 3" in lines
    assert metadata(es) == before


def test_a_namespace_has_its_own_storage_and_the_others_do_not(elasticsearch_url, es, own):
    vpcflow_setup(elasticsearch_url, "--namespace", own, "--retention", "12h", "--shards", "3")
    settings, mappings, lifecycle = simulated(es, own)
    assert settings["number_of_shards"] == "3"
    assert lifecycle["data_retention"] == "12h"
    assert mappings["properties"]["source"]["properties"]["ip"]["type"] == "ip"
    setup.put_template(es)
    other, _, lifecycle = simulated(es, f"{own}x")
    assert other.get("number_of_shards", "1") == "1"
    assert "data_retention" not in lifecycle


def test_what_was_chosen_stays_chosen(elasticsearch_url, es, own, index):
    vpcflow_setup(elasticsearch_url, "--namespace", own, "--retention", "30d", "--index-mode", "standard")
    vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2")
    assert index(own).ok
    settings, _, lifecycle = simulated(es, own)
    assert (settings["number_of_shards"], lifecycle["data_retention"]) == ("2", "30d")
    assert "mode" not in settings
    (backing,) = es.indices.get_settings(index=data_stream(own)).body.values()
    assert backing["settings"]["index"]["number_of_shards"] == "2"
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--retention", "forever")
    assert "  retention: 30d → for ever" in lines
    assert "data_retention" not in simulated(es, own)[2]


def test_what_users_put_into_custom_wins_and_is_never_touched(elasticsearch_url, es, own):
    name = f"vpcflow-{own}@custom"
    custom = {
        "settings": {"index.refresh_interval": "42s", "index.number_of_shards": 4},
        "mappings": {"properties": {"mine": {"type": "keyword"}}},
    }
    es.cluster.put_component_template(name=name, template=custom)
    before = es.cluster.get_component_template(name=name)["component_templates"]
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2")
    assert name not in results(lines)
    assert es.cluster.get_component_template(name=name)["component_templates"] == before
    settings, mappings, _ = simulated(es, own)
    assert (settings["refresh_interval"], settings["number_of_shards"]) == ("42s", "4")
    assert mappings["properties"]["mine"] == {"type": "keyword"}


def test_an_upgrade_says_what_changes(elasticsearch_url, es, own):
    vpcflow_setup(elasticsearch_url, "--namespace", own)
    name = f"vpcflow-{own}@settings"
    es.cluster.put_component_template(
        name=name,
        template={"settings": {"index.codec": "default", "index.refresh_interval": "7s"}},
        version=template.VERSION - 1,
        meta={"managed_by": "vpcflow"},
    )
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert results(lines)[name] == "changed"
    at = lines.index(f"{name}:")
    differences = [line.strip() for line in lines[at + 1 :] if line.startswith("  ")]
    assert "setting index.codec: default → best_compression" in differences
    assert "setting index.refresh_interval: removed, was 7s" in differences
    assert "setting index.mode: added, logsdb" in differences
    assert f"version: {template.VERSION - 1} → {template.VERSION}" in differences
    assert results(vpcflow_setup(elasticsearch_url, "--namespace", own)[0])[name] == "left as it is"


def test_a_newer_template_is_left_alone(elasticsearch_url, es, own):
    pattern = [data_stream(own)]
    name = f"{template.NAME}-{own}"
    es.indices.put_index_template(
        name=name,
        index_patterns=pattern,
        priority=template.NAMESPACE_PRIORITY,
        data_stream={},
        version=template.VERSION + 1,
        meta={"managed_by": "vpcflow"},
    )
    before = metadata(es)
    lines, errors = vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert set(results(lines).values()) == {"left: a newer vpcflow wrote it"}
    assert errors == []
    _, errors = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2", code=1)
    assert errors == ["Error: what was asked for was not done; use the newer vpcflow"]
    assert metadata(es) == before


def test_somebody_elses_template_is_not_overwritten(elasticsearch_url, es, own):
    name = f"{template.NAME}-{own}"
    es.indices.put_index_template(name=name, index_patterns=[data_stream(own)], priority=300, data_stream={})
    before = metadata(es)
    lines, errors = vpcflow_setup(elasticsearch_url, "--namespace", own, code=2)
    assert lines == []
    assert errors == [f"Error: index template {name} of the server is not vpcflow's; rename or delete it"]
    assert metadata(es) == before
    assert setup.put_template(es, own) == [f"the index template {name} is not vpcflow's: it is left as it is"]


def test_what_the_server_refuses_is_said_and_the_rest_is_not_tried(elasticsearch_url, es, own):
    # The user's own component contradicts ours: only the whole shows it.
    es.cluster.put_component_template(
        name=f"vpcflow-{own}@custom",
        template={"mappings": {"properties": {"@timestamp": {"type": "keyword"}}}},
    )
    lines, errors = vpcflow_setup(elasticsearch_url, "--namespace", own, code=1)
    assert results(lines)[f"vpcflow-logs-{own}"] == "refused"
    (error,) = errors
    assert error.startswith(f"Error: index template vpcflow-logs-{own}: ")
    assert "timestamp field [@timestamp] is of type [keyword]" in error


def test_data_streams_that_exist_get_it_with_their_next_rollover(elasticsearch_url, es, own, index):
    vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert index(own).ok
    stream = data_stream(own)
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own, "--shards", "2", "--retention", "7d")
    assert (
        f"Note: {stream} exists: it changes with its next rollover; POST /{stream}/_rollover does that at once"
        in lines
    )
    lifecycle = f'PUT /_data_stream/{stream}/_lifecycle {{"data_retention": "7d"}}'
    assert f"Note: {stream} keeps its retention; {lifecycle} changes it" in lines
    new = es.indices.rollover(alias=stream)["new_index"]
    settings = es.indices.get_settings(index=new)[new]["settings"]["index"]
    assert settings["number_of_shards"] == "2"
    lines, _ = vpcflow_setup(elasticsearch_url, "--namespace", own)
    assert not [line for line in lines if "rollover;" in line], "nothing changed: nothing to roll over"


# What is taken away. On servers of their own: others' data streams would keep the templates.


def names(es):
    """All templates of the server."""
    found = es.cluster.state(metric="metadata")["metadata"]
    return {
        *found.get("index_template", {}).get("index_template", {}),
        *found.get("component_template", {}).get("component_template", {}),
    }


def test_removal_takes_away_what_set_up_made_and_nothing_else(own_elasticsearch):
    server = own_elasticsearch()
    with connect(server.url) as es:
        es.cluster.put_component_template(name="vpcflow@custom", template={"settings": {}})
        es.indices.put_index_template(name="mine", index_patterns=["mine-*"], data_stream={})
        es.indices.put_index_template(name="vpcflow-logs-mine", index_patterns=["logs-mine-*"])
        before = metadata(es)
        vpcflow_setup(server.url)
        vpcflow_setup(server.url, "--namespace", "prod", "--retention", "30d")
        made = names(es) - {"vpcflow@custom", "mine", "vpcflow-logs-mine"}

        shown, _ = vpcflow_setup(server.url, "--remove", "--dry-run")
        assert set(results(shown).values()) == {"would be removed"}
        assert names(es) >= made

        lines, errors = vpcflow_setup(server.url, "--remove", "--namespace", "prod")
        assert results(lines) == {"vpcflow-logs-prod": "removed", "vpcflow-prod@settings": "removed"}
        lines, errors = vpcflow_setup(server.url, "--remove")
        assert set(results(lines)) == made - {"vpcflow-logs-prod", "vpcflow-prod@settings"}
        assert set(results(lines).values()) == {"removed"}
        assert "Note: component template vpcflow@custom is yours: it stays" in lines
        assert errors == []
        assert metadata(es) == before

        lines, errors = vpcflow_setup(server.url, "--remove")
        assert lines[-1] == "Nothing of vpcflow is there"
        assert errors == []


def test_templates_of_data_streams_stay_and_it_is_said_what_to_do(own_elasticsearch, tmp_path):
    server = own_elasticsearch()
    (tmp_path / "flow.log").write_bytes(LOG)
    with connect(server.url) as es:
        vpcflow_setup(server.url, "--namespace", "prod")
        vpcflow.index([tmp_path / "flow.log"], to=server.url, namespace="prod")
        es.indices.refresh(index=data_stream("prod"))
        flows = es.count(index=data_stream("prod"))["count"]
        setup.put_template(es)

        lines, errors = vpcflow_setup(server.url, "--remove", code=1)
        told = results(lines)
        assert told["vpcflow-logs-prod"] == "removed"  # the one for all holds for it, too
        assert told["vpcflow-logs"] == "refused"
        assert told["vpcflow@settings"] == "not tried"
        (error,) = errors
        assert "in use by a data streams [logs-aws.vpcflow-prod]" in error
        assert "delete those data streams, flows and all, or give them another template" in error
        said = "Note: data streams stay, with their flows: logs-aws.vpcflow-prod; unless another template"
        assert any(line.startswith(said) for line in lines)

        everybodys = {"index_patterns": ["logs-*-*"], "priority": 100, "data_stream": {}}
        es.indices.put_index_template(name="logs", **everybodys)
        lines, errors = vpcflow_setup(server.url, "--remove")
        assert set(results(lines).values()) == {"removed"}
        assert names(es) == {"logs"}
        assert es.count(index=data_stream("prod"))["count"] == flows


# What doesn't work.


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "no server given; give --elasticsearch URL, or set ELASTICSEARCH_URL"),
        (("--elasticsearch", "http://127.0.0.1:9", "--retention", "2y"), "is no time to keep flows"),
        (("--elasticsearch", "http://127.0.0.1:9", "--namespace", "A"), "not lower-case"),
        (("--elasticsearch", "http://127.0.0.1:9", "--only", "roles"), "is none of templates"),
        (
            ("--elasticsearch", "http://127.0.0.1:9", "--remove", "--shards", "2"),
            "--remove takes no --shards",
        ),
        (("--elasticsearch", "https://127.0.0.1:9", "--ca", "/nowhere"), "/nowhere: No such file"),
    ],
)
def test_wrong_usage(args, why):
    lines, errors = vpcflow_setup(None, *args, code=2)
    assert lines == []
    assert why in errors[-1]


def test_credentials_that_do_not_reach_that_far(secure_elasticsearch, no_credentials, monkeypatch):
    server = secure_elasticsearch
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", server.username)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", server.password)
    with connect(server.url, ca=server.ca) as es:
        key = es.security.create_api_key(
            name="nothing", role_descriptors={"nothing": {"cluster": ["monitor"]}}
        )
    lines, errors = vpcflow_setup(
        server.url, "--ca", str(server.ca), code=2, ELASTICSEARCH_API_KEY=key["encoded"]
    )
    (error,) = errors
    assert lines == []
    assert "does not let these credentials do it (403)" in error
    assert key["encoded"] not in error
    lines, _ = vpcflow_setup(
        server.url,
        "--ca",
        str(server.ca),
        ELASTICSEARCH_USERNAME=server.username,
        ELASTICSEARCH_PASSWORD=server.password,
    )
    assert results(lines)["vpcflow-logs"] in ("created", "left as it is")


# What it is good for.


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
