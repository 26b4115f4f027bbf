"""`vpcflow alerts run` over a store: what is told, what isn't told twice, and when it is over."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from unit.alerting import ATTACKER, OTHER, ago, fill, record, rules
from unit.flowlogs import errors, vpcflow
from vpcflow.cli import main


def test_what_was_seen_is_told_once(tmp_path: Path) -> None:
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    own = rules(tmp_path / "own")
    run = ("alerts", "run", "--from", "flows", "--rules", own)
    first = vpcflow(*run, cwd=tmp_path)
    assert "[low] SSH refused: 1\n" in first.stdout.decode()
    assert ATTACKER in first.stdout.decode()
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


def test_a_dry_run_remembers_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    run = ("alerts", "run", "--from", "flows", "--rules", rules(tmp_path / "own"), "--dry-run")
    for _ in range(2):
        assert "SSH refused: 1" in vpcflow(*run, cwd=tmp_path).stdout.decode()
    assert not list(tmp_path.glob("*.db"))


def test_an_empty_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    done = vpcflow("alerts", "run", "--from", "flows", cwd=tmp_path, code=2)
    assert errors(done) == [
        "Error: flows: nothing is in this store yet; fill it with: vpcflow index SOURCE --to flows"
    ]
    vpcflow("alerts", "run", "--from", "elsewhere", cwd=tmp_path, code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["flows"], "no file is left behind"


def test_a_store_to_which_nothing_comes_any_more_is_said(tmp_path: Path) -> None:
    fill(tmp_path / "flows", record(ago(days=3)))
    done = vpcflow("alerts", "run", "--from", "flows", cwd=tmp_path)
    assert errors(done) == [
        f"Warning: the newest flow is from {ago(days=3):%Y-%m-%d %H:%M} UTC, and nothing newer has come, so rules"
        " have nothing to count; vpcflow alerts backtest counts what was before",
        "14 rules: 0 fired, 0 over; 0 messages told",
    ]


def test_fields_that_the_flows_lack_are_said_once_and_the_other_rules_go_on(tmp_path: Path) -> None:
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    run = ("alerts", "run", "--from", "flows", "--rules", rules(tmp_path / "own"))
    first = vpcflow(*run, cwd=tmp_path)
    said = "Warning: Egress to a new country: no flow of the last day has destination.geo.country_name, "
    assert [line for line in errors(first) if line.startswith(said)]
    assert "SSH refused: 1" in first.stdout.decode()
    assert not [line for line in errors(vpcflow(*run, cwd=tmp_path)) if line.startswith("Warning")]


def test_a_store_of_an_older_version(tmp_path: Path) -> None:
    """It has no column for most of what rules ask for."""
    import duckdb

    folder = tmp_path / "flows" / f"date={ago(minutes=2):%Y-%m-%d}"
    folder.mkdir(parents=True)
    duckdb.sql(
        f"""COPY (SELECT TIMESTAMPTZ '{ago(minutes=2).isoformat()}' AS "@timestamp", '{ATTACKER}' AS "source.ip",
        22::BIGINT AS "destination.port", 'REJECT' AS "aws.vpcflow.action" FROM range(11))
        TO '{folder}/a-0.parquet'"""
    )
    done = vpcflow("alerts", "run", "--from", "flows", "--rules", rules(tmp_path / "own"), cwd=tmp_path)
    assert "SSH refused: 1" in done.stdout.decode()
    assert "SSH or RDP from the internet refused often: 1" in done.stdout.decode()


def test_a_rule_of_ones_own_stands_in_for_one_that_ships(tmp_path: Path) -> None:
    fill(tmp_path / "flows", *[record(ago(minutes=2))] * 12)
    same = ("5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c02", "b0ef37ad-db44-5f61-8229-7e9daf5202c2")
    own = rules(tmp_path / "own", same, ("gte: 10", "gte: 100"))
    done = vpcflow("alerts", "run", "--from", "flows", "--rules", own, "--dry-run", cwd=tmp_path)
    assert "refused" not in done.stdout.decode()
    listed = vpcflow("alerts", "list", "--rules", own, cwd=tmp_path).stdout.decode()
    assert "flows >= 100" in listed
    assert "SSH or RDP from the internet refused often" not in listed


def test_list_says_what_is_watched_for(tmp_path: Path) -> None:
    listed = vpcflow("alerts", "list", "--rules", rules(tmp_path / "own"), cwd=tmp_path).stdout.decode()
    (line,) = (line for line in listed.splitlines() if " port_scan " in line)
    assert line.split(maxsplit=2)[2].split("   ")[0] == "Port scan of one host"
    for text in (
        "medium",
        "different destination.port >= 50 in 1m for one source.ip, destination.ip",
    ):
        assert text in line
    assert "SSH refused" in listed


def test_check_of_a_file_that_is_not_there_shows_no_table(tmp_path: Path) -> None:
    done = vpcflow("alerts", "check", "none.yml", cwd=tmp_path, code=1)
    assert errors(done) == ["Error: none.yml: No such file or directory"]
    assert done.stdout == b""


def test_check_without_the_package_that_reads_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigma", None)
    done = CliRunner().invoke(main, ["alerts", "check"])
    assert done.exit_code == 2
    assert done.stderr == "Error: alert rules need the package pysigma: pip install 'vpcflow[rules]'\n"


def test_check_says_of_each_file_whether_it_is_right(tmp_path: Path) -> None:
    own = rules(tmp_path / "own")
    rules(own, ("destination.port: 22", "destination.prot: 22"), name="typo")
    rules(own, name="twice")
    done = vpcflow("alerts", "check", *sorted(own.iterdir()), cwd=tmp_path, code=1)
    assert errors(done) == [
        f"Error: {own}/twice.yml: has the id of {own}/ssh.yml, 5f0e1f3a-32ef-4f5c-9c6c-1f2d0a0b0c02; "
        "give it another one",
        f"Error: {own}/typo.yml, line 7: there is no field destination.prot; did you mean destination.port?",
    ]
    assert f"{own}/ssh.yml" in done.stdout.decode()
    assert vpcflow("alerts", "check", cwd=tmp_path).stdout.decode().count(" right") == 14


def test_check_says_which_fields_the_flows_lack(tmp_path: Path) -> None:
    fill(tmp_path / "flows", record(ago(days=40)))
    shown = vpcflow("alerts", "check", "--from", "flows", cwd=tmp_path).stdout.decode().splitlines()
    lack = {line.split("  ")[0].strip(): line.rpartition("  ")[2].strip() for line in shown if ".yml" in line}
    assert lack["Egress to a new country"] == "destination.geo.country_name"
    assert lack["Many rejects at one interface"].endswith(".yml")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("--every", "0"), "Invalid value for --every: the time between two rounds is longer than nothing, such as 1m"),
        (("--config", "none.toml"), "none.toml: No such file or directory; give the path of a vpcflow.toml"),
        (("--rules", "none"), "none: is no folder; --rules takes one with rules, *.yml"),
        (("--every", "often"), "Invalid value for '--every': 'often' is no duration; it looks like 90s, 5m, 1h or 30d"),
        (("--state", "none/state.db"), "none/state.db: can't be used to remember alerts: unable to open database file; "
         "give another file with --state"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(tmp_path: Path, wrong: tuple[str, ...], why: str) -> None:
    fill(tmp_path / "flows", record(ago(minutes=2)))
    done = vpcflow("alerts", "run", "--from", "flows", *wrong, cwd=tmp_path, code=2)
    assert errors(done)[-1] == f"Error: {why}"


def test_the_rule_of_the_docs_is_right(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    (tmp_path / "telnet.yml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    assert "Telnet let in" in vpcflow("alerts", "check", "telnet.yml", cwd=tmp_path).stdout.decode()
