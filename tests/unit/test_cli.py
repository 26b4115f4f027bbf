"""The command as its users run it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click
import polars as pl
import pytest

from flowlogs import (
    ACCEPT,
    BAD_PORT,
    HEADER,
    NODATA,
    REJECT,
    S3_NAME,
    command,
    documents,
    environment,
    errors,
    many,
    vpcflow,
    write,
)
from vpcflow import __version__
from vpcflow.cli import _COMMANDS, main
from vpcflow.cli.output import count, printable, size
from vpcflow.cli.progress import lines_of_progress
from vpcflow.pipeline import Progress

TALKERS = (
    'SELECT "source.ip", "event.action", sum("source.bytes") AS bytes FROM flows '
    'WHERE "source.ip" IS NOT NULL GROUP BY ALL ORDER BY ALL'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "logs" / "a.log", HEADER, ACCEPT, NODATA)
    write(tmp_path / "logs" / "b.log.gz", HEADER, REJECT)
    return tmp_path


@pytest.fixture
def stored(folder: Path) -> Path:
    vpcflow("index", "logs", "-q", cwd=folder)
    return folder


def test_the_version(tmp_path: Path) -> None:
    assert vpcflow("--version", cwd=tmp_path).stdout.decode() == f"vpcflow {__version__}\n"


def test_help_of_everything(tmp_path: Path) -> None:
    overview = vpcflow("-h", cwd=tmp_path).stdout.decode()
    assert overview == vpcflow("--help", cwd=tmp_path).stdout.decode()
    context = click.Context(main)
    for name, (_, text) in _COMMANDS.items():
        assert name in overview
        assert text in overview
        found = main.get_command(context, name)
        assert isinstance(found, click.Command)
        assert found.help, name
        assert found.get_short_help_str(limit=200) == text, (
            "what the overview says is what the command says of itself"
        )
        for param in found.params:
            assert isinstance(param, click.Argument) or param.help, (name, param.name)  # type: ignore[attr-defined]
        assert f"Usage: vpcflow {name}" in vpcflow(name, "-h", cwd=tmp_path).stdout.decode()


def test_the_overview_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom vpcflow.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'duckdb', 'rich', 'elasticsearch', 'polars', 'vpcflow.pipeline'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys, vpcflow\n"
        "heavy = {'click', 'duckdb', 'rich', 'elasticsearch', 'polars', 'vpcflow.pipeline'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "vpcflow.index\nprint(set(vpcflow.__all__) <= set(dir(vpcflow)) | {'index', 'IndexResult'})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == ["[]", "True"]


def test_index_then_query(folder: Path) -> None:
    done = vpcflow("index", "logs", cwd=folder)
    assert done.stdout == b""
    summary = dict(line.split(maxsplit=1) for line in errors(done))
    assert {name: summary[name] for name in ("files", "lines", "documents", "failures", "target")} == {
        "files": "2",
        "lines": "3",
        "documents": "3",
        "failures": "0",
        "target": "vpcflow-data",
    }
    assert "read" in summary["bytes"]
    assert "lines/s" in summary["rate"]
    found = vpcflow("query", TALKERS, "--format", "csv", cwd=folder).stdout.decode()
    assert found.splitlines() == [
        "source.ip,event.action,bytes",
        "172.31.16.139,ACCEPT,4249",
        "172.31.9.69,REJECT,4249",
    ]


def test_index_twice_gives_the_same_rows(folder: Path) -> None:
    for _ in range(2):
        vpcflow("index", "logs", "-q", cwd=folder)
        found = vpcflow("query", "SELECT count(*) AS n FROM flows", "--format", "ndjson", cwd=folder)
        assert json.loads(found.stdout) == {"n": 3}


def test_every_target_answers_the_same(folder: Path) -> None:
    for target in ("out.ndjson", "out.json.gz", "out.jsonl.zst", "out.parquet", "store"):
        vpcflow("index", "logs", "--to", target, "--workers", "1", "-q", cwd=folder)
    out = vpcflow("index", "logs", "--to", "-", "--workers", "1", cwd=folder).stdout
    ips = [json.loads(line).get("source", {}).get("ip") for line in out.splitlines()]
    assert ips == ["172.31.16.139", None, "172.31.9.69"]
    for name in ("out.ndjson", "out.json.gz"):
        assert [document.get("source", {}).get("ip") for document in documents(folder / name)] == ips
    assert pl.read_parquet(folder / "out.parquet")["source.ip"].to_list() == ips


def test_standard_input_and_format(folder: Path) -> None:
    done = vpcflow(
        "index",
        "-",
        "--to",
        "-",
        "--format",
        "srcaddr ${dstaddr} dstport",
        cwd=folder,
        stdin=b"10.0.1.5 10.0.0.220 443\n",
    )
    document = json.loads(done.stdout)
    assert (document["source"]["ip"], document["destination"]["port"]) == ("10.0.1.5", 443)
    assert "file" not in document["log"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [("default", 14), ("v2", 14), ("V5", 29), ("v6", 36), ("transit-gateway", 36), ("v11", 54)],
)
def test_formats_by_name(name: str, fields: int, folder: Path) -> None:
    done = vpcflow("index", "-", "--to", "-", "--format", name, cwd=folder, stdin=b"one two\n", code=1)
    assert str(fields) in json.loads(done.stdout)["error"]["message"]


def test_options_reach_the_documents(folder: Path) -> None:
    vpcflow("index", "logs/a.log", "--to", "o.ndjson", "--tag", "a", "--tag", "b", "--namespace", "prod",
            "--preserve-original", cwd=folder)  # fmt: skip
    first = documents(folder / "o.ndjson")[0]
    assert {"a", "b", "preserve_original_event"} <= set(first["tags"])
    assert (first["data_stream"]["namespace"], first["event"]["original"]) == ("prod", ACCEPT)


def test_the_region_comes_from_the_name(folder: Path) -> None:
    write(folder / S3_NAME, HEADER, ACCEPT)
    vpcflow("index", S3_NAME, "--to", "o.ndjson", cwd=folder)
    assert documents(folder / "o.ndjson")[0]["cloud"]["region"] == "us-east-1"


def test_quiet(folder: Path) -> None:
    assert vpcflow("index", "logs", "--quiet", cwd=folder).stderr == b""


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "Note: there was no file to read" in errors(vpcflow("index", "empty", cwd=tmp_path))


def test_a_dead_letter_file(folder: Path) -> None:
    write(folder / "bad.log", HEADER, ACCEPT, BAD_PORT)
    args = (
        "index",
        "bad.log",
        "--to",
        "o.ndjson",
        "--on-error",
        "dead-letter",
        "--dead-letter",
        "dead.ndjson",
    )
    for times in (1, 2):
        done = vpcflow(*args, cwd=folder, code=1)
        assert "What failed, and why, was added to dead.ndjson" in errors(done)
        entries = [json.loads(line) for line in (folder / "dead.ndjson").read_text().splitlines()]
        assert len(entries) == times, "appended, never overwritten"
    assert set(entries[0]) == {"path", "line", "offset", "field", "reason", "original"}


@pytest.mark.parametrize("form", ["table", "csv", "json", "ndjson", "parquet"])
def test_formats_of_rows(form: str, stored: Path) -> None:
    sql = TALKERS.replace("sum(", "max(")
    out = vpcflow("query", sql, "--format", form, cwd=stored).stdout
    to_file = stored / f"rows.{'txt' if form == 'table' else form}"
    vpcflow("query", sql, "--format", form, "-o", to_file, cwd=stored)
    expected = [("172.31.16.139", "ACCEPT", 4249), ("172.31.9.69", "REJECT", 4249)]
    for data in (out, to_file.read_bytes()):
        assert rows_of(form, data) == expected
    vpcflow("query", sql, "-o", to_file, cwd=stored)
    assert rows_of(form, to_file.read_bytes()) == expected, "the ending says the format"


@pytest.mark.parametrize("asked", ["FROM flows", "top-talkers"])
def test_an_ending_that_is_no_format(asked: str, stored: Path) -> None:
    """A table in a file for a spreadsheet opens as rubbish, or not at all."""
    done = vpcflow("query", asked, "-o", "rows.xlsx", cwd=stored, code=2)
    assert errors(done) == [
        "Error: rows.xlsx: no format is called xlsx; take .csv, .json, .ndjson, .parquet, .jsonl, .txt, or say"
        " which with --format"
    ]
    assert not (stored / "rows.xlsx").exists()
    vpcflow("query", asked, "-o", "rows.xlsx", "--format", "csv", cwd=stored)
    assert (stored / "rows.xlsx").read_text().count(",")


def rows_of(form: str, data: bytes) -> list[tuple[str, str, int]]:
    rows: list[list[object]]
    if form == "table":
        rows = [line.split() for line in data.decode().splitlines() if line.split()[-1:] == ["4249"]]
    elif form == "csv":
        rows = list(csv.reader(io.StringIO(data.decode())))[1:]
    elif form == "json":
        rows = [list(row.values()) for row in json.loads(data)]
    elif form == "ndjson":
        rows = [list(json.loads(line).values()) for line in data.splitlines()]
    else:
        rows = [list(row) for row in pl.read_parquet(data).rows()]
    return [(str(ip), str(action), int(str(nbytes))) for ip, action, nbytes in rows]


def test_values_of_every_kind(stored: Path) -> None:
    sql = (
        "SELECT NULL AS a, 1.5::DECIMAL(4, 2) AS b, 'nan'::DOUBLE AS c, [1, 2] AS d, {'x': 'é'} AS e, "
        "DATE '2014-12-14' AS f, TIMESTAMP '2014-12-14 04:07:50' AS g, true AS h, '\\xFF'::BLOB AS i, "
        '2::HUGEINT AS j, \'a,"b\' AS k, "@timestamp" AS l '
        "FROM flows LIMIT 1"
    )
    row = json.loads(vpcflow("query", sql, "--format", "ndjson", cwd=stored).stdout)
    assert row.pop("l").endswith("Z")
    assert row == {
        "a": None,
        "b": 1.5,
        "c": None,
        "d": [1, 2],
        "e": {"x": "é"},
        "f": "2014-12-14",
        "g": "2014-12-14T04:07:50",
        "h": True,
        "i": "ff",
        "j": 2,
        "k": 'a,"b',
    }
    line = vpcflow("query", sql, "--format", "csv", cwd=stored).stdout.decode().splitlines()[1]
    assert line.startswith(
        ',1.5,,"[1, 2]","{""x"": ""é""}",2014-12-14,2014-12-14T04:07:50,true,ff,2,"a,""b",20'
    )


def test_no_rows(stored: Path) -> None:
    sql = 'SELECT "source.ip" FROM flows WHERE false'
    found = {
        form: vpcflow("query", sql, "--format", form, cwd=stored).stdout for form in ("csv", "json", "ndjson")
    }
    assert found == {"csv": b"source.ip\n", "json": b"[]\n", "ndjson": b""}


def test_a_long_table_is_cut_and_says_so(stored: Path) -> None:
    done = vpcflow("query", "SELECT range AS n FROM range(2500)", cwd=stored)
    assert len(done.stdout.splitlines()) == 1000 + 4
    assert errors(done) == ["… 1,500 more rows: add a LIMIT, or --format csv for all of them"]


def test_sql_from_standard_input(stored: Path) -> None:
    done = vpcflow("query", "-", "--format", "csv", cwd=stored, stdin=b"SELECT 1 AS a;\nSELECT 2 AS b;\n")
    assert done.stdout == b"b\n2\n"


def test_explain(tmp_path: Path) -> None:
    for args in ((ACCEPT,), tuple(ACCEPT.split()), (ACCEPT, "--format", "v2")):
        out = vpcflow("explain", *args, cwd=tmp_path).stdout.decode()
        table, _, document = out.partition("\n{")
        assert "srcaddr" in table
        assert "172.31.16.139" in table
        assert "tcp" in table, "protocol 6 in words"
        assert json.loads("{" + document)["network"]["transport"] == "tcp"


def test_explain_what_a_log_starts_with(tmp_path: Path) -> None:
    header, line = "dstport srcaddr dstaddr", "443 10.0.1.5 10.0.0.220"
    out = vpcflow("explain", "-", cwd=tmp_path, stdin=f"{header}\n{line}\n".encode()).stdout.decode()
    assert json.loads("{" + out.partition("\n{")[2])["destination"]["port"] == 443


def test_the_installed_command_is_the_same(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("vpcflow")
    if not script.exists():
        pytest.skip("the package is on the path, but not installed")
    done = subprocess.run([script, "--version"], capture_output=True, check=True, cwd=tmp_path)
    assert done.stdout.decode() == f"vpcflow {__version__}\n"


def test_on_a_terminal_there_is_a_progress_bar(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(many(150_000))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("index", "a.log"), cwd=tmp_path, stderr=theirs, env=environment(TERM="xterm")
    )
    os.close(theirs)
    seen = b""
    try:
        while block := os.read(ours, 65536):
            seen += block
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    assert b" % " in seen.replace(b"\x1b[0m", b"")
    assert b"lines/s" in seen
    assert b"documents" in seen


def test_elsewhere_there_is_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    update = lines_of_progress(60)
    now = Progress(
        files=3, lines=0, documents=0, failed=1, refused=0, nbytes=5_000_000, total=10_000_000, seconds=0,
        in_flight=2, lag=41.6,
    )  # fmt: skip
    for seconds in (30.0, 59.9, 60.0, 61.0, 119.0, 120.5):
        update(replace(now, lines=int(20 * seconds), seconds=seconds))
    update(replace(now, lines=9000, seconds=200.5, total=None))
    assert capsys.readouterr().err.splitlines() == [
        "1,200 lines in 3 files, 5.0 MB of 10.0 MB (50%) read, 20 lines/s",
        "2,410 lines in 3 files, 5.0 MB of 10.0 MB (50%) read, 20 lines/s",
        "9,000 lines in 3 files, 5.0 MB read, 82 lines/s, 42 s behind",
    ]


def test_units() -> None:
    assert [size(number) for number in (0, 999, 1000, 999_960, 12_345_678, 5e15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.0 MB",
        "12.3 MB",
        "5,000.0 TB",
    ]
    assert (count(1, "file"), count(2000, "file")) == ("1 file", "2,000 files")
    assert printable("a\x1b[31m\nb é") == "a\\x1b[31m\\nb é"
