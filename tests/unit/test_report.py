"""`vpcflow report`: the dashboards over a store, as a page, JSON, CSV and pictures."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

import vpcflow
from flowlogs import ACCEPT, HEADER, REJECT, write
from vpcflow import demo
from vpcflow.cli import main
from vpcflow.query.model import Period
from vpcflow.query.store import connect
from vpcflow.report.build import build, dashboards
from vpcflow.report.page import page

DAY = date(2026, 11, 23)
LIMIT = 3_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """A made-up day in one file."""
    folder = tmp_path_factory.mktemp("report")
    files = list(demo.generate(DAY, lines=20_000))
    lines = [files[0].lines[0], *(line for file in files for line in file.lines[1:])]
    vpcflow.index(write(folder / "day.log.gz", *lines), to=folder / "store")
    return folder / "store"


def report(*arguments: str | Path):
    return CliRunner().invoke(main, ["report", *map(str, arguments)], catch_exceptions=False)


def as_json(*arguments: str | Path) -> dict:
    result = report("--format", "json", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def rows(made: dict, dashboard: str, title: str) -> list[dict]:
    (board,) = (one for one in made["dashboards"] if one["name"] == dashboard)
    (panel,) = (one for one in board["panels"] if one["title"] == title)
    return panel["rows"]


def sql(store: Path, statement: str) -> list[tuple]:
    with connect(store) as connection:
        return connection.execute(statement).fetchall()


def test_numbers_are_those_of_the_store(store):
    made = as_json("--from", store)
    ((flows, nbytes, rejected),) = sql(
        store,
        """SELECT count("source.ip"), sum("network.bytes"),
           count(*) FILTER ("event.action" = 'REJECT') / count("event.action") FROM flows""",
    )
    assert rows(made, "overview", "Flows") == [{"flows": flows}]
    assert rows(made, "overview", "Bytes") == [{"bytes": nbytes}]
    assert rows(made, "overview", "Rejected")[0]["rejected"] == pytest.approx(rejected)
    talkers = sql(
        store,
        'SELECT "source.ip", sum("network.bytes") AS b, count(*) FROM flows WHERE "source.ip" IS NOT NULL '
        "GROUP BY 1 ORDER BY b DESC LIMIT 20",
    )
    assert [tuple(row.values()) for row in rows(made, "overview", "Top sources")] == talkers
    over_time = rows(made, "overview", "Accepted and rejected flows")
    expected = sql(
        store,
        """SELECT epoch("@timestamp")::BIGINT // 1800 * 1800 AS t, "event.action", count(*) FROM flows
           WHERE "event.action" IS NOT NULL GROUP BY ALL""",
    )
    assert {
        (datetime.fromisoformat(one["@timestamp"]).timestamp(), one["aws.vpcflow.action"], one["flows"])
        for one in over_time
    } == {tuple(row) for row in expected}
    scan = rows(made, "threats", "Port scans: one source, one host, many ports")[0]
    assert scan["source.ip"] == "198.51.100.23"
    assert rows(made, "security-groups", "VPC flows that were rejected")[0]["last"] == max(
        one["last"] for one in rows(made, "security-groups", "VPC flows that were rejected")
    )


def test_cubes_add_up_to_what_is_shown(store):
    """Whatever a filter leaves is taken from cubes: all of their cells are the number without a filter."""
    made = build(store, dashboards())
    checked = 0
    for board in made.boards:
        for panel, cubes in zip(board.panels, board.cubes, strict=True):
            names = [metric.name for metric in panel.metrics if metric.kind in ("count", "sum")]
            expected: dict[int, list[int]] = {}
            for _, group, *values in panel.points:
                numbers = dict(zip((one.name for one in panel.metrics), values, strict=True))
                old = expected.get(group, [0] * len(names))
                expected[group] = [a + numbers[name] for a, name in zip(old, names, strict=True)]
            added = [one for one in panel.metrics if one.kind in ("count", "sum", "share")]
            for cube in cubes:
                found: dict[int, list[int]] = {}
                for cell in zip(*cube.columns, strict=True):
                    numbers = dict(zip((one.name for one in added), cell[1 + len(cube.by) :], strict=False))
                    old = found.get(cell[0], [0] * len(names))
                    found[cell[0]] = [a + numbers[name] for a, name in zip(old, names, strict=True)]
                checked += 1
                there = {group: numbers for group, numbers in expected.items() if any(numbers)}
                assert found == there or not names, (panel.panel.title, cube.by)
    assert checked > 35


def test_a_large_store_is_read_ahead_to_the_same_numbers(store, monkeypatch):
    """Small stores are copied into memory, large ones condensed; the store itself is asked for neither."""
    period = Period(datetime(2026, 11, 23, 12, tzinfo=UTC), datetime(2026, 11, 23, 18, tzinfo=UTC))
    for chosen in (None, period):
        copied = build(store, dashboards(), period=chosen)
        with monkeypatch.context() as patch:
            patch.setattr("vpcflow.report.build._FEW", 0)
            condensed = build(store, dashboards(), period=chosen)
        for one, other in zip(copied.boards, condensed.boards, strict=True):
            for before, after in zip(one.panels, other.panels, strict=True):
                if before.panel.type != "search":  # of one moment any may come first
                    assert before == after
            assert one.cubes == other.cubes
        assert copied.timeline_cubes == condensed.timeline_cubes


def test_numbers_that_no_flow_log_has_are_right_too(tmp_path, monkeypatch):
    """A table of the flows has no room for this many packets: then the store is asked."""
    huge = ACCEPT.replace(" 20 4249 ", " 5000000000 9000000000000 ")
    vpcflow.index(write(tmp_path / "log.gz", HEADER, huge, REJECT), to=tmp_path / "store")
    monkeypatch.setattr("vpcflow.report.build._FEW", 0)
    made = as_json("--from", tmp_path / "store", "--dashboard", "traffic")
    assert rows(made, "traffic", "Talker pairs")[0]["packets"] == 5_000_000_000


def test_a_period_and_what_was_before(store):
    made = as_json("--from", store, "--since", "2026-11-23T12:00Z", "--until", "2026-11-23T18:00Z")
    halves = [
        sql(
            store,
            f"""SELECT sum("network.bytes") FROM flows WHERE "@timestamp" >= '{start}' AND "@timestamp" < '{end}'""",
        )[0][0]
        for start, end in (
            ("2026-11-23T12:00Z", "2026-11-23T18:00Z"),
            ("2026-11-23T06:00Z", "2026-11-23T12:00Z"),
        )
    ]
    assert rows(made, "overview", "Bytes") == [{"bytes": halves[0], "before": {"bytes": halves[1]}}]
    assert rows(made, "health", "Interfaces that went quiet")[0]["before"]["flows"] > 0


def test_last_is_until_now(store):
    age = datetime.now(UTC) - datetime(2026, 11, 23, tzinfo=UTC)
    made = as_json("--from", store, "--last", f"{age.days + 1}d", "--dashboard", "overview")
    assert [one["name"] for one in made["dashboards"]] == ["overview"]
    assert rows(made, "overview", "Flows")[0]["flows"] > 10_000


def test_csv_has_a_line_a_number(store):
    result = report("--from", store, "--format", "csv", "--dashboard", "overview")
    lines = list(csv.DictReader(io.StringIO(result.stdout)))
    assert lines[0]["panel"] == "Flows"
    ports = [line for line in lines if line["panel"] == "Top ports" and line["name"] == "bytes"]
    assert len(ports) == 20
    assert ports[0]["group_1"] == "443"
    assert int(ports[0]["value"]) == max(int(line["value"]) for line in ports)


def test_pictures(store, tmp_path):
    result = report("--from", store, "-o", tmp_path / "pictures", "--format", "png", "--dashboard", "threats")
    assert result.exit_code == 0, result.stderr
    path = tmp_path / "pictures" / "threats-ssh-and-rdp-accepted-and-rejected.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000


def test_the_page_asks_nobody(store, tmp_path):
    target = tmp_path / "report.html"
    result = report("--from", store, "-o", target)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith(f"{target}: 1.")
    content = target.read_text()
    assert "default-src 'none'" in content
    assert "unsafe-eval" not in content
    assert not re.search(r"<(link|iframe|script)[^>]+(src|href)=", content)
    assert len(content.encode()) < LIMIT


def test_a_page_stays_small(tmp_path):
    """Many interfaces, VPCs, addresses, ports, long paths: the page has a limit of its own."""
    folder = tmp_path / "store" / "date=2026-11-23"
    folder.mkdir(parents=True)
    duckdb.connect().execute(
        f"""COPY (SELECT
              TIMESTAMPTZ '2026-11-23 00:00Z' + to_seconds((random() * 86400)::INT) AS "@timestamp",
              CASE WHEN random() < 0.3 THEN 'REJECT' ELSE 'ACCEPT' END AS "event.action",
              CASE WHEN random() < 0.01 THEN 'pipeline_error' ELSE 'event' END AS "event.kind",
              'OK' AS "aws.vpcflow.log_status", '5' AS "aws.vpcflow.version",
              CASE WHEN random() < 0.5 THEN 'ingress' ELSE 'egress' END AS "network.direction",
              (['tcp', 'udp', 'icmp'])[1 + (random() * 2)::INT] AS "network.transport",
              (random() * 1e12)::BIGINT AS "source.bytes", (random() * 1e9)::BIGINT AS "source.packets",
              '10.' || (random() * 255)::INT || '.' || (random() * 255)::INT || '.1' AS "source.ip",
              '10.' || (random() * 255)::INT || '.' || (random() * 255)::INT || '.2' AS "destination.ip",
              (random() * 65535)::INT AS "source.port", (random() * 65535)::INT AS "destination.port",
              'eni-' || lpad((random() * 5000)::INT::VARCHAR, 17, '0') AS "aws.vpcflow.interface_id",
              'vpc-' || lpad((random() * 300)::INT::VARCHAR, 17, '0') AS "aws.vpcflow.vpc_id",
              'i-' || lpad((random() * 5000)::INT::VARCHAR, 17, '0') AS "cloud.instance.id",
              'subnet-' || lpad((random() * 900)::INT::VARCHAR, 17, '0') AS "aws.vpcflow.subnet_id",
              'az' || (random() * 20)::INT AS "cloud.availability_zone",
              'az' || (random() * 20)::INT AS "aws.vpcflow.next_hop_az_id",
              'S' || (random() * 50)::INT AS "aws.vpcflow.pkt_dst_service",
              'C' || (random() * 250)::INT AS "destination.geo.country_iso_code",
              'Country ' || (random() * 250)::INT AS "destination.geo.country_name",
              (1 + random() * 8)::INT::VARCHAR AS "aws.vpcflow.traffic_path",
              'tgw-' || (random() * 500)::INT AS "aws.vpcflow.tgw_attachment_id",
              'nat_gateway' AS "aws.vpcflow.next_hop_interface_type",
              'l' || (random() * 90)::INT AS "threat.feed.name", 'ipv4-addr' AS "threat.indicator.type",
              lpad((random() * 1e6)::INT::VARCHAR, 12, '0') AS "cloud.account.id",
              repeat('a/', 400) || (random() * 9999)::INT AS "log.file.path"
            FROM range(60000)) TO '{folder}/a.parquet' (FORMAT parquet)"""
    )
    made = build(tmp_path / "store", dashboards())
    assert len(page(made)) < LIMIT
    assert made.flows == 60_000
    assert {one.name: one.more for one in made.values}["interface"]
    largest = [len(cube.columns[0]) for board in made.boards for cubes in board.cubes for cube in cubes]
    assert 0 < max(largest) <= 6_000


def test_a_field_that_the_data_lack_has_words(store):
    made = as_json("--from", store, "--dashboard", "traffic")
    (panel,) = (
        one for one in made["dashboards"][0]["panels"] if one["title"] == "Transit gateway attachments"
    )
    assert panel["rows"] == []
    assert "${tgw-attachment-id} in the flow log's format (version 6)" in panel["note"]


def test_a_store_that_an_older_version_wrote(tmp_path):
    """Its files lack columns that came later, and hold some that this version derives."""
    old = tmp_path / "old" / "date=2024-12-14"
    old.mkdir(parents=True)
    duckdb.connect().execute(
        f"""COPY (SELECT TIMESTAMPTZ '2024-12-14 04:05Z' AS "@timestamp", 'REJECT' AS "event.action",
              '10.0.0.1' AS "source.ip", '10.0.0.2' AS "destination.ip", 100::BIGINT AS "source.bytes",
              7::BIGINT AS "network.bytes", 'eni-1' AS "aws.vpcflow.interface_id") TO '{old}/a.parquet'"""
    )
    made = as_json("--from", tmp_path / "old")
    assert rows(made, "overview", "Bytes") == [{"bytes": 7}]
    assert rows(made, "overview", "Rejected") == [{"rejected": 1.0}]
    assert rows(made, "traffic", "Instances") == []
    assert report("--from", tmp_path / "old", "-o", tmp_path / "old.html").exit_code == 0


def test_values_are_no_markup(tmp_path):
    """The only text in a flow log that AWS does not make is the name of the file it is in."""
    name = "<img src=x onerror=alert(1)><!--.log"
    log = write(tmp_path / "logs" / name, HEADER, ACCEPT, REJECT, ACCEPT.replace("22", "x"))
    vpcflow.index(log, to=tmp_path / "store")
    result = report("--from", tmp_path / "store", "-o", tmp_path / "a.html", "--dashboard", "health")
    assert result.exit_code == 0, result.stderr
    content = (tmp_path / "a.html").read_text()
    (numbers,) = re.findall(r'<script id="data"[^>]*>(.*?)</script>', content)
    assert "<" not in numbers
    assert name in json.dumps(json.loads(numbers))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--from", "nowhere"], 2, "nowhere: no store is there"),
        (
            ["--from", "{store}", "--since", "2020-01-01", "--until", "2020-02-01"],
            2,
            "there are no flows from",
        ),
        (
            ["--from", "{store}", "--dashboard", "overvew"],
            2,
            "there is no dashboard overvew; did you mean overview? there are health",
        ),
        (["--from", "{store}", "--last", "1d", "--since", "1d"], 2, "--last and --since both say"),
        (["--from", "{store}", "--until", "1d"], 2, "--until needs --since"),
        (["--from", "{store}", "--since", "1d", "--until", "2d"], 2, "nothing is between them"),
        (["--from", "{store}", "--format", "json", "--open"], 2, "--open is for a page in a file"),
        (
            ["--from", "{store}", "-o", "a.pdf"],
            2,
            "a.pdf: no format is called pdf; take .html, .json, .csv, .png, .htm, or",
        ),
        (["--from", "{store}", "-o", "{store}"], 2, "is a folder"),
        (["--from", "{store}", "-o", "no/where.html"], 2, "its folder doesn't exist"),
        (["--from", "{store}", "-o", "no/where", "--format", "png"], 2, "the folder above it doesn't exist"),
        (["--from", "http://127.0.0.1:1"], 1, "127.0.0.1:1"),
    ],
)
def test_bad_usage(store, arguments, code, words):
    result = report(*(one.format(store=store) for one in arguments))
    assert result.exit_code == code, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_store(tmp_path):
    result = report("--from", tmp_path)
    assert result.exit_code == 2
    assert "nothing is in this store yet" in result.stderr


def test_the_package_with_the_scripts_is_an_extra(store, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for form in ("html", "png"):
        result = report("--from", store, "--format", form, "-o", tmp_path / "a")
        assert result.exit_code == 2
        assert "pip install 'vpcflow[report]'" in result.stderr
    assert as_json("--from", store)["flows"] > 10_000


@pytest.mark.parametrize("missing", ["sigma", "yaml"])
def test_the_package_that_reads_dashboards_is_an_extra(store, monkeypatch, tmp_path, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    for form in ("html", "json", "png"):
        result = report("--from", store, "--format", form, "-o", tmp_path / "a")
        assert result.exit_code == 2
        assert result.stderr == (
            "Error: dashboards need the package pysigma: pip install 'vpcflow[report]'\n"
        )


def test_from_python(store):
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    made = build(store, dashboards(["overview"]), period=Period(start, start + timedelta(hours=1)))
    assert made.span.bucket == 60
    assert [one.name for one in made.values] == ["account", "vpc", "interface", "action", "direction"]


def test_scripts_are_made_once(store, tmp_path, monkeypatch):
    """To make them takes a second. Where they can't be kept the page is the same."""
    scripts = set()
    for name in ("new", "new", "file"):
        folder = tmp_path / name
        if name == "file":
            folder.write_text("no folder")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        assert report("--from", store, "-o", tmp_path / "page.html", "--dashboard", "health").exit_code == 0
        scripts |= set(
            re.findall(r"<script>(.*?)</script>", (tmp_path / "page.html").read_text(), re.DOTALL)[:1]
        )
    assert len(scripts) == 1
    (kept,) = (tmp_path / "new" / "vpcflow").iterdir()
    assert re.fullmatch(r"vega-[\d.a-z]+\.js", kept.name)
    kept.write_text("alert()")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    report("--from", store, "-o", tmp_path / "page.html", "--dashboard", "health")
    assert "<script>alert()</script>" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("seconds", [0.6, 1.0, 1.4])
def test_ctrl_c_ends_it_without_a_traceback(store, tmp_path, seconds):
    """Twice at once, as somebody presses it who is in a hurry, and as a shell and timeout send it."""
    code = "import vpcflow.report.build as b; b._FEW = 0; from vpcflow.cli import main; main()"
    page = tmp_path / "page.html"
    command = [sys.executable, "-c", code, "report", "--from", str(store), "-o", str(page)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode in {0, 130}
    assert process.returncode == 0 or (said.strip() == "Interrupted" and not page.exists())
