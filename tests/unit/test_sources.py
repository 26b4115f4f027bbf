"""Files, directories, globs and standard input as sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowlogs import ACCEPT, HEADER, S3_NAME, write
from vpcflow.errors import ConfigError
from vpcflow.sources import open_source
from vpcflow.sources.base import Item


def items(text: str | Path) -> list[Item]:
    return list(open_source(str(text)).items())


def names(text: str | Path) -> list[str]:
    return [item.name for item in items(text)]


def test_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / S3_NAME, HEADER, ACCEPT)
    os.utime(path, (1418530100.5, 1418530100.5))
    [item] = items(path)
    assert (item.name, item.identity, item.data, item.size) == (
        str(path),
        str(path),
        path,
        path.stat().st_size,
    )
    assert (item.origin.path, item.origin.modified, item.origin.region) == (
        str(path),
        1418530100.5,
        "us-east-1",
    )
    assert item.origin.input_type == "log"


def test_one_file_has_one_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "logs" / "a.log", ACCEPT)
    (tmp_path / "link.log").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    spellings = ["logs/a.log", "./logs/../logs/a.log", str(path), "link.log", "logs", "logs/*.log"]
    assert {item.identity for spelling in spellings for item in items(spelling)} == {str(path)}


def test_a_directory_is_read_whole_and_in_order(tmp_path: Path) -> None:
    for name in ("b/2.log", "b/1.log.gz", "a.log", "c/d/e/deep.log"):
        write(tmp_path / name, ACCEPT)
    assert names(tmp_path) == [
        str(tmp_path / name) for name in ("a.log", "b/1.log.gz", "b/2.log", "c/d/e/deep.log")
    ]


def test_what_a_directory_leaves_out(tmp_path: Path) -> None:
    kept = write(tmp_path / "date=2014-12-14" / "mine.log", ACCEPT)
    left = (
        ".hidden.log",
        ".git/a.log",
        "a.log~",
        "a.log.part",
        "b.tmp",
        "c.log.crdownload",
        "vpcflow-data/.tmp/x.parquet",
        "vpcflow-data/date=2014-12-14/0123456789abcdef0123456789abcdef-0.parquet",
    )
    for name in left:
        write(tmp_path / name, ACCEPT)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(tmp_path) == [str(kept)]


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / ".hidden.tmp", ACCEPT)
    assert names(path) == [str(path)]


def test_a_link_in_a_directory_that_leads_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.log").symlink_to("nowhere")
    [item] = items(tmp_path)
    assert (item.name, item.size) == (str(tmp_path / "gone.log"), None)


def test_an_empty_directory(tmp_path: Path) -> None:
    assert items(tmp_path) == []


def test_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.log", "b.log.gz", "c/d.log", "c/e.txt"):
        write(tmp_path / name, ACCEPT)
    monkeypatch.chdir(tmp_path)
    assert names("*.log*") == ["a.log", "b.log.gz"]
    assert names("**/*.log") == ["a.log", "c/d.log"]
    assert names("[ab].*") == ["a.log", "b.log.gz"]
    assert names("c*") == ["c/d.log", "c/e.txt"], "a directory that matches is read whole"
    assert sorted(names("**")) == ["a.log", "b.log.gz", "c/d.log", "c/e.txt"]


def test_a_name_with_magic_characters_is_a_file_first(tmp_path: Path) -> None:
    path = write(tmp_path / "a[1].log", ACCEPT)
    assert names(path) == [str(path)]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.log")
    path.write_text(ACCEPT)
    [item] = items(tmp_path)
    assert item.name.endswith("caf\\xe9.log")
    assert isinstance(item.data, Path)
    assert item.data.read_text() == ACCEPT


def test_size_of_all(tmp_path: Path) -> None:
    for name in ("a.log", "b/c.log"):
        write(tmp_path / name, ACCEPT)
    size = open_source(str(tmp_path)).size()  # type: ignore[attr-defined]
    assert size == 2 * (len(ACCEPT) + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothere.log", "nothere.log: no such file or directory"),
        ("no*.log", "no*.log: no file matches this pattern"),
        ("dangling", "dangling: is a link to nowhere, which doesn't exist"),
        ("s3:///prefix", "s3:///prefix: names no bucket; write s3://bucket/prefix"),
        ("sqs:flow-logs", "sqs:flow-logs: is no URL of a queue"),
        ("ftp://host/x", "ftp:// is not a source"),
        ("file:///tmp/x", "without file://"),
    ],
)
def test_no_source(text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_source(text)
    assert message in str(caught.value)


STDIN = """
from vpcflow.sources import open_source
first, second = (next(open_source("-").items()) for _ in range(2))
print(first.name, first.size, first.identity != second.identity, first.data.read(5))
"""


def test_standard_input() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STDIN], input=b"\xff\x00abc", capture_output=True, check=True
    )
    assert done.stdout.decode().split(maxsplit=3) == ["stdin", "None", "True", "b'\\xff\\x00abc'\n"]


def test_standard_input_that_is_closed() -> None:
    script = (
        "from vpcflow.sources import open_source\n"
        "try: open_source('-')\n"
        "except Exception as error: print(repr(error))"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, script], capture_output=True, check=True
    )
    assert b"ConfigError" in done.stdout
