"""Flows of the last hours, and rules, for the tests of `vpcflow alerts`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import vpcflow
from unit.flowlogs import HEADER, write

ATTACKER, OTHER, HOST = "203.0.113.9", "198.51.100.7", "10.0.1.20"

SSH = """title: SSH, the flows
name: ssh
id: 5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c01
logsource: {product: aws, service: vpcflow}
detection:
  selection:
    destination.port: 22
    aws.vpcflow.action: REJECT
  condition: selection
---
title: SSH refused
id: 5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c02
description: SSH was refused.
dashboard: threats
level: low
correlation:
  timespan: 10m
  type: event_count
  rules: [ssh]
  group-by: [source.ip]
  condition: {gte: 10}
"""


def owner(name: str, match: str, email: str | None = None) -> str:
    """The table of an owner in a vpcflow.toml."""
    return f'[[owners]]\nname = "{name}"\nemail = "{email or f"{name}@example.com"}"\nmatch = {{ {match} }}\n'


def mail(port: int, *more: str, host: str = "127.0.0.1", to: tuple[str, ...] = ("net@example.com",)) -> str:
    """The table of a channel for mail, to a server of this machine."""
    lines = [
        "[alerts.channels.mail]",
        'type = "email"',
        'from = "vpcflow@example.com"',
        f'host = "{host}"',
        f"port = {port}",
        f"to = {json.dumps(to)}",
        *more,
    ]
    return "\n".join(lines) + "\n"


def record(
    when: datetime,
    source: str = ATTACKER,
    destination: str = HOST,
    port: int = 22,
    *,
    action: str = "REJECT",
    interface: str = "eni-1235b8ca123456789",
    size: int = 400,
) -> str:
    """A line of a flow log: a record that ended at that time."""
    end = int(when.timestamp())
    return f"2 123456789010 {interface} {source} {destination} 40000 {port} 6 5 {size} {end - 10} {end} {action} OK"


def ago(**time: float) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**time)


def fill(store: Path, *lines: str, name: str = "a", **options: object) -> Path:
    """Indexes lines as a file of that name, into a store or what `to` says."""
    log = write(store.parent / "logs" / f"{name}.log", HEADER, *lines)
    vpcflow.index(log, **{"to": store, **options})
    return store


def rules(folder: Path, *changes: tuple[str, str], name: str = "ssh") -> Path:
    """A folder with the rule `SSH`, with some of its text changed."""
    text = SSH
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yml").write_text(text)
    return folder
