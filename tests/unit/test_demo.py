"""The made-up day: what is in it, that it is always the same, and the command that shows it."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

import vpcflow
from vpcflow import demo
from vpcflow.cli import main
from vpcflow.query.store import connect

DAY = date(2026, 1, 15)
KEY = re.compile(
    r"AWSLogs/123456789010/vpcflowlogs/eu-central-1/2026/01/15/123456789010_vpcflowlogs_eu-central-1_"
    r"fl-[0-9a-f]{17}_20260115T(\d\d)(\d\d)Z_[0-9a-f]{8}\.log\.gz"
)
# Documentation ranges, those of GeoIP's test databases, the network itself, and S3 in eu-central-1.
NETWORKS = [
    *("10.10.0.0/16", "10.20.0.0/16", "10.30.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *("81.2.69.0/24", "89.160.20.0/24", "2.125.160.0/24", "216.160.83.0/24", "67.43.156.0/24"),
    *("175.16.199.0/24", "52.219.140.0/22", "52.219.144.0/23", "2001:db8::/32"),
]


@pytest.fixture(scope="module")
def files():
    return list(demo.generate(DAY, lines=30_000))


@pytest.fixture(scope="module")
def records(files):
    names = files[0].lines[0].split(" ")
    return [dict(zip(names, line.split(" "), strict=True)) for file in files for line in file.lines[1:]]


def test_a_day_is_always_the_same(files):
    def digest(made):
        return hashlib.sha256(
            "\n".join(line for file in made for line in (file.key, *file.lines)).encode()
        ).hexdigest()

    assert digest(files) == digest(demo.generate(DAY, lines=30_000))
    assert digest(files) != digest(demo.generate(DAY, lines=30_000, seed=2))
    assert digest(files) == "0f7e0a7a64703f62b9ef50f6e48a1bf4aced0c2656d65e774c9e7ffc4bf3d5e3"


def test_the_network_stays_from_day_to_day(records):
    other = [
        line.split(" ") for file in demo.generate(DAY + timedelta(1), lines=30_000) for line in file.lines[1:]
    ]
    interfaces = {record["interface-id"] for record in records}
    assert {fields[2] for fields in other} == interfaces
    assert len(interfaces) == 40
    assert len({record["vpc-id"] for record in records}) == 3


def test_files_are_laid_out_as_aws_does(files):
    start = int(datetime(2026, 1, 15, tzinfo=UTC).timestamp())
    for file in files:
        at = KEY.fullmatch(file.key)
        assert at, file.key
        window = start + int(at[1]) * 3600 + int(at[2]) * 60
        ends = [int(line.split(" ")[11]) for line in file.lines[1:]]
        assert all(window <= end < window + 300 for end in ends)
    assert len({file.key for file in files}) == len(files) > 800


def test_size_and_shares(records):
    total = len(records)
    assert total == pytest.approx(30_000, rel=0.02)
    statuses = Counter(record["log-status"] for record in records)
    assert statuses["NODATA"] > statuses["SKIPDATA"] > 0
    assert 0.1 < sum(record["action"] == "REJECT" for record in records) / total < 0.25
    assert 0.04 < sum(record["type"] == "IPv6" for record in records) / total < 0.15
    hours = Counter(int(record["end"]) % 86400 // 3600 for record in records)
    assert hours[14] > 4 * hours[4]


def test_every_record_is_seen_from_its_interface(records):
    own = defaultdict(set)
    for record in records:
        if record["log-status"] == "OK":
            egress = record["flow-direction"] == "egress"
            assert egress == (record["traffic-path"] != "-")
            own[record["interface-id"]].add(record["srcaddr" if egress else "dstaddr"])
    for addresses in own.values():
        assert len(addresses) <= 2
        assert all(
            ipaddress.ip_address(a) in ipaddress.ip_network("10.0.0.0/8") or ":" in a for a in addresses
        )


def test_addresses_belong_to_nobody_else(records):
    networks = [ipaddress.ip_network(network) for network in NETWORKS]
    for name in ("srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr"):
        for text in {record[name] for record in records} - {"-"}:
            address = ipaddress.ip_address(text)
            assert any(address in network for network in networks), text
            assert str(address) == text


def test_there_is_something_to_find(records):
    refused = [record for record in records if record["action"] == "REJECT"]
    assert len({record["dstport"] for record in refused if record["srcaddr"] == "198.51.100.23"}) > 200
    too_tight = {record["srcaddr"] for record in refused if record["dstport"] == "5432"}
    assert {address for address in too_tight if address.startswith("10.")} == {"10.10.0.46", "10.10.1.47"}
    ssh = Counter(record["srcaddr"] for record in refused if record["dstport"] == "22")
    assert {address for address, _ in ssh.most_common(3)} == {
        "203.0.113.77",
        "203.0.113.78",
        "198.51.100.140",
    }
    taken = sum(
        int(r["bytes"]) for r in records if r["dstaddr"] == "203.0.113.200" and r["srcaddr"] == "10.30.0.43"
    )
    assert 40e9 < taken < 50e9


def test_nat_gateways_log_both_sides(records):
    translated = [record for record in records if record["log-status"] == "OK"]
    differs = [r for r in translated if (r["srcaddr"], r["dstaddr"]) != (r["pkt-srcaddr"], r["pkt-dstaddr"])]
    assert differs
    assert all(record["instance-id"] == "-" for record in differs)


def test_the_parser_takes_every_line(files):
    for file in files:
        batch = vpcflow.parse(file.compressed())
        assert batch.errors == []
        assert len(batch) == len(file.lines) - 1


def demo_command(*arguments: str):
    return CliRunner().invoke(main, ["demo", "--lines", "3000", *arguments], catch_exceptions=False)


def stored(store: Path) -> int:
    with connect(store) as connection:
        return connection.execute("SELECT count(*) FROM flows").fetchone()[0]


def test_command_indexes_and_asks(tmp_path):
    store = tmp_path / "store"
    result = demo_command("--to", str(store))
    assert result.exit_code == 0
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    for text in (
        f"A made-up day, {yesterday}",
        "FROM flows",
        "203.0.113.200",
        "5432",
        "Try next",
        "vpcflow diagnose",
        "vpcflow alerts backtest",
        f"--from {store}",
    ):
        assert text in result.stdout
    assert "documents" in result.stderr
    assert str(store / "report.html") in result.stdout
    assert b"VPC flows" in (store / "report.html").read_bytes()
    once = stored(store)
    assert once == pytest.approx(3000, abs=500)
    assert demo_command("--to", str(store)).exit_code == 0
    assert stored(store) == once


def test_command_keeps_the_files(tmp_path):
    kept, target = tmp_path / "kept", tmp_path / "flows.ndjson"
    result = demo_command("--to", str(target), "--keep", str(kept))
    assert result.exit_code == 0
    paths = sorted(kept.glob("AWSLogs/**/*.log.gz"))
    lines = sum(len(batch) for path in paths for batch in vpcflow.read(path))
    assert lines == len(target.read_bytes().splitlines())
    # Only a store can be asked.
    assert "FROM flows" not in result.stdout
    assert f"find {kept}" in result.stdout


def test_command_leaves_standard_output_to_the_documents():
    # A process of its own: the documents go to the descriptor, past what a test runner puts in its place.
    command = [sys.executable, "-m", "vpcflow", "demo", "--lines", "1000", "--to", "-"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert all(line.startswith("{") for line in result.stdout.splitlines())
    assert "Try next" in result.stderr
