"""Every rule that ships, on a real Elasticsearch: it sees the attack that was planted, and nothing where there is none.

In ES|QL as Kibana runs it from 8.13 on, and in the query DSL as before; a rule on the DSL counts as Kibana does,
by groups of its term fields.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from vpcflow.alerts.rules import load_all
from vpcflow.elastic import setup
from vpcflow.elastic.template import data_stream
from vpcflow.kibana.assets import folder

RULES = {one.title: one for one in load_all(folder() / "rules")}
ATTACKER, HOST, OTHER, PUBLIC = "203.0.113.9", "10.0.1.20", "10.0.2.30", "198.51.100.7"


def flow(source, destination, port, *, action="ACCEPT", size=400, second=0, **more):
    """A document of a flow, within a minute that is the same for all."""
    ends = {
        "source.ip": source,
        "source.port": 40000,
        "destination.ip": destination,
        "destination.port": port,
    }
    return {
        "@timestamp": f"2026-11-23T10:30:{second % 60:02}.000Z",
        "aws.vpcflow.action": action,
        "aws.vpcflow.interface_id": "eni-1",
        "aws.vpcflow.log_status": "OK",
        "network.bytes": size,
        **ends,
        **more,
    }


def status(name, interface="eni-1"):
    return {
        "@timestamp": "2026-11-23T10:30:00.000Z",
        "aws.vpcflow.log_status": name,
        "aws.vpcflow.interface_id": interface,
    }


#: What makes each rule speak; and what is like it, and must not.
ATTACKS = {
    "Many rejects at one interface": (
        [flow(ATTACKER, HOST, 443, action="REJECT", second=n) for n in range(500)],
        [flow(ATTACKER, HOST, 443, action="REJECT", second=n) for n in range(499)],
    ),
    "An internal host is refused again and again": (
        [flow(OTHER, HOST, 5432, action="REJECT", second=n) for n in range(50)],
        [flow(ATTACKER, HOST, 5432, action="REJECT", second=n) for n in range(50)],
    ),
    "Port scan of one host": (
        [flow(ATTACKER, HOST, 1000 + n, action="REJECT") for n in range(60)],
        [flow(ATTACKER, HOST, 1000 + n % 40, action="REJECT") for n in range(60)],
    ),
    "Sweep of one port over many hosts": (
        [flow(OTHER, f"10.0.9.{n}", 445) for n in range(120)],
        [flow(OTHER, f"10.0.9.{n % 80}", 445) for n in range(120)],
    ),
    "SSH or RDP from the internet refused often": (
        [flow(ATTACKER, HOST, 22, action="REJECT", second=n) for n in range(10)],
        [flow(OTHER, HOST, 22, action="REJECT", second=n) for n in range(10)],
    ),
    "SSH or RDP from the internet let in": (
        [flow(ATTACKER, HOST, 3389)],
        [flow(OTHER, HOST, 3389), flow(ATTACKER, HOST, 3389, action="REJECT")],
    ),
    "Database port reached from the internet": (
        [flow(ATTACKER, HOST, 5432)],
        [flow(OTHER, HOST, 5432), flow(ATTACKER, HOST, 5432, action="REJECT")],
    ),
    "Much data to one public address": (
        [flow(HOST, PUBLIC, 443, size=300_000_000), flow(HOST, PUBLIC, 443, size=250_000_000)],
        [flow(HOST, OTHER, 443, size=900_000_000), flow(HOST, PUBLIC, 443, size=400_000_000)],
    ),
    "DNS asked outside": (
        [flow(HOST, PUBLIC, 53, second=n) for n in range(5)],
        [flow(HOST, "8.8.8.8", 53, second=n) for n in range(9)]
        + [flow(HOST, "10.0.0.2", 53) for _ in range(9)],
    ),
    "Traffic with an address of a threat list": (
        [flow(HOST, PUBLIC, 8443, **{"threat.indicator.type": "ipv4-addr"})],
        [
            flow(HOST, PUBLIC, 8443),
            flow(ATTACKER, HOST, 1, action="REJECT", **{"threat.indicator.type": "ipv4-addr"}),
        ],
    ),
    "AWS skipped records": (
        [status("SKIPDATA") for _ in range(3)],
        [status("SKIPDATA", f"eni-{n}") for n in range(3)] + [status("NODATA") for _ in range(9)],
    ),
    "Transit gateway drops packets": (
        [
            flow(
                HOST,
                OTHER,
                443,
                **{"aws.vpcflow.packets_lost_blackhole": 2, "aws.vpcflow.tgw_attachment_id": "tgw-1"},
            )
            for _ in range(5)
        ],
        [
            flow(
                HOST,
                OTHER,
                443,
                **{"aws.vpcflow.packets_lost_blackhole": 0, "aws.vpcflow.tgw_attachment_id": "tgw-1"},
            )
            for _ in range(9)
        ],
    ),
}


def before(hours, **more):
    """A flow so long before now."""
    when = datetime.now(UTC) - timedelta(hours=hours)
    return flow(HOST, PUBLIC, 443, **{"@timestamp": when.isoformat(timespec="milliseconds"), **more})


#: The two that compare with what was there before: their documents have times before now.
CHANGES = {
    "Egress to a new country": (
        lambda: [before(0.1, **SWEDEN), *(before(hours, **FRANCE) for hours in (0.2, 30))],
        lambda: [before(hours, **country) for hours in (0.1, 30) for country in (SWEDEN, FRANCE)],
    ),
    "An interface has gone silent": (
        lambda: [before(3), before(0.1, **{"aws.vpcflow.interface_id": "eni-2"})],
        lambda: [before(3), before(0.1)],
    ),
}
SWEDEN, FRANCE = ({"destination.geo.country_name": name} for name in ("Sweden", "France"))


def test_every_rule_has_a_case():
    assert ATTACKS.keys() | CHANGES.keys() == RULES.keys()


def nested(document):
    made = {}
    for name, value in document.items():
        level = made
        *parents, leaf = name.split(".")
        for parent in parents:
            level = level.setdefault(parent, {})
        level[leaf] = value
    return made


@pytest.fixture(scope="module")
def stored(es):
    """Stores documents in a stream of their own and returns its name."""
    setup.put_template(es)

    def store(name, documents):
        stream = data_stream(name)
        lines = [json.dumps(part) for one in documents for part in ({"create": {}}, nested(one))]
        answer = es.bulk(operations=("\n".join(lines) + "\n").encode(), index=stream, refresh=True)
        assert not answer["errors"], answer
        return stream

    return store


def by_esql(es, rule, stream, owner=None, *, rest=False):
    query = rule.esql(owner, rest=rest).replace("logs-aws.vpcflow-*", stream)
    answer = es.esql.query(query=f"{query} | LIMIT 100").body
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["values"]]


def by_dsl(es, rule, stream):
    """What Kibana does with such params: groups by the term fields, and compares a count or a sum of each."""
    params = rule.dsl(None, rest=False)
    if params is None:
        return None
    found = es.search(index=stream, query=json.loads(params["esQuery"])["query"], size=10_000, _source=True)
    fields = params.get("termField", [])
    totals: Counter = Counter()
    for hit in found["hits"]["hits"]:
        group = tuple(
            value_of(hit["_source"], name) for name in ([fields] if isinstance(fields, str) else fields)
        )
        if None not in group:
            totals[group] += (
                1 if params["aggType"] == "count" else value_of(hit["_source"], params["aggField"])
            )
    assert params["thresholdComparator"] == ">="
    return [group for group, total in totals.items() if total >= params["threshold"][0]]


def value_of(document, name):
    for part in name.split("."):
        document = document.get(part, {})
    return document if document != {} else None


@pytest.mark.parametrize("title", [*ATTACKS, *CHANGES])
def test_a_rule_speaks_when_it_should_and_else_is_silent(es, stored, title):
    rule, (planted, harmless) = RULES[title], {**ATTACKS, **CHANGES}[title]
    if title in CHANGES:
        planted, harmless = planted(), harmless()
    name = rule.id.replace("-", "")
    attacked, quiet = stored(f"bad{name}", planted), stored(f"good{name}", harmless)
    rows = by_esql(es, rule, attacked)
    assert len(rows) == 1, rows
    assert set(rule.groups) <= rows[0].keys()
    assert rows[0][rule.value] >= rule.threshold[1]
    assert by_esql(es, rule, quiet) == []
    if (groups := by_dsl(es, rule, attacked)) is not None:
        assert len(groups) == 1
        assert by_dsl(es, rule, quiet) == []


def test_different_values_are_counted_exactly_up_to_a_large_threshold(es, stored):
    """By default Elasticsearch estimates from 3,000 on, and would say 9,886 here."""
    rule = replace(RULES["Port scan of one host"], threshold=(">=", 10_000))
    ports = [flow(ATTACKER, HOST, 1 + port) for port in range(10_000)]
    (row,) = by_esql(es, rule, stored("exactports", ports))
    assert row["different"] == 10_000
    assert by_esql(es, rule, stored("onefewer", ports[:-1])) == []


def test_an_owners_rule_sees_the_owners_flows_alone(es, stored):
    rule = RULES["Database port reached from the internet"]
    theirs = [flow(ATTACKER, HOST, 5432, **{"labels.owner": 'the "lab"'})]
    nobodys = [flow(ATTACKER, OTHER, 5432)]
    stream = stored("ownersrules", theirs + nobodys)
    assert [row["destination.ip"] for row in by_esql(es, rule, stream, 'the "lab"')] == [HOST]
    assert by_esql(es, rule, stream, "shop") == []
    assert [row["destination.ip"] for row in by_esql(es, rule, stream, rest=True)] == [OTHER]


def test_kibana_gets_columns_without_dots(es, stored):
    """As the rule is stored: its messages name columns, and a dot would be a path."""
    from vpcflow.kibana.rule_body import body_of

    class Newest:
        version, space = (9, 0, 1), "default"

    rule = RULES["Database port reached from the internet"]
    stream = stored("plaincolumns", ATTACKS[rule.title][0])
    body, _ = body_of(rule, None, [], Newest(), rest=False)
    query = body["params"]["esqlQuery"]["esql"].replace("logs-aws.vpcflow-*", stream)
    columns = {column["name"] for column in es.esql.query(query=query).body["columns"]}
    assert columns == {"flows", "period", "source_ip", "destination_ip", "destination_port"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            ("destination.port: 22", "destination.prot: 22"),
            "line 7: there is no field destination.prot; did you mean",
        ),
        (("destination.port: 22", "destination.port|below: 22"), "line 7: "),
        (("gte: 10", "gte: many"), "line 22: 'many' is no valid Sigma correlation condition count"),
        (("gte: 10", "gte: '10'"), "the threshold '10' is no whole number"),
        (("gte: 10", "about: 10"), "must have exactly one condition item"),
        (("type: event_count", "type: event_sum"), "event_sum"),
        (("[source.ip]", "[source.pi]"), "there is no field source.pi"),
        (("rules: [ssh]", "rules: [other]"), "rules must name the rule above"),
        (("timespan: 1h", "timespan: often"), "line 18: "),
        (("level: low", "level: lowish"), "lowish"),
        (("dashboard: threats", "dashboard: mine"), "line 13: dashboard mine is none of"),
        (("---", "--"), "line 9"),
        (("correlation:", "correlations:"), "the second a correlation"),
        (("  - a friend", "  - a friend: yours"), "must be a list of texts"),
    ],
)
def test_a_rule_that_can_not_be_used_is_refused_with_file_and_line(tmp_path, change, why):
    import re

    from vpcflow.alerts.rules import load
    from vpcflow.errors import ConfigError

    text = """title: SSH, the flows
name: ssh
id: 5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c01
logsource: {product: aws, service: vpcflow}
detection:
  selection:
    destination.port: 22
  condition: selection
---
title: SSH
id: 5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c02
description: SSH.
dashboard: threats
level: low
falsepositives:
  - a friend
correlation:
  timespan: 1h
  type: event_count
  rules: [ssh]
  group-by: [source.ip]
  condition: {gte: 10}
"""
    path = tmp_path / "ssh.yml"
    path.write_text(text)
    assert load(path).threshold == (">=", 10)
    path.write_text(text.replace(*change))
    with pytest.raises(ConfigError, match=re.escape(why)) as error:
        load(path)
    assert str(path) in str(error.value)
