"""AWS's ip-ranges.json: which service and region an address belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars
import pytest
from click.testing import CliRunner

import samples
import vpcflow
from vpcflow import ConfigError
from vpcflow._core import AwsRanges, Enrichment, Reader
from vpcflow.cli import main
from vpcflow.query.store import connect


def prefix(cidr: str, service: str, region: str = "eu-west-1") -> dict[str, str]:
    key = "ipv6_prefix" if ":" in cidr else "ip_prefix"
    return {key: cidr, "region": region, "service": service, "network_border_group": region}


PREFIXES = [
    prefix("3.0.0.0/8", "AMAZON"),
    prefix("3.5.0.0/19", "AMAZON"),
    prefix("3.5.0.0/19", "EC2"),
    prefix("3.5.0.0/19", "S3"),
    prefix("3.16.0.0/14", "EC2", "us-east-2"),
    prefix("3.16.1.0/24", "AMAZON", "us-east-2"),
    prefix("13.32.0.0/15", "CLOUDFRONT", "GLOBAL"),
]
PREFIXES_V6 = [prefix("2a05:d000::/24", "AMAZON"), prefix("2a05:d07a::/32", "S3")]


def ranges(**changes: Any) -> dict[str, Any]:
    return {
        "syncToken": "1",
        "createDate": "2026-11-24-00-00-00",
        "prefixes": PREFIXES,
        "ipv6_prefixes": PREFIXES_V6,
    } | changes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ip-ranges.json"
    path.write_text(json.dumps(ranges()), encoding="utf-8")
    return path


def batch(file: Path, *pairs: tuple[str, str]) -> vpcflow.Batch:
    records = [
        samples.ACCEPTED.replace("172.31.16.139", source).replace("172.31.16.21", destination)
        for source, destination in pairs
    ]
    return next(Reader(samples.log(samples.V2, records))).parse(enrichment=Enrichment([AwsRanges(file)]))


@pytest.mark.parametrize(
    ("address", "cloud"),
    [
        (
            "3.5.1.1",
            {"service": {"name": "S3"}, "region": "eu-west-1"},
        ),  # of three services with the same prefix
        (
            "3.16.1.1",
            {"service": {"name": "EC2"}, "region": "us-east-2"},
        ),  # AMAZON's is smaller, and counts last
        ("3.200.0.1", {"service": {"name": "AMAZON"}, "region": "eu-west-1"}),
        ("13.33.0.1", {"service": {"name": "CLOUDFRONT"}}),  # GLOBAL is no region
        ("2a05:d07a::1", {"service": {"name": "S3"}, "region": "eu-west-1"}),
        ("2a05:d000::1", {"service": {"name": "AMAZON"}, "region": "eu-west-1"}),
        ("8.8.8.8", None),
        ("10.0.0.1", None),
    ],
)
def test_the_service_of_an_address(address: str, cloud: dict[str, Any] | None, file: Path) -> None:
    [document] = batch(file, ("10.0.0.9", address)).to_ecs()
    assert document["destination"].get("cloud") == cloud
    assert "cloud" not in document["source"]
    [document] = batch(file, (address, "10.0.0.9")).to_ecs()
    assert document["source"].get("cloud") == cloud


def test_what_the_log_says_stays(file: Path) -> None:
    names = "srcaddr dstaddr pkt-srcaddr pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service end"
    data = samples.log(names, ["10.0.0.9 3.5.1.1 10.0.0.9 3.5.1.1 - AMAZON 1418530070"])
    [document] = next(Reader(data)).parse(enrichment=Enrichment([AwsRanges(file)])).to_ecs()
    assert document["aws"]["vpcflow"]["pkt_dst_service"] == "AMAZON"
    assert document["destination"]["cloud"]["service"]["name"] == "S3"


def test_the_same_in_every_form(file: Path, tmp_path: Path) -> None:
    found = batch(file, ("3.5.1.1", "10.0.0.9"), ("10.0.0.9", "13.33.0.1"), ("10.0.0.9", "10.0.0.8"))
    assert found.to_ecs() == [json.loads(line) for line in found.to_ndjson().splitlines()]
    frame = polars.DataFrame(found)
    assert frame["source.cloud.service.name"].to_list() == ["S3", None, None]
    assert frame["destination.cloud.service.name"].to_list() == [None, "CLOUDFRONT", None]
    log = tmp_path / "a.log"
    log.write_bytes(samples.log(samples.V2, [samples.ACCEPTED.replace("172.31.16.139", "3.5.1.1")]))
    store = tmp_path / "store"
    done = CliRunner().invoke(main, ["index", str(log), "--to", str(store), "--aws-ranges", str(file)])
    assert done.exit_code == 0, done.output
    query = 'SELECT "source.cloud.service.name", "source.cloud.region", "destination.cloud.region" FROM flows'
    assert connect(store).execute(query).fetchall() == [("S3", "eu-west-1", None)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html>", "is not AWS's ip-ranges.json: expected value at line 1 column 1; download it again"),
        ("{}", "is not AWS's ip-ranges.json: it has no list prefixes"),
        (json.dumps(ranges(ipv6_prefixes=None)), "it has no list ipv6_prefixes"),
        (json.dumps(ranges(prefixes=[prefix("3.5.0.1/19", "S3")])), "prefixes[0]: \"3.5.0.1/19\" is no network of that length"),
        (json.dumps(ranges(prefixes=[{"ip_prefix": "3.5.0.0/19", "region": "x"}])), "prefixes[0] has no service"),
        (json.dumps(ranges())[:-40], "is not AWS's ip-ranges.json: EOF"),
    ],
)  # fmt: skip
def test_another_file_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "ip-ranges.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        AwsRanges(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
