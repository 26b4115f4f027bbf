"""Alerts for owners: `vpcflow index` says whose a flow is, `vpcflow setup` stores a rule for each, and these are run.

What Kibana stores is asked of a real Elasticsearch: each owner's rules find the owner's flows and no others.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

import samples
from attacks import ATTACKER, PUBLIC, flow, log, quiet_hour
from kibana_stub import Kibana
from setup_command import KEY, setup
from vpcflow.cli import main
from vpcflow.elastic.template import data_stream

CONFIG = """
[kibana.connectors.mail]
type = "email"
from = "vpcflow@example.com"
host = "smtp.example.com"
to = ["network@example.com"]

[[owners]]
name = "shop"
email = "shop@example.com"
match = { interfaces = ["eni-1"] }

[[owners]]
name = 'the "lab" *'
email = "lab@example.com"
match = { interfaces = ["eni-2"] }
"""

#: Who is told, and the host that is theirs.
HOSTS = {"shop@example.com": "10.0.1.20", "lab@example.com": "10.0.2.20", "network@example.com": "10.0.3.20"}

#: What documents say of whose they are.
OWNERS = {"shop@example.com": "shop", "lab@example.com": 'the "lab" *', "network@example.com": None}

DATABASE, REFUSED = "Database port reached from the internet", "SSH or RDP from the internet refused often"


def traffic(now):
    """The same of everybody: a database that is reached, SSH let in and refused, DNS asked outside."""
    end = quiet_hour(now)
    for interface, host in zip(("eni-1", "eni-2", "eni-3"), HOSTS.values(), strict=True):
        yield flow(end, ATTACKER, host, 5432, interface=interface)
        yield flow(end, ATTACKER, host, 22, interface=interface)
        for _ in range(10):
            yield flow(end, ATTACKER, host, 22, action="REJECT", interface=interface)
        for _ in range(5):
            yield flow(end, host, PUBLIC, 53, interface=interface)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "vpcflow.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def stream(elasticsearch_url, es, namespace, config, tmp_path):
    """The flows, indexed by the command that knows the owners."""
    path = log(tmp_path / "flow.log", samples.V2, list(traffic(datetime.now(UTC))))
    args = [str(path), "--to", elasticsearch_url, "--namespace", namespace, "--config", str(config)]
    done = CliRunner().invoke(main, ["index", *args])
    assert done.exit_code == 0, done.output
    es.indices.refresh(index=data_stream(namespace))
    return data_stream(namespace)


@pytest.fixture
def rules(config):
    """What set-up stores in Kibana: by title, what is asked and who gets mail."""

    def run(*args, version="9.0.1"):
        with Kibana(version, "trial", api_key=KEY) as kibana:
            setup(kibana.url, "--only", "connectors,rules", *args)
            return list(kibana.alerting.rules.values())

    return run


def rows(es, rule, stream):
    query = rule["params"]["esqlQuery"]["esql"].replace("logs-aws.vpcflow-*", stream)
    found = es.esql.query(query=query.replace("| LIMIT 5", "| LIMIT 100")).body
    names = [column["name"] for column in found["columns"]]
    return [dict(zip(names, row, strict=True)) for row in found["values"]]


def addressees(rule):
    return [to for action in rule["actions"] for to in action["params"].get("to", [])]


def test_each_owner_is_told_of_theirs_and_the_network_team_of_the_rest(es, stream, rules, config):
    stored = rules("--config", str(config))
    told = {}
    for rule in stored:
        if rule["name"].startswith(DATABASE):
            (who,) = addressees(rule)
            told[who] = [row["destination_ip"] for row in rows(es, rule, stream)]
    assert told == {who: [host] for who, host in HOSTS.items()}


def test_no_flow_is_told_of_twice_or_not_at_all(es, stream, rules, config):
    """What the rules for all flows count is what the owners' rules count together, each of 14 rules."""

    def counted(stored):
        found = Counter()
        for rule in stored:
            title = rule["name"].partition(" (")[0]
            for row in rows(es, rule, stream):
                number = next(row.pop(name) for name in ("flows", "different", "total") if name in row)
                found[title, tuple(sorted(row.items()))] += number
        return found

    everybodys = [rule for rule in rules() if "owner:" not in str(rule["tags"])]
    assert len(everybodys) == 14
    owned = rules("--config", str(config))
    assert len(owned) == 3 * 14
    assert all(len(addressees(rule)) == 1 for rule in owned)
    together = counted(owned)
    assert together == counted(everybodys)
    assert {title for title, _ in together} > {DATABASE, REFUSED}
    assert max(number for (title, _), number in together.items() if title == REFUSED) == 30


def test_before_esql_the_flows_of_owners_are_told_apart_just_so(es, stream, rules, config):
    """Kibana 8.12 takes the query DSL: a rule's query finds the flows that it counts."""

    def found(stored):
        for rule in stored:
            query = json.loads(rule["params"]["esQuery"])["query"]
            hits = es.search(index=stream, query=query, size=1000)["hits"]["hits"]
            owners = {hit["_source"].get("labels", {}).get("owner") for hit in hits}
            yield rule["name"].partition(" (")[0], addressees(rule), owners, [hit["_id"] for hit in hits]

    everybodys = {title: sorted(ids) for title, _, _, ids in found(rules(version="8.12.2"))}
    together = defaultdict(list)
    for title, who, owners, ids in found(rules("--config", str(config), version="8.12.2")):
        together[title] += ids
        assert owners <= {OWNERS[who[0]]}
    assert {title: sorted(ids) for title, ids in together.items()} == everybodys
    assert len(everybodys[DATABASE]) == 3
    assert len(everybodys[REFUSED]) == 30
