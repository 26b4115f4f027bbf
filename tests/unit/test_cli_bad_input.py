"""Bad input: nothing crashes, nothing is lost, nothing is silent."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from flowlogs import (
    ACCEPT,
    BAD_COUNT,
    BAD_PORT,
    HEADER,
    NODATA,
    REJECT,
    command,
    documents,
    environment,
    errors,
    many,
    temporary,
    text,
    vpcflow,
    write,
)
from vpcflow.cli import main


def index(folder: Path, *sources: str, code: int) -> tuple[list[dict[str, object]], list[str]]:
    """Indexes into a file: its documents, and what was said."""
    done = vpcflow("index", *sources, "--to", "out.ndjson", "--workers", "1", cwd=folder, code=code)
    assert temporary(folder) == []
    target = folder / "out.ndjson"
    return (documents(target) if target.exists() else []), errors(done)


def actions(found: list[dict[str, object]]) -> list[str | None]:
    return [document["event"].get("action") for document in found]  # type: ignore[attr-defined]


def kinds(found: list[dict[str, object]]) -> list[str]:
    return [document["event"]["kind"] for document in found]  # type: ignore[index]


def test_truncated_gzip(tmp_path: Path) -> None:
    data = gzip.compress(many(50_000))
    (tmp_path / "cut.log.gz").write_bytes(data[: len(data) // 2])
    write(tmp_path / "good.log", HEADER, REJECT)
    found, said = index(tmp_path, "cut.log.gz", "good.log", code=1)
    assert len(found) > 10_000
    assert actions(found)[-1] == "REJECT"
    assert any("Error: cut.log.gz: the gzip data are cut short" in line for line in said)


def test_gzip_with_rubbish_inside(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(many(50_000)))
    middle = len(data) // 2
    data[middle : middle + 50] = bytes(50)
    (tmp_path / "bad.log.gz").write_bytes(data)
    found, said = index(tmp_path, "bad.log.gz", code=1)
    assert len(found) > 10_000
    assert any("Error: bad.log.gz: the gzip data are damaged" in line for line in said)


def test_several_gzip_members(tmp_path: Path) -> None:
    members = gzip.compress(text(HEADER, ACCEPT)) + gzip.compress(text(REJECT))
    (tmp_path / "two.log.gz").write_bytes(members)
    assert actions(index(tmp_path, "two.log.gz", code=0)[0]) == ["ACCEPT", "REJECT"]


def test_half_a_last_line(tmp_path: Path) -> None:
    (tmp_path / "half.log").write_bytes(text(HEADER, ACCEPT) + REJECT[:60].encode())
    found, said = index(tmp_path, "half.log", code=1)
    assert kinds(found) == ["event", "pipeline_error"]
    assert found[1]["event"]["original"] == REJECT[:60]  # type: ignore[index]
    assert any(line.startswith("Unreadable: half.log: line 3 (byte ") for line in said)


def test_a_last_line_without_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(text(HEADER, ACCEPT) + REJECT.encode())
    assert actions(index(tmp_path, "a.log", code=0)[0]) == ["ACCEPT", "REJECT"]


def parquet(path: Path, rows: int) -> bytes:
    """A flow log as AWS writes it in Parquet."""
    frame = pl.DataFrame(
        {
            "version": pl.Series([2] * rows, dtype=pl.Int32),
            "account_id": ["123456789010"] * rows,
            "srcaddr": [f"172.31.{n % 250}.139" for n in range(rows)],
            "dstaddr": ["172.31.16.21"] * rows,
            "srcport": pl.Series([n % 65536 for n in range(rows)], dtype=pl.Int32),
            "start": [1418530010] * rows,
            "end": [1418530070] * rows,
            "action": ["ACCEPT"] * rows,
        }
    )
    frame.write_parquet(path, row_group_size=10_000, compression="gzip")
    return path.read_bytes()


def test_parquet_whole_and_cut_short(tmp_path: Path) -> None:
    data = parquet(tmp_path / "whole.log.parquet", 5000)
    found, _ = index(tmp_path, "whole.log.parquet", code=0)
    assert len(found) == 5000
    (tmp_path / "cut.log.parquet").write_bytes(data[: len(data) // 2])
    write(tmp_path / "good.log", HEADER, REJECT)
    found, said = index(tmp_path, "cut.log.parquet", "good.log", code=1)
    assert actions(found) == ["REJECT"]
    assert any(line.startswith("Error: cut.log.parquet: ") for line in said)


def test_parquet_damaged_in_the_middle(tmp_path: Path) -> None:
    data = bytearray(parquet(tmp_path / "whole.log.parquet", 50_000))
    middle = len(data) // 2
    data[middle : middle + 200] = b"\xff" * 200
    (tmp_path / "bad.log.parquet").write_bytes(data)
    found, said = index(tmp_path, "bad.log.parquet", code=1)
    assert 8000 < len(found) < 50_000
    assert any(line.startswith("Error: bad.log.parquet: ") for line in said)


def test_binary_rubbish(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 4000)
    write(tmp_path / "good.log", HEADER, ACCEPT)
    found, said = index(tmp_path, "noise", "good.log", code=1)
    assert actions(found) == ["ACCEPT"]
    assert any(line.startswith("Error: noise: ") for line in said)
    assert all(line.isprintable() for line in said)


def test_binary_rubbish_between_records(tmp_path: Path) -> None:
    noise = bytes(set(range(256)) - {10})
    (tmp_path / "a.log").write_bytes(text(HEADER, ACCEPT) + noise + b"\n" + text(REJECT))
    found, said = index(tmp_path, "a.log", code=1)
    assert actions(found) == ["ACCEPT", None, "REJECT"]
    assert all(line.isprintable() for line in said)


def test_a_line_of_10_mb(tmp_path: Path) -> None:
    long = b"2 123456789010 " + b"x" * 10_000_000
    (tmp_path / "a.log").write_bytes(text(HEADER, ACCEPT) + long + b"\n" + text(REJECT))
    found, said = index(tmp_path, "a.log", code=1)
    assert actions(found) == ["ACCEPT", None, "REJECT"]
    assert found[1]["event"]["original"] == long.decode()  # type: ignore[index]
    assert max(map(len, said)) < 1000, "the line itself isn't printed"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "header.log").write_bytes(text(HEADER))
    (tmp_path / "zero.gz").write_bytes(gzip.compress(b""))
    found, said = index(tmp_path, "empty.log", "header.log", "zero.gz", code=0)
    assert found == []
    assert any(line.split() == ["files", "3"] for line in said)
    vpcflow("index", "empty.log", cwd=tmp_path)


def test_headers_line_ends_and_spaces(tmp_path: Path) -> None:
    other = "srcaddr dstaddr action"
    lines = [
        HEADER,
        ACCEPT.replace(" ", "  "),
        f"{REJECT}\r",
        "",
        HEADER,
        NODATA.replace(" ", "\t"),
        other,
        "10.0.0.1 10.0.0.2 ACCEPT",
    ]
    write(tmp_path / "a.log", *lines)
    assert actions(index(tmp_path, "a.log", code=0)[0]) == ["ACCEPT", "REJECT", None, "ACCEPT"]


def test_wrong_counts_numbers_and_bytes(tmp_path: Path) -> None:
    bad = [
        BAD_COUNT,
        BAD_PORT,
        ACCEPT.replace("20641", "70000"),
        ACCEPT.replace("172.31.16.21 ", "172.31.16.999 "),
    ]
    (tmp_path / "a.log").write_bytes(text(HEADER, ACCEPT, *bad) + b"\xff\xfe\n" + text(REJECT))
    found, said = index(tmp_path, "a.log", code=1)
    assert kinds(found) == ["event", *["pipeline_error"] * 5, "event"]
    messages = [document["error"]["message"] for document in found[1:-1]]  # type: ignore[index]
    assert [message.split(":")[0] for message in messages[1:4]] == ["srcport", "srcport", "dstaddr"]
    assert [line.split(" (byte")[0] for line in said if line.startswith("Unreadable: ")] == [
        f"Unreadable: a.log: line {n}" for n in (3, 4, 5, 6, 7)
    ]


def test_many_errors_are_counted_and_few_shown(tmp_path: Path) -> None:
    write(tmp_path / "a.log", HEADER, *[BAD_PORT] * 100)
    said = index(tmp_path, "a.log", code=1)[1]
    assert sum(line.startswith("Unreadable: ") for line in said) == 5
    assert "… and 95 more unreadable lines" in said


def test_to_stop_at_the_first(tmp_path: Path) -> None:
    write(tmp_path / "a.log", HEADER, ACCEPT, BAD_PORT)
    done = vpcflow("index", "a.log", "--on-error", "fail", "--to", "out.ndjson", cwd=tmp_path, code=1)
    [line] = errors(done)
    assert line.startswith("Error: a.log: line 3 (byte ")
    assert "srcport" in line
    assert not (tmp_path / "out.ndjson").exists()


def test_a_layout_that_cannot_be_told(tmp_path: Path) -> None:
    write(tmp_path / "a.log", "eni-1235b8ca123456789 10.0.0.1 443 what")
    found, said = index(tmp_path, "a.log", code=1)
    assert found == []
    assert any(line.startswith("Error: a.log: ") and "format" in line for line in said)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("index",), "Missing argument 'SOURCE"),
        (("index", "nothere"), "Error: nothere: no such file or directory"),
        (("index", "a.log", "nothere"), "Error: nothere: no such file or directory"),
        (("index", "a.log", "--format", "srcaddr srcaddr"), "Invalid value for '--format'"),
        (("index", "a.log", "--workers", "0"), "Invalid value for '--workers'"),
        (("index", "a.log", "--on-error", "ignore"), "Invalid value for '--on-error'"),
        (("index", "a.log", "--to", "out.csv"), "Error: out.csv: .csv is no known suffix"),
        (("index", "a.log", "--to", "nowhere/out.ndjson"), "doesn't exist"),
        (("index", "a.log", "--to", "a.log/"), "is not a folder"),
        (("index", "a.log", "--to", "ftp://me:secret@host"), "Error: ftp://host: is not a target"),
        (("index", "a.log", "--tag", "x"), "tags and namespace are for Elasticsearch and NDJSON"),
        (("index", "a.log", "--follow"), "follow is for s3://, sqs: and cloudwatch: sources"),
        (("query", "SELECT 1"), "no store is there; make one with: vpcflow index"),
        (("query", "SELECT 1", "--from", "empty"), "nothing is in this store yet"),
        (("query", "SELECT 1", "--format", "xml"), "Invalid value for '--format'"),
        (("explain",), "Missing argument 'LINE"),
        (("explain", "-"), "standard input holds no flow log line"),
        (("nosuch",), "No such command 'nosuch'"),
        (("qurey",), "No such command 'qurey'; did you mean query?"),
        (("query", "top", "talkers"), "a NAME is one word, such as top-talkers, and SQL stands in quotes"),
        (("--nosuch",), "No such option"),
    ],
)
def test_wrong_usage(args: tuple[str, ...], message: str, tmp_path: Path) -> None:
    write(tmp_path / "a.log", ACCEPT)
    (tmp_path / "empty").mkdir()
    done = vpcflow(*args, cwd=tmp_path, code=2)
    assert done.stdout == b""
    assert message in errors(done)[-1]
    assert "secret" not in done.stderr.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "empty"], "nothing was written"


@pytest.mark.parametrize("sql", ["SELEC 1", 'SELECT "no.such" FROM flows', "SELECT error('x')", ""])
def test_wrong_sql(sql: str, tmp_path: Path) -> None:
    vpcflow("index", write(tmp_path / "a.log", ACCEPT), "-q", cwd=tmp_path)
    for extra in ((), ("-o", "out.csv"), ("-o", "out.parquet")):
        [line] = errors(vpcflow("query", sql, *extra, cwd=tmp_path, code=1))
        assert line.startswith("Error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "vpcflow-data"]


@pytest.mark.parametrize("line", [BAD_PORT, BAD_COUNT, "what is this", "\x1b[31m"])
def test_a_line_that_cannot_be_explained(line: str, tmp_path: Path) -> None:
    [said] = errors(vpcflow("explain", "--format", "v2", line, cwd=tmp_path, code=1))
    assert said.startswith("Error: ")
    assert said.isprintable()


def test_debugging_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = subprocess.run(
        command("index", "nothere"),
        cwd=tmp_path,
        env=environment(VPCFLOW_DEBUG="1"),
        capture_output=True,
        check=False,
    )
    assert b"Traceback" in done.stderr
    assert done.returncode == 1


def test_an_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(mode=0o755)
    (tmp_path / "logs" / "gone.log").symlink_to("nowhere")
    write(tmp_path / "logs" / "good.log", HEADER, ACCEPT)
    found, said = index(tmp_path, "logs", code=1)
    assert actions(found) == ["ACCEPT"]
    assert "Error: logs/gone.log: No such file or directory" in said


AS_ANOTHER_USER = """
import os
from vpcflow.cli import main
try:
    # Loads everything: the other user may not reach this Python.
    main(["index", "logs/good.log", "--to", "-", "-q"])
