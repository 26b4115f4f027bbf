"""Every question that has a name, asked of a store and of a real Elasticsearch: the same numbers."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import vpcflow
from vpcflow import demo
from vpcflow.cli import main
from vpcflow.elastic.client import connect
from vpcflow.elastic.template import data_stream
from vpcflow.query.named import names

DAY = datetime(2026, 11, 23, tzinfo=UTC)
TIME = ("--since", f"{DAY:%Y-%m-%d}", "--until", f"{DAY + timedelta(days=1):%Y-%m-%d}")
NAMESPACE = "named"

# Fields of every version, as a log format of one's own can have them.
FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    " log-status vpc-id subnet-id instance-id flow-direction traffic-path pkt-srcaddr pkt-dstaddr"
    " pkt-dst-aws-service reject-reason encryption-status interface-type next-hop-interface-type az-id"
    " next-hop-az-id tgw-attachment-id packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded"
    " packets-lost-ttl-expired"
)


class Places:
    """Where public addresses are."""

    key = "address"
    fields: Mapping[str, str] = {
        "side.geo.country_iso_code": "keyword",
        "side.geo.country_name": "keyword",
        "side.as.number": "long",
        "side.as.organization.name": "keyword",
    }

    def look_up(self, value: str) -> dict[str, object] | None:
        address = ipaddress.ip_address(value)
        if str(address).startswith("10."):
            return None
        code, name = ("US", "United States") if int(address) % 2 else ("SE", "Sweden")
        return {
            "side.geo.country_iso_code": code,
            "side.geo.country_name": name,
            "side.as.number": 64500 + int(address) % 3,
            "side.as.organization.name": f"Carrier {int(address) % 3}",
        }


class Owners:
    """Whose interface it is."""

    key = "interface"
    fields: Mapping[str, str] = {"labels.team": "keyword"}

    def look_up(self, value: vpcflow.Interface) -> dict[str, object]:
        return {"labels.team": "payments" if str(value.interface_id) < "eni-0a5" else "platform"}


def special() -> list[str]:
    """What the made-up day has not: NAT gateways, zones, drops, reasons, encryption, databases, DNS."""
    lines = []
    for at in range(400):
        end = int(DAY.timestamp()) + 600 + at * 200
        reject = at % 5 == 0
        refused = "REJECT OK" if reject else "ACCEPT OK"
        source, target = f"10.1.0.{at % 7}", f"203.0.113.{at % 11}"
        if at % 3 == 0:
            source, target = f"198.51.100.{at % 9}", f"10.1.0.{at % 4}"
        port = (3306, 53, 443, 22, 853, 25)[at % 6]
        ends = f"{source} {target} {2000 + at} {port} 6 {at + 1} {(at + 1) * 1000} {end - 60} {end} {refused}"
        where = f"vpc-0{at % 2} subnet-0{at % 3} i-0{at % 5} {'ingress' if at % 3 == 0 else 'egress'}"
        path = f"{'-' if at % 3 == 0 else 8} {source} {target} {'S3' if at % 4 == 0 else '-'}"
        rest = (
            f"{'BPA' if reject else '-'} {at % 4} {'nat_gateway' if at % 13 == 0 else '-'}"
            f" {'nat_gateway' if at % 3 else '-'} euw1-az{at % 3} euw1-az{at % 2}"
            f" tgw-attach-0{at % 3} {at % 2} {at % 7} 0 {at % 3}"
        )
        lines.append(f"2 123456789010 eni-0a{at % 10} {ends} {where} {path} {rest}")
    return lines


@pytest.fixture(scope="module")
def both(elasticsearch_url: str, es, tmp_path_factory) -> dict[str, str]:
    """The same flows in a store and in Elasticsearch."""
    folder = tmp_path_factory.mktemp("named")
    logs = folder / "logs"
    logs.mkdir()
    for number, file in enumerate(demo.generate(DAY.date(), lines=10_000)):
        if number % 4 == 0:
            (logs / Path(file.key).name).write_text("".join(f"{line}\n" for line in file.lines))
    special_lines = special()
    (logs / "special.log").write_text("\n".join([FIELDS, *special_lines, special_lines[0][:40], ""]))
    threats = folder / "threats.txt"
    threats.write_text("198.51.100.4\n203.0.113.8\n")
    for target, how in ((folder / "store", {}), (elasticsearch_url, {"namespace": NAMESPACE})):
        enrich = [Places(), Owners(), vpcflow.ThreatLists([threats])]
        vpcflow.index(sorted(logs.iterdir()), to=target, enrich=enrich, **how)
    es.indices.refresh(index=data_stream(NAMESPACE))
    return {"store": str(folder / "store"), "elasticsearch": elasticsearch_url}


def ask(name: str, target: str, *more: str) -> list[dict]:
    namespace = ("--namespace", NAMESPACE) if target.startswith("http") else ()
    done = CliRunner().invoke(
        main, ["query", name, "--from", target, *namespace, *TIME, "--format", "json", *more]
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", names())
def test_a_store_and_elasticsearch_answer_alike(name: str, both: dict[str, str]) -> None:
    found = ask(name, both["store"])
    assert found == ask(name, both["elasticsearch"])
    # A line that can't be read has no time of its own but that of its file.
    assert found or name == "unreadable"


def test_more_rows_asked_for_than_esql_gives_at_once(both: dict[str, str]) -> None:
    found = ask("top-talkers", both["store"], "--limit", "20000")
    assert len(found) > 100
    assert found == ask("top-talkers", both["elasticsearch"], "--limit", "20000")


def test_elasticsearch_without_flows_of_that_time_says_so(both: dict[str, str]) -> None:
    # Of one namespace: what other tests left in the server is not what is asked about.
    where = ["--from", both["elasticsearch"], "--namespace", NAMESPACE]
    period = ["--since", "1999-01-01", "--until", "1999-01-02"]
    done = CliRunner().invoke(main, ["query", "top-talkers", *where, *period])
    assert done.exit_code == 0, done.output
    assert "There are no flows of that time" in done.stderr


def test_elasticsearch_whose_flows_lack_what_is_asked_for(
    both: dict[str, str], es, namespace: str, tmp_path: Path
) -> None:
    end = int(DAY.timestamp()) + 3600
    log = tmp_path / "a.log"
    log.write_text(f"2 123456789010 eni-0a 10.0.0.1 10.0.0.2 9 443 6 1 40 {end - 60} {end} ACCEPT OK\n")
    vpcflow.index(log, to=both["elasticsearch"], namespace=namespace)
    es.indices.refresh(index=data_stream(namespace))
    done = CliRunner().invoke(
        main, ["query", "egress-countries", "--from", both["elasticsearch"], "--namespace", namespace, *TIME]
    )
    assert done.exit_code == 2
    assert (
        "Error: egress-countries: no flow says the country of its destination; index with --geo"
        in done.stderr
    )


def test_a_server_with_tls_and_credentials(
    secure_elasticsearch, no_credentials, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", secure_elasticsearch.username)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", secure_elasticsearch.password)
    end = int(DAY.timestamp()) + 3600
    log = tmp_path / "a.log"
    log.write_text(f"2 123456789010 eni-0a 10.0.0.1 10.0.0.2 9 443 6 1 40 {end - 60} {end} ACCEPT OK\n")
    ca = secure_elasticsearch.ca
    vpcflow.index(log, to=secure_elasticsearch.url, namespace=NAMESPACE, ca=ca)
    with contextlib.closing(connect(secure_elasticsearch.url, ca=ca)) as client:
        client.indices.refresh(index=data_stream(NAMESPACE))
    [row] = ask("top-talkers", secure_elasticsearch.url, "--ca", str(ca))
    assert (row["source.ip"], row["bytes"]) == ("10.0.0.1", 40)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "wrong")
    done = CliRunner().invoke(
        main, ["query", "top-talkers", "--from", secure_elasticsearch.url, "--ca", str(ca), *TIME]
    )
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {secure_elasticsearch.url}")
    assert "Traceback" not in done.output
