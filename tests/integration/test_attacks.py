"""Every rule that ships sees its attack and not what is nearly one: from lines of a flow log, wherever they are kept.

In ES|QL and in the query DSL as Kibana runs it, as a query on Elasticsearch, and as one on a Parquet store.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

import vpcflow
from attacks import SCENARIOS, enrichers, log
from vpcflow.alerts.queries import to_query
from vpcflow.alerts.rules import load
from vpcflow.elastic.template import data_stream
from vpcflow.kibana.assets import folder
from vpcflow.query.answer import answer
from vpcflow.query.flows import open_flows

RULES = {path.stem: load(path) for path in sorted((folder() / "rules").glob("*.yml"))}


def test_every_rule_has_a_scenario():
    """Add one to tests/attacks.py with each rule."""
    assert SCENARIOS.keys() == RULES.keys()


@pytest.fixture
def index(elasticsearch_url, es, namespace, tmp_path):
    """Puts a log into a store and into Elasticsearch, and says where it is."""

    def run(header, lines):
        path = log(tmp_path / "flow.log", header, lines)
        places = ({"to": tmp_path / "store"}, {"to": elasticsearch_url, "namespace": namespace})
        for place in places:
            done = vpcflow.index(path, **place, enrich=enrichers(tmp_path))
            assert done.ok and done.documents == len(lines), done
        es.indices.refresh(index=data_stream(namespace))
        return tmp_path / "store", elasticsearch_url

    return run


@pytest.mark.parametrize("part", ["attack", "miss"])
@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_rule_sees_its_attack_and_nothing_that_is_nearly_one(index, es, namespace, name, part):
    rule, scenario, now = RULES[name], SCENARIOS[name], datetime.now(UTC)
    store, url = index(scenario.header, getattr(scenario, part)(now))
    expected = {scenario.groups} if part == "attack" else set()

    assert by_query(rule, store, now) == expected
    assert by_query(rule, url, now, namespace) == expected
    assert by_esql(es, rule, data_stream(namespace)) == expected
    if rule.dsl(None, rest=False) is not None:
        assert by_dsl(es, rule, data_stream(namespace)) == expected


def by_query(rule, target, now, namespace=None):
    """What `vpcflow alerts run` asks, of a store or of Elasticsearch."""
    query, period = to_query(rule, now, since=None if rule.change else now - timedelta(hours=4))
    with open_flows(target, namespace=namespace) as engine:
        found = answer(query, engine, period)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    return {tuple(row[field] for field in rule.groups) for row in rows}


def by_esql(es, rule, stream):
    """What Kibana asks from 8.13 on."""
    query = rule.esql(None, rest=False).replace("logs-aws.vpcflow-*", stream)
    found = es.esql.query(query=f"{query} | LIMIT 100").body
    names = [column["name"] for column in found["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in found["values"]]
    return {tuple(row[field] for field in rule.groups) for row in rows}


def by_dsl(es, rule, stream):
    """What Kibana does before: groups by the term fields, and compares a count or a sum of each."""
    params = rule.dsl(None, rest=False)
    found = es.search(index=stream, query=json.loads(params["esQuery"])["query"], size=10_000, _source=True)
    fields = params["termField"] if isinstance(params["termField"], list) else [params["termField"]]
    totals: Counter = Counter()
    for hit in found["hits"]["hits"]:
        group = tuple(value_of(hit["_source"], field) for field in fields)
        number = 1 if params["aggType"] == "count" else value_of(hit["_source"], params["aggField"])
        totals[group] += number
    assert params["thresholdComparator"] == ">="
    return {group for group, total in totals.items() if None not in group and total >= params["threshold"][0]}


def value_of(document, name):
    for part in name.split("."):
        document = document.get(part, {})
    return document if document != {} else None
