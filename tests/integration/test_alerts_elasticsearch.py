"""`vpcflow alerts` over a real Elasticsearch says what it says over a store; an Elasticsearch that goes away is waited for."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

import vpcflow
from unit.alerting import ATTACKER, HOST, OTHER, ago, owner, record, rules
from unit.flowlogs import HEADER, SKIPDATA, command, environment, write
from unit.flowlogs import vpcflow as run
from vpcflow.alerts.backtest import backtest
from vpcflow.alerts.evaluate import evaluate, lacking
from vpcflow.alerts.rules import load_all
from vpcflow.elastic.template import data_stream
from vpcflow.enrich.owners import OwnersByInterface
from vpcflow.kibana.assets import folder
from vpcflow.owners import Match, Owner
from vpcflow.query.flows import open_flows
from vpcflow.query.model import Period
from waiting import wait_for

RULES = load_all(folder() / "rules")
TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
LAB = Owner(name='the "lab"', match=Match(interfaces=("eni-lab",)))
SHOP = Owner(name="shop", match=Match(interfaces=("eni-shop",)))

#: What makes most of the rules speak, at the interfaces of the lab, the shop and of nobody.
LINES = [
    *[record(TEN + timedelta(seconds=n % 50), port=443) for n in range(500)],
    *[record(TEN + timedelta(minutes=5), OTHER, port=1000 + n, interface="eni-lab") for n in range(60)],
    *[record(TEN, f"10.0.9.{n}", HOST, 22, interface="eni-shop") for n in range(3)],
    *[record(TEN + timedelta(minutes=n), ATTACKER, HOST, 22, interface="eni-shop") for n in range(30)],
    *[record(TEN + timedelta(minutes=n), ATTACKER, HOST, 3389, action="ACCEPT") for n in (1, 2, 30)],
    *[record(TEN, OTHER, HOST, 5432, action="ACCEPT", interface="eni-lab")],
    *[record(TEN, HOST, f"10.0.7.{n}", 445, action="ACCEPT", interface="eni-lab") for n in range(120)],
    *[record(TEN, HOST, OTHER, 443, action="ACCEPT", size=300_000_000) for _ in range(2)],
    *[record(TEN, HOST, OTHER, 53, action="ACCEPT", interface="eni-shop") for _ in range(6)],
    *[record(TEN, "10.0.2.30", HOST, 8443) for _ in range(55)],
    record(TEN - timedelta(hours=5), interface="eni-gone"),
    record(TEN - timedelta(hours=5), interface="eni-lab"),
]


@pytest.fixture
def both(elasticsearch_url, es, namespace: str, tmp_path: Path):
    """A store and a data stream with the same flows: how to open each."""
    log = write(tmp_path / "logs" / "a.log", HEADER, *LINES)
    for target in ({"to": tmp_path / "flows"}, {"to": elasticsearch_url, "namespace": namespace}):
        vpcflow.index(log, **target, enrich=[OwnersByInterface((LAB, SHOP))])
    es.indices.refresh(index=data_stream(namespace))
    return [
        partial(open_flows, target, namespace=namespace) for target in (tmp_path / "flows", elasticsearch_url)
    ]


@pytest.mark.parametrize("by_owner", [False, True])
def test_each_rule_says_the_same_over_both(both, by_owner: bool) -> None:
    now = TEN + timedelta(hours=1)
    speaking = set()
    for rule in RULES:
        since = TEN - timedelta(hours=1)
        found = []
        for flows in both:
            with flows() as engine:
                told = evaluate(rule, engine, now, since, by_owner=by_owner)
                found.append({owner: sorted(rows, key=str) for owner, rows in told.items() if rows})
        assert found[0] == found[1], rule.title
        speaking |= {rule.name} if found[0] else set()
    assert len(speaking) >= 9, speaking


def test_both_lack_the_same_fields(both) -> None:
    names = ["source.ip", "destination.geo.country_name", "aws.vpcflow.tgw_attachment_id", "labels.owner"]
    for flows in both:
        with flows() as engine:
            day = Period(TEN - timedelta(days=1), TEN + timedelta(days=1))
            missing = lacking(engine, names, day)
        assert missing == {"destination.geo.country_name", "aws.vpcflow.tgw_attachment_id"}


@pytest.mark.parametrize("by_owner", [False, True])
def test_the_backtest_says_the_same_over_both(
    elasticsearch_url, both, namespace, tmp_path: Path, by_owner: bool
) -> None:
    (tmp_path / "vpcflow.toml").write_text(owner("shop", 'interfaces = ["eni-shop"]'))
    days = []
    for where in (("flows",), (elasticsearch_url, "--namespace", namespace)):
        told = ("--config", "vpcflow.toml") if by_owner else ()
        period = ("--since", "2026-11-22", "--until", "2026-11-25")
        done = run("alerts", "backtest", "--from", *where, *told, *period, "--format", "json", cwd=tmp_path)
        days.append(json.loads(done.stdout))
    assert days[0] == days[1]
    assert len({day["rule"] for day in days[0]}) >= 9
    assert {day.get("owner") for day in days[0]} == ({None, LAB.name, SHOP.name} if by_owner else {None})


def test_the_backtest_by_owner_fires_where_a_run_does(both) -> None:
    """Of rules with a threshold, over the same whole pieces of time."""
    period = Period(TEN - timedelta(hours=6), TEN + timedelta(hours=2))
    rules_of_thresholds = [rule for rule in RULES if rule.change is None]
    for flows in both:
        with flows() as engine:
            for rule, found in backtest(rules_of_thresholds, engine, period, by_owner=True):
                told = evaluate(rule, engine, period.end, period.start, by_owner=True)
                assert {owner: sorted(rows, key=str) for owner, rows in found.items()} == {
                    owner: sorted(rows, key=str) for owner, rows in told.items() if rows
                }, rule.title


def test_flows_without_owners_where_owners_are_asked_for(
    elasticsearch_url, es, namespace: str, tmp_path: Path
) -> None:
    """labels.owner is no field there: what ES|QL refuses to hear of."""
    log = write(tmp_path / "a.log", HEADER, SKIPDATA, *[record(ago(minutes=2))] * 12)
    vpcflow.index(log, to=elasticsearch_url, namespace=namespace)
    es.indices.refresh(index=data_stream(namespace))
    (tmp_path / "vpcflow.toml").write_text(owner("lab", 'interfaces = ["eni-lab"]'))
    where = ("--from", elasticsearch_url, "--namespace", namespace, "--rules", rules(tmp_path / "own"))
    done = run("alerts", "run", *where, "--config", "vpcflow.toml", cwd=tmp_path)
    assert "SSH refused: 1" in done.stdout.decode()


@pytest.mark.timeout(300)  # it boots twice
def test_an_elasticsearch_that_is_away_is_waited_for(own_elasticsearch, tmp_path: Path) -> None:
    server = own_elasticsearch()
    empty = run("alerts", "run", "--from", server.url, cwd=tmp_path)
    assert b"there is no flow of the last day" in empty.stderr
    assert (tmp_path / "vpcflow-alerts.db").is_file()
    log = write(tmp_path / "a.log", HEADER, *[record(ago(minutes=2))] * 12)
    vpcflow.index(log, to=server.url)
    own = rules(tmp_path / "own")
    server.pause(kill=True)
    told, errors = tmp_path / "told", tmp_path / "errors"
    with told.open("wb") as output, errors.open("wb") as log_file:
        service = subprocess.Popen(
            command("alerts", "run", "--from", server.url, "--rules", own, "--every", "0.5s"),
            cwd=tmp_path,
            stdout=output,
            stderr=log_file,
            env=environment(),
        )
        try:
            wait_for(lambda: "tried again in the next round" in errors.read_text(), 90)
            server.resume()
            wait_for(lambda: "SSH refused: 1" in told.read_text(), 90)
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0
        finally:
            service.kill()
    assert "Traceback" not in errors.read_text()