except SystemExit:
    pass
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
main(["index", "logs", "--to", "-", "-q"])
"""


def test_a_file_and_a_folder_without_permission(tmp_path: Path) -> None:
    for name in ("logs/good.log", "logs/locked/a.log", "logs/secret.log"):
        write(tmp_path / name, HEADER, ACCEPT)
    tmp_path.chmod(0o755)
    (tmp_path / "logs" / "secret.log").chmod(0)
    (tmp_path / "logs" / "locked").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER_USER],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
    )
    (tmp_path / "logs" / "locked").chmod(0o755)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 2), done.stderr
    assert errors(done) == [
        "Error: logs/locked: Permission denied",
        "Error: logs/secret.log: Permission denied",
    ]


@pytest.mark.parametrize("options", [("--namespace", "prod"), ("--ca", "ca.pem")])
@pytest.mark.parametrize(
    "args", [("query", "scans"), ("report",), ("diagnose",), ("alerts", "backtest"), ("alerts", "run")]
)
def test_what_only_elasticsearch_has_is_refused_of_a_store(
    tmp_path: Path, args: tuple[str, ...], options: tuple[str, str]
) -> None:
    for line in ((*args, *options, "--from", "flows"), (*args, "--from", "flows", *options)):
        done = vpcflow(*line, cwd=tmp_path, code=2)
        assert errors(done) == [
            f"Error: {options[0]} is for Elasticsearch; flows is a store and has none: leave it out"
        ]


@pytest.mark.parametrize("missing", ["sigma", "requests"])
def test_setting_kibana_up_says_once_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    done = CliRunner().invoke(main, ["setup", "--kibana", "http://127.0.0.1:1"])
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: setting Kibana up needs the packages pysigma and requests: pip install 'vpcflow[kibana]'\n"
    )
