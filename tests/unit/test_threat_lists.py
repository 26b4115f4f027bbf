"""Threat lists: addresses that somebody warns of, from lists of lines, CSV and STIX 2.1 bundles."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import polars
import pytest
from click.testing import CliRunner

import samples
import vpcflow
from vpcflow import ConfigError
from vpcflow._core import Enrichment, Reader, ThreatLists
from vpcflow.cli import main
from vpcflow.query.store import connect

OURS = "10.0.0.5"

DROP = """\
; Spamhaus DROP List 2026/11/24 - (c) 2026 The Spamhaus Project
198.51.100.0/24 ; SBL256894
2001:db8:bad::/48 ; SBL300000
"""
FIREHOL = "# firehol_level1\n#\n203.0.113.7\n203.0.113.64/26\n192.0.2.10-192.0.2.20\n"
CSV = """\
# made by a test
"first_seen_utc","dst_ip","dst_port","c2_status","last_online","malware","confidence"
"2026-01-04 21:44:34","203.0.113.200","443","online","2026-11-24","QakBot","75"
"2026-02-04 21:44:34","203.0.113.201","443","offline","","",""
"""


def indicator(pattern: str, **more: object) -> dict[str, object]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": "indicator--1", "pattern_type": "stix",
        "pattern": pattern, "valid_from": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def bundle(*objects: dict[str, object]) -> str:
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects})


def batch(lists: ThreatLists, *pairs: tuple[str, str]) -> vpcflow.Batch:
    records = [
        samples.ACCEPTED.replace("172.31.16.139", source).replace("172.31.16.21", destination)
        for source, destination in pairs
    ]
    return next(Reader(samples.log(samples.V2, records))).parse(enrichment=Enrichment([lists]))


def threat(path: Path, address: str) -> dict[str, Any] | None:
    """What the documents of a flow from an address say of the threat."""
    [document] = batch(ThreatLists([path]), (address, OURS)).to_ecs()
    assert ("threat" in document["tags"]) == ("threat" in document)
    found: dict[str, Any] | None = document.get("threat")
    return found


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        ThreatLists([path])
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")


def test_lists_of_lines_as_spamhaus_and_firehol_write_them(tmp_path: Path) -> None:
    drop = write(tmp_path / "drop.txt", DROP)
    assert threat(drop, "198.51.100.77") == {
        "feed": {"name": "drop"},
        "indicator": {
            "type": "ipv4-addr", "ip": "198.51.100.77", "name": "198.51.100.0/24", "description": "SBL256894",
        },
    }  # fmt: skip
    found = threat(drop, "2001:db8:bad::1")
    assert found is not None
    assert found["indicator"]["type"] == "ipv6-addr"
    assert found["indicator"]["ip"] == "2001:db8:bad::1"
    firehol = write(tmp_path / "firehol_level1.netset", FIREHOL)
    for address, name in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.127", "203.0.113.64/26"),
        ("192.0.2.20", "192.0.2.10-192.0.2.20"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ]:
        found = threat(firehol, address)
        assert found is not None, address
        assert found["feed"]["name"] == "firehol_level1"
        assert found["indicator"]["name"] == name
    for address in ("203.0.113.8", "203.0.113.128", "192.0.2.21", "0.0.0.0", "2001:db8::1"):
        assert threat(firehol, address) is None, address


def test_addresses_of_one_network_keep_their_own(tmp_path: Path) -> None:
    lists = ThreatLists([write(tmp_path / "a.txt", "198.51.100.0/24\n")])
    documents = batch(lists, ("198.51.100.1", OURS), ("198.51.100.2", OURS), (OURS, "198.51.100.1")).to_ecs()
    ips = [document["threat"]["indicator"]["ip"] for document in documents]
    assert ips == ["198.51.100.1", "198.51.100.2", "198.51.100.1"]


def test_the_source_counts_first_and_the_smallest_network(tmp_path: Path) -> None:
    wide = write(tmp_path / "wide.txt", "198.51.100.0/24\n203.0.113.0/24\n")
    narrow = write(tmp_path / "narrow.txt", "203.0.113.7\n198.51.100.0/24\n")
    lists = ThreatLists([wide, narrow])
    pairs = [("203.0.113.7", "198.51.100.1"), ("198.51.100.1", "203.0.113.7"), (OURS, "203.0.113.7")]
    found = [document["threat"] for document in batch(lists, *pairs).to_ecs()]
    assert [(it["feed"]["name"], it["indicator"]["ip"]) for it in found] == [
        ("narrow", "203.0.113.7"),
        ("wide", "198.51.100.1"),
        ("narrow", "203.0.113.7"),
    ]


def test_private_addresses_can_be_listed(tmp_path: Path) -> None:
    assert threat(write(tmp_path / "ours.txt", "10.9.0.0/16\n"), "10.9.1.1") is not None


def test_csv_says_more(tmp_path: Path) -> None:
    path = write(tmp_path / "feodo.csv", CSV)
    assert threat(path, "203.0.113.200") == {
        "feed": {"name": "feodo"},
        "indicator": {
            "type": "ipv4-addr", "ip": "203.0.113.200", "name": "203.0.113.200", "description": "QakBot",
            "confidence": "High", "first_seen": "2026-01-04T21:44:34.000Z", "last_seen": "2026-11-24T00:00:00.000Z",
        },
    }  # fmt: skip
    found = threat(path, "203.0.113.201")
    assert found is not None
    assert "description" not in found["indicator"]


def test_stix_bundles(tmp_path: Path) -> None:
    path = tmp_path / "intel.json"
    write(path, bundle(
        {"type": "identity", "id": "identity--1", "name": "CERT Example"},
        indicator(
            "[ipv4-addr:value = '203.0.113.9' OR ipv6-addr:value ISSUBSET '2001:db8:5::/48']",
            name="Scanner", created_by_ref="identity--1", confidence=50, modified="2026-03-01T10:00:00.123Z",
            external_references=[{"source_name": "x", "url": "https://cert.example/1"}],
        ),
    ))  # fmt: skip
    assert threat(path, "203.0.113.9") == {
        "feed": {"name": "intel"},
        "indicator": {
            "type": "ipv4-addr", "ip": "203.0.113.9", "name": "203.0.113.9", "provider": "CERT Example",
            "description": "Scanner", "confidence": "Medium", "reference": "https://cert.example/1",
            "first_seen": "2026-01-01T00:00:00.000Z", "modified_at": "2026-03-01T10:00:00.123Z",
        },
    }  # fmt: skip
    found = threat(path, "2001:db8:5::77")
    assert found is not None
    assert found["indicator"]["name"] == "2001:db8:5::/48"


def test_what_of_a_bundle_is_not_used_is_said(tmp_path: Path) -> None:
    path = tmp_path / "intel.json"
    write(path, bundle(
        indicator("[domain-name:value = 'evil.example']"),
        indicator("[ipv4-addr:value = '203.0.113.1' AND network-traffic:dst_port = 443]"),
        indicator("[ipv4-addr:value = '203.0.113.2']", valid_until="2026-01-02T00:00:00Z"),
        indicator("[ipv4-addr:value = '203.0.113.3']", revoked=True),
        indicator("[ipv4-addr:value = '203.0.113.4']", valid_until="2999-01-01T00:00:00Z"),
    ))  # fmt: skip
    listed = [f"203.0.113.{last}" for last in range(1, 5) if threat(path, f"203.0.113.{last}")]
    assert listed == ["203.0.113.4"]
    assert Enrichment([ThreatLists([path])]).notes == [
        f"{path}: 2 indicators are not used: their patterns are not of addresses alone",
        f"{path}: 2 indicators are not used: they are revoked or no longer valid",
    ]


def test_gzip_names_and_byte_order_marks(tmp_path: Path) -> None:
    path = tmp_path / "level1.netset.gz"
    path.write_bytes(gzip.compress(("\ufeff" + FIREHOL).encode()))
    found = threat(path, "203.0.113.7")
    assert found is not None
    assert found["feed"]["name"] == "level1"
    [document] = batch(ThreatLists([f"mine={path}"]), ("203.0.113.7", OURS)).to_ecs()
    assert document["threat"]["feed"]["name"] == "mine"


def test_a_list_may_be_empty(tmp_path: Path) -> None:
    assert threat(write(tmp_path / "none.txt", "# nothing today\n"), "203.0.113.7") is None


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.txt", "203.0.113.7\nnonsense\n", 'line 2: "nonsense" is no address, network (CIDR) or range'),
        ("a.txt", "203.0.113.7/24\n", "line 1: \"203.0.113.7/24\" is no network of that length; 203.0.113.0/24 is"),
        ("a.txt", "203.0.113.0/33\n", "is longer than /32"),
        ("a.txt", "fe80::1%eth0\n", "is no address"),
        ("a.txt", "203.0.113.9-203.0.113.1\n", "ends before it starts"),
        ("a.txt", "0.0.0.0/0\n", "has every address there is"),
        ("a.txt", "::/0\n", "has every address there is"),
        ("a.csv", "name,why\nx,y\n", "its first line names no column ip, cidr, indicator"),
        ("a.csv", "ip,why\n203.0.113.7\n", "line 2: has 1 fields, but the header names 2"),
        ("a.csv", "ip,confidence\n203.0.113.7,sure\n", 'line 2: the confidence "sure" is no number from 0 to 100'),
        ("a.csv", "ip,first_seen\n203.0.113.7,24.11.2026\n", 'line 2: "24.11.2026" is no moment such as'),
        ("a.json", '{"type": "bundle"}', "there are no objects in it"),
        ("a.json", '{"type": "bundle",\n', "is no STIX bundle: EOF while parsing"),
        ("a.json", bundle(indicator("[ipv4-addr:value = '300.1.1.1']")), 'objects[0] (indicator--1): "300.1.1.1" is no'),
    ],
)  # fmt: skip
def test_what_is_broken_is_refused(name: str, text: str, reason: str, tmp_path: Path) -> None:
    assert reason in refused(write(tmp_path / name, text))


def test_of_many_broken_lines_the_first_ten_are_named(tmp_path: Path) -> None:
    said = refused(write(tmp_path / "a.txt", "".join(f"bad{n}\n" for n in range(1, 31))))
    assert said.startswith('line 1: "bad1" is no address')
    assert "line 10: " in said
    assert "line 11: " not in said
    assert said.endswith("; and 20 more")


def test_files_that_are_no_lists(tmp_path: Path) -> None:
    assert refused(tmp_path / "missing.txt") == "No such file or directory"
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\x00")
    assert "is no text" in refused(tmp_path / "a.bin")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(FIREHOL.encode())[:-9])
    assert "is no whole gzip file" in refused(tmp_path / "cut.gz")


def test_a_list_that_is_replaced_counts_from_the_next_batch_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "203.0.113.7\n")
    enrichment = Enrichment([ThreatLists([path])])
    data = samples.log(samples.V2, [samples.ACCEPTED.replace("172.31.16.139", "203.0.113.8")])

    def listed() -> bool:
        [document] = next(Reader(data)).parse(enrichment=enrichment).to_ecs()
        return "threat" in document

    def replace(text: str) -> None:
        os.replace(write(tmp_path / "part", text), path)  # noqa: PTH105

    assert not listed()
    replace("203.0.113.7\n203.0.113.8\n")
    assert listed()
    replace("203.0.113.8\nbroken in the middle")
    assert listed(), "what was read before is used"
    [note] = enrichment.notes
    assert note.startswith(f'{path}: line 2: "broken in the middle"')
    assert note.endswith("what was read before is used")
    replace("203.0.113.7\n")
    assert not listed()
    assert enrichment.notes == []


def test_the_same_in_every_form(tmp_path: Path) -> None:
    lists = ThreatLists([write(tmp_path / "feodo.csv", CSV)])
    found = batch(lists, ("203.0.113.200", OURS), (OURS, OURS), (OURS, "203.0.113.201"))
    documents = found.to_ecs()
    assert documents == [json.loads(line) for line in found.to_ndjson().splitlines()]
    frame = polars.DataFrame(found)
    for name in ("ip", "name", "type", "confidence", "description"):
        expected = [document.get("threat", {}).get("indicator", {}).get(name) for document in documents]
        assert frame[f"threat.indicator.{name}"].to_list() == expected
    assert frame["threat.indicator.first_seen"][0].isoformat() == "2026-01-04T21:44:34+00:00"
    assert [document["tags"] for document in documents] == [
        ["forwarded", "aws-vpcflow", "threat"], ["forwarded", "aws-vpcflow"], ["forwarded", "aws-vpcflow", "threat"],
    ]  # fmt: skip


def test_the_command_and_the_store(tmp_path: Path) -> None:
    path = write(tmp_path / "drop.txt", DROP)
    log = tmp_path / "a.log"
    log.write_bytes(
        samples.log(samples.V2, [samples.ACCEPTED, samples.ACCEPTED.replace("172.31.16.139", "198.51.100.1")])
    )
    store = tmp_path / "store"
    done = CliRunner().invoke(main, ["index", str(log), "--to", str(store), "--threat-list", str(path)])
    assert done.exit_code == 0, done.output
    query = 'SELECT "source.ip", "threat.indicator.name" FROM flows WHERE "threat.feed.name" = \'drop\''
    assert connect(store).execute(query).fetchall() == [("198.51.100.1", "198.51.100.0/24")]


def test_the_command_refuses_a_broken_list(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "what\n")
    log = tmp_path / "a.log"
    log.write_bytes(samples.log(samples.V2, [samples.ACCEPTED]))
    done = CliRunner().invoke(
        main, ["index", str(log), "--to", str(tmp_path / "s"), "--threat-list", str(path)]
    )
    assert done.exit_code != 0
    assert f'{path}: line 1: "what" is no address' in done.output
    assert not (tmp_path / "s").exists()


def test_the_configuration_file(tmp_path: Path) -> None:
    from vpcflow.config import load

    path = write(
        tmp_path / "vpcflow.toml",
        '[enrich.threat]\nfiles = ["drop.txt", "mine=b.csv"]\n\n[enrich.aws]\nranges = "ip-ranges.json"\n',
    )
    assert load(path) == {"threat_lists": ("drop.txt", "mine=b.csv"), "aws_ranges": "ip-ranges.json"}
