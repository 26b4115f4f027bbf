"""`vpcflow diagnose` on what it can't work with, or only half."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flowlogs import HEADER, NODATA, REJECT, command, environment, errors, many, vpcflow, write


def diagnose(folder: Path, *options: str) -> dict[str, Any]:
    done = vpcflow("diagnose", "--format", "json", *options, cwd=folder)
    assert errors(done) == []
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(folder: Path, *options: str) -> str:
    done = vpcflow("diagnose", *options, cwd=folder, code=2)
    assert done.stdout == b""
    return errors(done)[-1]


def index(folder: Path, *lines: str) -> None:
    vpcflow("index", write(folder / "flow.log", *lines), cwd=folder)


def test_no_store(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        "Error: vpcflow-data: no store is there; make one with: vpcflow index SOURCE --to vpcflow-data"
    )


def test_an_empty_store(tmp_path: Path) -> None:
    (tmp_path / "vpcflow-data").mkdir()
    assert refused(tmp_path) == (
        "Error: vpcflow-data: nothing is in this store yet; fill it with: vpcflow index SOURCE --to vpcflow-data"
    )


def test_a_store_without_a_flow(tmp_path: Path) -> None:
    index(tmp_path, HEADER, NODATA)
    found = diagnose(tmp_path)
    assert (found["flows"], found["refusals"]) == (0, [])
    assert found["notes"] == [
        "no record has addresses: nothing is indexed yet, interfaces had no traffic, or AWS skipped what they had"
    ]


def test_a_time_without_flows(tmp_path: Path) -> None:
    index(tmp_path, HEADER, REJECT)
    found = diagnose(tmp_path, "--since", "2020-01-01", "--until", "2020-01-02")
    assert found["notes"] == [
        "no flows in this time; those there are go from 2014-12-14 04:07 to 2014-12-14 04:07 UTC: give another with"
        " --last, or --since and --until"
    ]
    table = vpcflow(
        "diagnose", "--since", "2020-01-01", "--until", "2020-01-02", cwd=tmp_path
    ).stdout.decode()
    assert table.startswith("2020-01-01 00:00 to 2020-01-02 00:00 UTC: 0 of 0 records refused\n")


def test_an_interface_that_logged_nothing(tmp_path: Path) -> None:
    index(tmp_path, HEADER, REJECT)
    found = diagnose(tmp_path, "--interface", "eni-1235b8ca123456789,eni-nix")
    assert found["notes"][-1] == "no flow of this time is of the interface eni-nix"


def test_old_logs_have_their_own_last_week(tmp_path: Path) -> None:
    index(tmp_path, HEADER, REJECT)
    [refusal] = diagnose(tmp_path)["refusals"]
    assert (refusal["source"], refusal["port"]) == ("172.31.9.69", 3389)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--last", "7d", "--since", "2020-01-01"], "--last and --since both say where the time begins; leave one of them out"),
        (["--since", "2020-01-02", "--until", "2020-01-01"], "the time begins at 2020-01-02T00:00:00Z and ends at 2020-01-01T00:00:00Z: nothing is between them"),
        (["--last", "0s", "--until", "2020-01-01"], "the time begins at 2020-01-01T00:00:00Z and ends at 2020-01-01T00:00:00Z: nothing is between them"),
        (["--inventory", "none.csv"], "none.csv: No such file or directory; `vpcflow inventory pull -o none.csv` makes an inventory"),
    ],
)  # fmt: skip
def test_wrong_usage(tmp_path: Path, options: list[str], why: str) -> None:
    index(tmp_path, HEADER, REJECT)
    assert refused(tmp_path, *options) == f"Error: {why}"


def test_a_format_without_actions(tmp_path: Path) -> None:
    index(tmp_path, "interface-id srcaddr dstaddr", "eni-1 10.0.0.1 10.0.0.2")
    assert refused(tmp_path) == (
        "Error: none of the flows has aws.vpcflow.action: the flow log's format lacks ${action}, without which nothing "
        "can be said of refusals; transit gateway logs never have it"
    )


def test_a_format_without_ports_protocol_and_interface(tmp_path: Path) -> None:
    header = "srcaddr dstaddr start end action log-status"
    index(tmp_path, header, "10.0.0.1 10.0.0.2 1418530010 1418530070 REJECT OK")
    found = diagnose(tmp_path)
    [refusal] = found["refusals"]
    assert (refusal["interface"], refusal["protocol"], refusal["port"]) == (None, None, None)
    assert (refusal["most_likely"], refusal["rules"]) == ("unclear", [])
    assert found["notes"][:4] == [
        "the flows have no ${interface-id}: what it would tell is left open",
        "the flows have no ${dstport}: what it would tell is left open",
        "the flows have no ${srcport}: what it would tell is left open",
        "the flows have no ${protocol}: what it would tell is left open",
    ]
    assert "10.0.0.1" in vpcflow("diagnose", cwd=tmp_path).stdout.decode()


def store(folder: Path, **columns: list[Any]) -> None:
    """A store as an older version would have left it: a few columns in one file."""
    path = folder / "vpcflow-data" / "date=2026-11-18" / "old.parquet"
    path.parent.mkdir(parents=True)
    begin = datetime(2026, 11, 18, 12, tzinfo=UTC)
    times = [begin + timedelta(minutes=n) for n in range(len(columns["source.ip"]))]
    pl.DataFrame({"@timestamp": pl.Series(times).cast(pl.Datetime("ms", "UTC")), **columns}).write_parquet(
        path
    )


def test_a_store_that_an_older_version_wrote(tmp_path: Path) -> None:
    store(
        tmp_path,
        **{
            "event.action": ["REJECT"] * 3,
            "source.ip": ["10.0.0.1"] * 3,
            "destination.ip": ["10.0.0.2"] * 3,
            "destination.port": [5432] * 3,
            "source.port": [40000] * 3,
            "network.iana_number": ["6"] * 3,
            "aws.vpcflow.interface_id": ["eni-1"] * 3,
            "network.direction": ["ingress"] * 3,
            "column.of.former.times": ["x"] * 3,
        },
    )
    [refusal] = diagnose(tmp_path)["refusals"]
    assert (refusal["most_likely"], refusal["flows"]) == ("group", 3)


def test_what_a_log_says_can_not_become_a_command(tmp_path: Path) -> None:
    evil = 'eni-1\'\n; rm -rf / #${file("/etc/passwd")}\x1b[31m'
    store(
        tmp_path,
        **{
            "event.action": ["REJECT"] * 12,
            "source.ip": ["10.0.0.1"] * 12,
            "destination.ip": ["10.0.0.2"] * 12,
            "destination.port": [5432] * 12,
            "source.port": [40000] * 12,
            "network.iana_number": ["6"] * 12,
            "aws.vpcflow.interface_id": [evil] * 12,
            "network.direction": ["ingress"] * 12,
        },
    )
    for form in ("cli", "terraform"):
        lines = vpcflow("diagnose", "--format", form, cwd=tmp_path).stdout.decode().splitlines()
        assert all(line.startswith("#") for line in lines if line), form
    table = vpcflow("diagnose", cwd=tmp_path).stdout.decode()
    assert "\x1b" not in table
    assert diagnose(tmp_path)["refusals"][0]["interface"] == evil


def test_a_store_of_500_files_while_another_process_writes_to_it(tmp_path: Path) -> None:
    lines = many(200).decode().splitlines()
    index(tmp_path, *lines)
    [part] = (tmp_path / "vpcflow-data").rglob("*.parquet")
    for n in range(499):
        shutil.copy(part, part.with_name(f"copy-{n}.parquet"))
    for n in range(30):
        write(tmp_path / "more" / f"{n}.log", *lines)
    # What is there already is replaced, besides.
    writer = subprocess.Popen(
        command("index", "more", "flow.log"), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    )
    try:
        flows = [diagnose(tmp_path)["flows"]]
        while writer.poll() is None:
            flows.append(diagnose(tmp_path)["flows"])
    finally:
        writer.kill()
        said = writer.communicate()[1]
    assert writer.returncode == 0, said
    assert flows[0] >= 500 * 200
    assert flows == sorted(flows)
    assert diagnose(tmp_path)["flows"] == 530 * 200
