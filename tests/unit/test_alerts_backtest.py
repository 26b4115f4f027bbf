"""`vpcflow alerts backtest`: how often rules would have fired, day by day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from unit.alerting import ATTACKER, OTHER, fill, owner, record, rules
from unit.flowlogs import errors, vpcflow
from vpcflow.enrich.owners import OwnersByInterface
from vpcflow.owners import Match, Owner

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
WEEK = ("--since", "2026-11-22", "--until", "2026-11-29", "--format", "json")


def at(day: int, hour: int, minute: int = 1) -> datetime:
    return MONDAY + timedelta(days=day, hours=hour, minutes=minute)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """On Monday two addresses, one of them three times within two hours; on Wednesday eleven; and near misses."""
    lines = [
        *[record(at(0, 1))] * 10,
        *[record(at(0, 1, 11))] * 12,
        *[record(at(0, 3))] * 30,
        *[record(at(0, 3), OTHER)] * 10,
        *[record(at(1, 3))] * 9,
        *[record(at(1, 4, 9))] * 5,  # over the border of two pieces
        *[record(at(1, 4, 10))] * 5,
        *[record(at(2, 0, 0))] * 11,
    ]
    return fill(tmp_path / "flows", *lines)


def test_days_and_what_on(store: Path, tmp_path: Path) -> None:
    own = rules(tmp_path / "own")
    run = ("alerts", "backtest", "--from", store, "--rules", own, "--rule", "ssh")
    days = json.loads(vpcflow(*run, *WEEK, cwd=tmp_path).stdout)
    assert days == [
        {
            "day": "2026-11-23",
            "level": "low",
            "rule": "ssh",
            "fired": 4,
            "groups": 2,
            "messages": 2,  # the second burst is within an hour of the first
            "top": [
                {"group": {"source.ip": ATTACKER}, "fired": 3},
                {"group": {"source.ip": OTHER}, "fired": 1},
            ],
        },
        {
            "day": "2026-11-25",
            "level": "low",
            "rule": "ssh",
            "fired": 1,
            "groups": 1,
            "messages": 1,
            "top": [{"group": {"source.ip": ATTACKER}, "fired": 1}],
        },
    ]


def test_a_threshold_is_tried_out(store: Path, tmp_path: Path) -> None:
    own = rules(tmp_path / "own")
    run = ("alerts", "backtest", "--from", store, "--rules", own, "--rule", "SSH refused", *WEEK)
    for threshold, fired in ((5, 8), (11, 3), (30, 1), (31, 0)):
        done = vpcflow(*run, "--threshold", str(threshold), cwd=tmp_path)
        assert sum(day["fired"] for day in json.loads(done.stdout)) == fired
    assert errors(done) == ["Not once: ssh"]


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """An address at the interfaces of two owners and of nobody: six times at each, which is enough nowhere alone but
    at the lab's in the next hour, and again there on Tuesday."""
    lab, shop = (Owner(name=name, match=Match(interfaces=(f"eni-{name}",))) for name in ("lab", "shop"))
    (tmp_path / "vpcflow.toml").write_text(owner("lab", 'interfaces = ["eni-lab"]'))
    lines = [record(at(0, 1), interface=f"eni-{name}") for name in ("lab", "shop", "x") for _ in range(6)]
    lines += [record(at(day, 3), interface="eni-lab") for day in (0, 1) for _ in range(10)]
    lines += [record(at(1, 3), interface="eni-x") for _ in range(11)]
    return fill(tmp_path / "flows", *lines, enrich=[OwnersByInterface((lab, shop))])


def test_each_owners_flows_count_by_themselves(owned: Path, tmp_path: Path) -> None:
    own = rules(tmp_path / "own")
    run = ("alerts", "backtest", "--from", owned, "--rules", own, "--rule", "ssh", *WEEK)

    def fired(*more: str) -> list[tuple[object, ...]]:
        days = json.loads(vpcflow(*run, *more, cwd=tmp_path).stdout)
        keys = [key for key in ("day", "owner", "fired", "messages") if not days or key in days[0]]
        return [tuple(day[key] for key in keys) for day in days]

    assert fired() == [("2026-11-23", 2, 2), ("2026-11-24", 1, 1)]
    assert fired("--config", "vpcflow.toml") == [
        ("2026-11-23", "lab", 1, 1),
        ("2026-11-24", None, 1, 1),
        ("2026-11-24", "lab", 1, 1),
    ]
    # Owners who are not in the file are counted as in a run: by themselves.
    assert ("2026-11-23", "shop", 1, 1) in fired("--config", "vpcflow.toml", "--threshold", "6")
    (tmp_path / "none.toml").write_text("")
    assert fired("--config", "none.toml") == fired()


