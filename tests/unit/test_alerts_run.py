"""`vpcflow alerts run` over a store: what is told, what isn't told twice, and when it is over."""

from __future__ import annotations

from pathlib import Path

from unit.alerting import OTHER, ago, fill, record, rules
from unit.flowlogs import vpcflow


def told(done) -> list[str]:
    """The notices on standard output, without their rows."""
    return [line for line in done.stdout.decode().splitlines() if not line.startswith(" ")]


def test_what_was_seen_is_told_once(tmp_path: Path) -> None:
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    own = rules(tmp_path / "own")
    run = ("alerts", "run", "--from", "flows", "--rules", own)
    first = vpcflow(*run, cwd=tmp_path)
    assert "[low] SSH refused: 1" in told(first)
    assert "source.ip 203.0.113.9, flows 12" in first.stdout.decode()
    assert (tmp_path / "flows-alerts.db").is_file()
    assert "SSH refused" not in vpcflow(*run, cwd=tmp_path).stdout.decode()


def test_another_address_is_told_at_once(tmp_path: Path) -> None:
    store = fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    run = ("alerts", "run", "--from", "flows", "--rules", rules(tmp_path / "own"))
    vpcflow(*run, cwd=tmp_path)
    fill(store, *[record(ago(minutes=1), OTHER)] * 11, name="b")
    again = vpcflow(*run, cwd=tmp_path).stdout.decode()
    assert "SSH refused: 1" in again
    assert OTHER in again
