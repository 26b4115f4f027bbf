"""`vpcflow diagnose` explains refused flows: the same from a Parquet store and from Elasticsearch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from vpcflow.elastic.template import data_stream

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from flowlogs import errors, text, vpcflow

ACCOUNT = "123456789012"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status flow-direction tcp-flags subnet-id"
)
START = 1_796_000_000
WEB, APP, DB = ("eni-web", "10.0.1.10"), ("eni-app", "10.0.2.30"), ("eni-db", "10.0.3.40")
PARTNER, STRANGER = "198.51.100.7", "203.0.113.9"
SUBNETS = {"eni-web": "subnet-web", "eni-app": "subnet-app", "eni-db": "subnet-db"}


def flow(
    interface: str,
    source: tuple[str, int] | str,
    destination: tuple[str, int] | str,
    action: str = "ACCEPT",
    *,
    way: str = "ingress",
    protocol: int = 6,
    flags: int = 2,
    minute: int = 0,
    times: int = 1,
) -> list[str]:
    """Records of a flow: one a minute."""
    (one, source_port), (other, port) = (
        (it, 0) if isinstance(it, str) else it for it in (source, destination)
    )
    return [
        f"5 {ACCOUNT} {interface} {one} {other} {source_port} {port} {protocol} 4 240 {START + at * 60} "
        f"{START + at * 60 + 30} {action} OK {way} {flags} {SUBNETS.get(interface, '-')}"
        for at in range(minute, minute + times)
    ]  # fmt: skip


def write(folder: Path, *flows: list[str], header: str = HEADER) -> Path:
    log = folder / "flow.log"
    log.write_bytes(text(header, *(line for several in flows for line in several)))
    return log


class Target:
    """A store or an Elasticsearch, and the command that asks it."""

    def __init__(self, folder: Path, *options: str, refresh: Any = lambda: None) -> None:
        self._folder = folder
        self._to, *self._more = options
        self._refresh = refresh

    def index(self, *flows: list[str], header: str = HEADER, more: tuple[str, ...] = ()) -> None:
        log = write(self._folder, *flows, header=header)
        vpcflow("index", log, "--to", self._to, *self._more, *more, cwd=self._folder)
        self._refresh()

    def ask(self, *options: str, form: str = "json") -> str:
        done = vpcflow(
            "diagnose", "--from", self._to, *self._more, "--format", form, *options, cwd=self._folder
        )
        assert errors(done) == []
        return done.stdout.decode()

    def found(self, *options: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.ask(*options))
        return content


@pytest.fixture
def store(tmp_path: Path) -> Target:
    return Target(tmp_path, str(tmp_path / "store"))


@pytest.fixture(params=["store", "elasticsearch"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "store":
        return Target(tmp_path, str(tmp_path / "store"))
    url, es = request.getfixturevalue("elasticsearch_url"), request.getfixturevalue("es")
    namespace = request.getfixturevalue("namespace")
    return Target(
        tmp_path,
        url,
        "--namespace",
        namespace,
        refresh=lambda: es.indices.refresh(index=data_stream(namespace)),
    )


def test_a_request_that_a_security_group_refuses(target: Target) -> None:
    target.index(
        flow(DB[0], ("10.0.2.31", 40001), (DB[1], 5432)),
        flow(APP[0], (APP[1], 40000), (DB[1], 5432), way="egress", times=3),
        flow(DB[0], (APP[1], 40000), (DB[1], 5432), "REJECT", times=3),
    )
    found = target.found()
    assert (found["flows"], found["refused"], found["distinct_refusals"]) == (7, 3, 1)
    [refusal] = found["refusals"]
    assert refusal["most_likely"] == "group"
    assert (refusal["interface"], refusal["direction"], refusal["flows"]) == ("eni-db", "ingress", 3)
    assert (refusal["source"], refusal["protocol"], refusal["port"]) == (APP[1], "tcp", 5432)
    assert refusal["evidence"][:2] == [
        "the interface accepts it from another address: its group has a rule, but not for this one",
        "eni-app let it out: refused on the way in",
    ]
    [rule] = refusal["rules"]
    assert rule["peer"] == "10.0.2.30/32"
    assert (rule["direction"], rule["protocol"], rule["from_port"], rule["to_port"]) == (
        "ingress",
        "tcp",
        5432,
        5432,
    )
    assert rule["security_group"] is None