def test_owners_stand_in_the_table(owned: Path, tmp_path: Path) -> None:
    own = rules(tmp_path / "own")
    run = ("alerts", "backtest", "--from", owned, "--rules", own, "--rule", "ssh", "--config", "vpcflow.toml")
    rows = [line.split("   ") for line in vpcflow(*run, *WEEK[:4], cwd=tmp_path).stdout.decode().splitlines()]
    shown = [[cell.strip() for cell in row if cell.strip()] for row in rows if len(row) > 1]
    assert shown == [
        ["day", "level", "rule", "owner", "fired", "groups", "messages", "top"],
        ["2026-11-23", "low", "ssh", "lab", "1", "1", "1", f"{ATTACKER} (1)"],
        ["2026-11-24", "low", "ssh", "no owner", "1", "1", "1", f"{ATTACKER} (1)"],
        ["2026-11-24", "low", "ssh", "lab", "1", "1", "1", f"{ATTACKER} (1)"],
    ]


def test_an_interface_of_an_owner_that_falls_silent(tmp_path: Path) -> None:
    """A change is counted by owner, too: the same interface goes over to another owner, for whom it is well."""
    store = tmp_path / "flows"
    for name, hours in (("lab", range(12)), ("shop", range(12, 7 * 24))):
        whose = Owner(name=name, match=Match(interfaces=("eni-1",)))
        lines = [record(at(0, hour), action="ACCEPT", interface="eni-1") for hour in hours]
        fill(store, *lines, name=name, enrich=[OwnersByInterface((whose,))])
    (tmp_path / "vpcflow.toml").write_text(owner("lab", 'interfaces = ["eni-1"]'))
    run = ("alerts", "backtest", "--from", store, "--rule", "silent-interface", *WEEK)
    assert json.loads(vpcflow(*run, cwd=tmp_path).stdout) == []
    days = json.loads(vpcflow(*run, "--config", "vpcflow.toml", cwd=tmp_path).stdout)
    assert [(day["day"], day["owner"], day["fired"]) for day in days] == [("2026-11-23", "lab", 1)]


def test_every_rule_as_a_table(store: Path, tmp_path: Path) -> None:
    done = vpcflow("alerts", "backtest", "--from", store, *WEEK[:4], cwd=tmp_path)
    rows = [line.split() for line in done.stdout.decode().splitlines()[3:]]
    assert ["2026-11-23", "low", "ssh_rdp_refused", "3", "2", "2", ATTACKER, "(2),", OTHER, "(1)"] in rows
    assert "database_reached" in errors(done)[0]


def test_an_interface_that_falls_silent(tmp_path: Path) -> None:
    """It logs each hour of Monday until noon and is back for an hour on Tuesday; another one goes on."""
    gone = [record(at(0, hour), action="ACCEPT", interface="eni-gone") for hour in [*range(12), 30]]
    well = [record(at(0, hour), action="ACCEPT", interface="eni-well") for hour in range(7 * 24)]
    store = fill(tmp_path / "flows", *gone, *well)
    run = ("alerts", "backtest", "--from", store, "--rule", "silent-interface")
    days = json.loads(vpcflow(*run, *WEEK, cwd=tmp_path).stdout)
    assert [(day["day"], day["fired"], day["top"]) for day in days] == [
        ("2026-11-23", 1, [{"group": {"aws.vpcflow.interface_id": "eni-gone"}, "fired": 1}]),
        ("2026-11-24", 1, [{"group": {"aws.vpcflow.interface_id": "eni-gone"}, "fired": 1}]),
    ]


def test_rules_that_could_not_fire_are_told_from_those_that_did_not(store: Path, tmp_path: Path) -> None:
    run = ("alerts", "backtest", "--from", store, "--rule", "threat_list_hit", "--rule", "port_scan")
    assert errors(vpcflow(*run, *WEEK, cwd=tmp_path)) == [
        "Not once: port_scan",
        "Could not fire: threat_list_hit, because no flow has threat.indicator.type",
    ]
    never = vpcflow(*run, "--since", "2020-01-01", "--until", "2020-01-02", cwd=tmp_path)
    assert errors(never) == [
        "There are no flows from 2020-01-01 00:00 to 2020-01-02 00:00 UTC: give another time with --last, or"
        " --since and --until."
    ]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("--rule", "port-scam"), "there is no rule port-scam; did you mean port_scan?"),
        (("--threshold", "5"), "--threshold is tried out on one rule: give it with --rule NAME"),
        (
            ("--last", "3d", "--since", "2d"),
            "--last and --since both say where the time begins; leave one of them out",
        ),
        (
            ("--since", "2026-11-24", "--until", "2026-11-23"),
            "the time begins at 2026-11-24T00:00:00Z and ends at 2026-11-23T00:00:00Z: nothing is between them",
        ),
        (("--rules", "nowhere"), "nowhere: is no folder; --rules takes one with rules, *.yml"),
        (("--config", "none.toml"), "none.toml: No such file or directory; give the path of a vpcflow.toml"),
    ],
)
def test_wrong_usage(store: Path, tmp_path: Path, wrong: tuple[str, ...], why: str) -> None:
    done = vpcflow("alerts", "backtest", "--from", store, *wrong, cwd=tmp_path, code=2)
    assert errors(done)[-1] == f"Error: {why}"
