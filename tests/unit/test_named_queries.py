"""`vpcflow query NAME`: questions that have names."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

import vpcflow
from samples import V2
from vpcflow.cli import main
from vpcflow.query.fields import kind
from vpcflow.query.named import names, question

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = ("--since", "2026-11-24", "--until", "2026-11-25")
NAT = f"{V2} interface-type next-hop-interface-type flow-direction"


def flow(source: str, target: str, port: int, nbytes: int, *, action: str = "ACCEPT", more: str = "") -> str:
    end = int(NOW.timestamp())
    return f"2 123456789010 eni-0a1b {source} {target} 40000 {port} 6 3 {nbytes} {end - 60} {end} {action} OK{more}"


FLOWS = [
    flow("10.0.0.1", "203.0.113.9", 443, 5000),
    flow("10.0.0.1", "203.0.113.9", 443, 2500),
    flow("10.0.0.2", "10.0.0.1", 5432, 900),
    *(flow("198.51.100.7", "10.0.0.1", port, 40, action="REJECT") for port in range(20, 30)),
    *(flow("198.51.100.8", f"10.0.0.{host}", 22, 44, action="REJECT") for host in range(1, 6)),
]


def store(folder: Path, lines: list[str], fields: str = V2, name: str = "store") -> Path:
    log = folder / f"{name}.log"
    log.write_text("\n".join([fields, *lines, ""]))
    vpcflow.index(log, to=folder / name)
    return folder / name


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    return store(tmp_path, FLOWS)


def ask(*args: object, code: int = 0):
    done = CliRunner().invoke(main, ["query", *map(str, args)])
    assert done.exit_code == code, done.output
    return done


def rows(*args: object) -> list[dict]:
    return json.loads(ask(*args, "--format", "json").stdout)


def test_a_question_by_its_name(flows: Path) -> None:
    first, *_ = rows("top-talkers", "--from", flows, *DAY)
    assert first == {
        "source.ip": "10.0.0.1",
        "destination.ip": "203.0.113.9",
        "bytes": 7500,
        "packets": 6,
        "flows": 2,
    }


def test_ports_that_are_rejected_and_who_scans_and_sweeps(flows: Path) -> None:
    port, *_ = rows("rejected-ports", "--from", flows, *DAY)
    assert port == {
        "destination.port": 22,
        "network.transport": "tcp",
        "flows": 6,
        "sources": 2,
        "destinations": 5,
    }
    scan, *_ = rows("scans", "--from", flows, *DAY)
    assert (scan["source.ip"], scan["ports"], scan["rejected"]) == ("198.51.100.7", 10, 1.0)
    sweep, *_ = rows("sweeps", "--from", flows, *DAY)
    assert (sweep["source.ip"], sweep["destination.port"], sweep["hosts"]) == ("198.51.100.8", 22, 5)


def test_the_list_has_every_question_and_says_what_it_asks() -> None:
    shown = ask("--list").stdout
    assert all(name in shown and title in shown for name, title in names().items())
    assert len(names()) >= 25
    assert json.loads(ask("--list", "--format", "json").stdout)[0].keys() == {"name", "question"}


@pytest.mark.parametrize("name", names())
def test_every_question_can_be_asked_and_lacks_nothing_or_says_what(name: str, flows: Path) -> None:
    asked = question(name)
    assert asked.title
    assert (asked.needs is None) == (not asked.lacks)
    done = CliRunner().invoke(main, ["query", name, "--from", str(flows), *DAY, "--format", "csv"])
    if done.exit_code:
        assert done.exit_code == 2
        assert done.stderr.startswith(f"Error: {name}: no flow ")
        assert asked.needs is not None
    else:
        columns = next(csv.reader(io.StringIO(done.stdout)))
        numbers = {metric.name for way in asked.ways for metric in way.query.metrics} | {"dollars"}
        assert all(column in numbers or kind(column) for column in columns)


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson", "parquet"])
def test_rows_in_every_format(form: str, flows: Path, tmp_path: Path) -> None:
    out = tmp_path / f"rows.{form}"
    done = ask("egress", "--from", flows, *DAY, "--format", form, "-o", out)
    assert done.stdout == ""
    if form == "parquet":
        frame = pl.read_parquet(out)
        assert frame.rows() == [("10.0.0.1", "203.0.113.9", 7500, 2)]
        assert frame.schema["bytes"] == pl.Int64
    else:
        text = out.read_text()
        assert "203.0.113.9" in text
        assert "7500" in text


def test_shares_are_short_where_people_read_them(tmp_path: Path) -> None:
    lines = [flow("198.51.100.7", "10.0.0.1", port, 40, action="REJECT") for port in range(20, 27)]
    flows = store(tmp_path, [*lines, *(flow("198.51.100.7", "10.0.0.1", port, 40) for port in (1, 2, 3, 4))])
    (row,) = ask("scans", "--from", flows, *DAY).stdout.splitlines()[3:4]
    assert row.split() == ["198.51.100.7", "10.0.0.1", "11", "11", "0.636"]
    assert rows("scans", "--from", flows, *DAY)[0]["rejected"] == 7 / 11


def test_time_stays_time_in_parquet_even_of_an_answer_without_rows(flows: Path, tmp_path: Path) -> None:
    for args in (DAY, ("--last", "1h")):
        ask("traffic", "--from", flows, *args, "-o", tmp_path / "rows.parquet")
        frame = pl.read_parquet(tmp_path / "rows.parquet")
        assert frame.schema["@timestamp"] == pl.Datetime("us", "UTC")
        assert frame.schema["rejected"] == pl.Float64
    assert frame.is_empty()


def test_a_time_and_its_end(flows: Path) -> None:
    before = ("--since", "2026-11-24", "--until", NOW.isoformat())
    assert rows("top-talkers", "--from", flows, *before) == []
    after = ("--until", (NOW + timedelta(seconds=1)).isoformat(), "--last", "1s")
    assert len(rows("top-talkers", "--from", flows, *after)) == 8


def test_as_many_rows_as_asked_for(flows: Path) -> None:
    assert len(rows("scans", "--from", flows, *DAY, "--limit", 2)) == 2


def test_standard_error_says_what_the_rows_are(flows: Path) -> None:
    done = ask("top-talkers", "--from", flows, *DAY)
    assert "Who sends most to whom, in bytes: 2026-11-24T00:00:00Z to 2026-11-25T00:00:00Z" in done.stderr
    assert "Who sends" not in done.stdout


def test_no_flows_of_that_time_are_told_from_none_that_is_asked_for(flows: Path) -> None:
    nothing = ask("top-talkers", "--from", flows, "--last", "1s").stderr
    assert "There are no flows of that time; those there are go from 2026-11-" in nothing
    assert "None of the flows of that time is of this kind" in ask("unreadable", "--from", flows, *DAY).stderr


def test_what_nat_gateways_cost_by_who_uses_them(tmp_path: Path) -> None:
    lines = [
        flow("10.0.0.1", "203.0.113.9", 443, 2_000_000_000, more=" - nat_gateway egress"),
        flow("203.0.113.9", "10.0.0.1", 443, 1_000_000_000, more=" - nat_gateway ingress"),
        flow("10.0.0.1", "10.0.0.9", 443, 9_000_000_000, more=" - - egress"),
    ]
    found = ask("nat-cost", "--from", store(tmp_path, lines, NAT), *DAY, "--format", "json")
    assert json.loads(found.stdout) == [
        {"aws.vpcflow.interface_id": "eni-0a1b", "bytes": 3_000_000_000, "flows": 2, "dollars": 0.135}
    ]
    assert "0.14 dollars in all: 10^9 bytes at 0.045, AWS's list price a GB in us-east-1" in found.stderr


def test_what_nat_gateways_cost_in_all_counts_more_than_the_rows(tmp_path: Path) -> None:
    lines = [
        flow("10.0.0.1", "203.0.113.9", 443, 1_000_000_000, more=" - nat_gateway egress").replace("0a1b", eni)
        for eni in ("0a", "0b", "0c")
    ]
    found = ask("nat-cost", "--from", store(tmp_path, lines, NAT), *DAY, "--limit", "1", "--format", "json")
    assert [row["dollars"] for row in json.loads(found.stdout)] == [0.045]
    assert "0.14 dollars in all" in found.stderr


def test_what_nat_gateways_cost_by_their_own_interfaces(tmp_path: Path) -> None:
    lines = [
        flow("10.0.0.1", "10.0.0.250", 443, 2_000_000_000, more=" nat_gateway - ingress"),
        flow("10.0.0.250", "203.0.113.9", 443, 2_000_000_000, more=" nat_gateway - egress"),
    ]
    found = ask("nat-cost", "--from", store(tmp_path, lines, NAT), *DAY, "--format", "json")
    assert json.loads(found.stdout)[0]["dollars"] == 0.09
    assert "by the gateways' own interfaces" in found.stderr


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("nat-cost", "log next-hop-interface-type (version 11), or index with --inventory"),
        ("egress-countries", "index with --geo"),
        ("threats", "index with --threat-list"),
        ("gateway-drops", "flow logs of transit gateways (version 6)"),
        ("top-teams", "put [[owners]] with a team into vpcflow.toml"),
    ],
)
def test_flows_that_lack_what_is_asked_for(name: str, lacks: str, flows: Path) -> None:
    done = ask(name, "--from", flows, *DAY, code=2)
    assert done.stderr.startswith(f"Error: {name}: no flow ")
    assert lacks in done.stderr
    assert done.stdout == ""


def test_a_store_of_an_older_version_lacks_columns(tmp_path: Path) -> None:
    whole = store(tmp_path, FLOWS)
    [part] = whole.rglob("*.parquet")
    older = ["@timestamp", "source.ip", "destination.ip", "destination.port", "source.bytes", "event.action"]
    pl.read_parquet(part, columns=older, hive_partitioning=False).write_parquet(part)
    first, *_ = rows("top-talkers", "--from", whole, *DAY)
    assert (first["bytes"], first["packets"]) == (7500, 0)
    assert "log instance-id (version 3)" in ask("top-instances", "--from", whole, *DAY, code=2).stderr
    assert rows("skipped", "--from", whole, *DAY) == []


def test_a_store_of_several_versions_is_read_as_one(tmp_path: Path) -> None:
    folder = store(tmp_path, FLOWS)
    more = tmp_path / "more.log"
    more.write_text(f"{NAT}\n{flow('10.0.0.1', '203.0.113.9', 443, 1, more=' - nat_gateway egress')}\n")
    vpcflow.index(more, to=folder)
    assert rows("top-talkers", "--from", folder, *DAY)[0]["bytes"] == 7501
    assert rows("nat-cost", "--from", folder, *DAY)[0]["bytes"] == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("top-talkrs",), "there is no question top-talkrs; did you mean top-talkers?"),
        (("Top-Talkrs",), "there is no question top-talkrs; did you mean top-talkers?"),
        (("xyz",), "there is no question xyz; vpcflow query --list has them all"),
        (("top-talkers", "--from", "nowhere"), "nowhere: no store is there"),
        (("top-talkers", "--from", "empty"), "empty: nothing is in this store yet"),
        (("top-talkers", "--last", "soon"), "'soon' is no duration"),
        (("top-talkers", "--last", "1d", "--since", "2d"), "--last and --since both say where the time begins"),
        (("top-talkers", "--since", "1d", "--until", "2d"), "nothing is between them"),
        (("top-talkers", "--last", "9999999d"), "--last goes back to before there were years"),
        (("top-talkers", "--limit", "0"), "Invalid value for '--limit'"),
        (("traffic", "--limit", "3"), "traffic goes over time"),
        (("top-talkers", "--namespace", "prod"), "--namespace is for Elasticsearch; vpcflow-data is a store"),
        (("top-talkers", "--ca", "ca.pem"), "--ca is for Elasticsearch; vpcflow-data is a store"),
        ((), "Missing argument 'NAME|SQL'; vpcflow query --list has the names"),
        (("SELECT 1", "--last", "1d"), "--last is for questions by name, and this is SQL"),
        (("SELECT 1", "--limit", "3"), "--limit is for questions by name, and this is SQL; write LIMIT"),
        (("SELECT 1", "--from", "https://me:secret@host:9200"), "https://host:9200: SQL is for Parquet stores"),
        (("top-talkers", "--from", "https://localhost:1"), "localhost:1"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(
    args: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(main, ["query", *args])
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert "secret" not in done.output
    assert "Traceback" not in done.output
