"""Notices as the running part makes them, of rules that ship."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from vpcflow.alerts.notice import Notice, Row
from vpcflow.alerts.notify import Channel
from vpcflow.alerts.rules import load_all
from vpcflow.kibana.assets import folder
from vpcflow.owners import Match, Owner

RULES = {one.title: one for one in load_all(folder() / "rules")}
JANE = Owner(name="Jane Roe", team="payments", email="jane@example.com", match=Match(vpcs=("vpc-0a1b2c3d",)))
BEGIN = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)

SCAN = Notice(
    key="9ca63ced-scan-1",
    state="fired",
    rule=RULES["Port scan of one host"],
    owner=JANE,
    rows=(
        Row(("203.0.113.9", "10.0.1.20"), 1060.0, BEGIN),
        Row(("203.0.113.9", "10.0.1.21"), 60.0, BEGIN + timedelta(minutes=1)),
        Row(("198.51.100.7", "10.0.1.20"), 51.0, BEGIN + timedelta(minutes=4)),
    ),
    count=3,
    start=BEGIN,
    end=BEGIN + timedelta(minutes=15),
    history=tuple(
        (BEGIN - timedelta(minutes=30 - n), float(n % 7 * (150 if n == 27 else 4))) for n in range(30)
    ),
)


def tell(channel: Channel, notice: Notice = SCAN) -> None:
    """Tells everybody of it, as the running part does."""
    for recipient in channel.recipients(notice):
        channel.send(notice, recipient)


def notice(**changes) -> Notice:
    """The scan, with changes."""
    return replace(SCAN, **changes)
