"""Flows to diagnose, and who is asked of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.flowlogs import errors, text, vpcflow
from vpcflow.elastic.template import data_stream

TARGETS = ["store", "elasticsearch"]
ACCOUNT = "123456789012"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status flow-direction tcp-flags subnet-id"
)
START = 1_795_000_000  # 2026-11-18T11:06:40Z
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

    def refuses(self, *options: str, code: int = 2) -> str:
        """The one line that the command says when it can't."""
        done = vpcflow("diagnose", "--from", self._to, *self._more, *options, cwd=self._folder, code=code)
        assert done.stdout == b""
        [line] = errors(done)
        return line

    def write(self, name: str, content: Any) -> str:
        """A file beside the flows: JSON, or text as it is."""
        text = content if isinstance(content, str) else json.dumps(content)
        (self._folder / name).write_text(text)
        return name

    def found(self, *options: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.ask(*options))
        return content


def open_target(request: pytest.FixtureRequest, folder: Path) -> Target:
    """What a fixture with the parameters `TARGETS` is."""
    if request.param == "store":
        return Target(folder, str(folder / "store"))
    url, es = request.getfixturevalue("elasticsearch_url"), request.getfixturevalue("es")
    namespace = request.getfixturevalue("namespace")
    stream = data_stream(namespace)
    return Target(folder, url, "--namespace", namespace, refresh=lambda: es.indices.refresh(index=stream))
