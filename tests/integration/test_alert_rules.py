"""Alert rules: what can be in their files, and what becomes of them in ES|QL, on a real Elasticsearch.

That each sees its attack is in test_attacks.py, whom it tells in test_owner_rules.py.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from unit.alerting import rules
from vpcflow.alerts.rules import load_all
from vpcflow.elastic import setup
from vpcflow.elastic.template import data_stream
from vpcflow.kibana.assets import folder

RULES = {one.title: one for one in load_all(folder() / "rules")}
ATTACKER, HOST = "203.0.113.9", "10.0.1.20"


def flow(source, destination, port):
    """A document of a flow, within a minute that is the same for all."""
    return {
        "@timestamp": "2026-11-23T10:30:00.000Z",
        "aws.vpcflow.action": "ACCEPT",
        "source.ip": source,
        "source.port": 40000,
        "destination.ip": destination,
        "destination.port": port,
    }


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


def by_esql(es, rule, stream):
    query = rule.esql(None, rest=False).replace("logs-aws.vpcflow-*", stream)
    answer = es.esql.query(query=f"{query} | LIMIT 100").body
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["values"]]


def test_different_values_are_counted_exactly_up_to_a_large_threshold(es, stored):
    """By default Elasticsearch estimates from 3,000 on, and would say 9,886 here."""
    rule = replace(RULES["Port scan of one host"], threshold=(">=", 10_000))
    ports = [flow(ATTACKER, HOST, 1 + port) for port in range(10_000)]
    (row,) = by_esql(es, rule, stored("exactports", ports))
    assert row["different"] == 10_000
    assert by_esql(es, rule, stored("onefewer", ports[:-1])) == []


def test_kibana_gets_columns_without_dots(es, stored):
    """As the rule is stored: its messages name columns, and a dot would be a path."""
    from vpcflow.kibana.rule_body import body_of

    class Newest:
        version, space = (9, 0, 1), "default"

    rule = RULES["Database port reached from the internet"]
    stream = stored("plaincolumns", [flow(ATTACKER, HOST, 5432)])
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
        (("gte: 10", "gte: many"), "line 23: 'many' is no valid Sigma correlation condition count"),
        (("gte: 10", "gte: '10'"), "the threshold '10' is no whole number"),
        (("gte: 10", "about: 10"), "must have exactly one condition item"),
        (("type: event_count", "type: event_sum"), "event_sum"),
        (("[source.ip]", "[source.pi]"), "there is no field source.pi"),
        (("rules: [ssh]", "rules: [other]"), "rules must name the rule above"),
        (("timespan: 10m", "timespan: often"), "line 19: "),
        (("level: low", "level: lowish"), "lowish"),
        (("level: low", "level: low\nthrottle: often"), "line 16: throttle often is no time such as 1h"),
        (("dashboard: threats", "dashboard: mine"), "line 14: dashboard mine is none of"),
        (("---", "--"), "line 10"),
        (("correlation:", "correlations:"), "the second a correlation"),
        (("  - a friend", "  - a friend: yours"), "must be a list of texts"),
        (("title: SSH refused\n", "title: [SSH]\n"), "line 11: title must be a text"),
        (("level: low", "level: [low]"), "line 15: level must be a text"),
        (("group-by: [source.ip]", "group-by: [[source.ip]]"), "line 22: group-by must be a list of fields"),
        (("gte: 10}", "gte: 10, field: [a]}"), "line 23: field ['a'] is no name of a field"),
        (("c02", "c"), "line 12: Sigma rule identifier must be an UUID"),
        (("logsource: {product: aws, service: vpcflow}", "logsource: aws"), "line 4: "),
    ],
)
def test_a_rule_that_can_not_be_used_is_refused_with_file_and_line(tmp_path, change, why):
    import re

    from vpcflow.alerts.rules import load
    from vpcflow.errors import ConfigError

    friend = ("level: low\n", "level: low\nfalsepositives:\n  - a friend\n")
    path = rules(tmp_path / "own", friend) / "ssh.yml"
    assert load(path).threshold == (">=", 10)
    rules(tmp_path / "own", friend, change)
    with pytest.raises(ConfigError, match=re.escape(why)) as error:
        load(path)
    assert str(path) in str(error.value)


def test_a_file_of_rules_that_is_no_text(tmp_path):
    from vpcflow.alerts.rules import load
    from vpcflow.errors import ConfigError

    path = tmp_path / "ssh.yml"
    path.write_bytes(b"title: \xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(path)
