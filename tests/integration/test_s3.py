"""`s3://bucket/prefix` against a real moto server: what is read, what is asked, and what is remembered."""

from __future__ import annotations

import gzip
import itertools
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aws import Answer, Moto, Proxy, Seen, denied

import samples
import vpcflow
from vpcflow.aws.objects import S3Object
from vpcflow.pipeline import IndexResult
from vpcflow.query.store import connect
from vpcflow.sources.base import SourceOptions

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from flowlogs import ACCEPT, HEADER, documents, many, text
from flowlogs import vpcflow as command

BUCKET = "flow-logs"
ACCOUNT = "123456789012"
DAY = datetime(2024, 11, 20, tzinfo=UTC)


def name(at: datetime, account: str = ACCOUNT, region: str = "eu-west-1", suffix: str = "log.gz") -> str:
    return f"{account}_vpcflowlogs_{region}_fl-0a1b2c3d_{at:%Y%m%dT%H%MZ}_1a2b3c4d.{suffix}"


def key(at: datetime, account: str = ACCOUNT, region: str = "eu-west-1", suffix: str = "log.gz") -> str:
    return f"AWSLogs/{account}/vpcflowlogs/{region}/{at:%Y/%m/%d}/{name(at, account, region, suffix)}"


def log(count: int = 2) -> bytes:
    return gzip.compress(many(count))


def every(step: timedelta, count: int, start: datetime = DAY, **of: str) -> dict[str, bytes]:
    """So many objects, one each step."""
    return {key(start + n * step, **of): log() for n in range(count)}


def varied(count: int) -> bytes:
    """A compressed log whose records have little in common: a download of it takes many reads."""
    chance = random.Random(17)
    records = (
        f"2 123456789010 eni-{chance.getrandbits(68):017x} 10.{n % 256}.{chance.randrange(65536) >> 8}.1 172.31.16.21 "
        f"{chance.randrange(65536)} 22 6 20 {chance.getrandbits(30)} 1418530010 1418530070 ACCEPT OK"
        for n in range(count)
    )
    return gzip.compress(text(HEADER, *records), 1)


def index(store: Path, url: str = f"s3://{BUCKET}/", **options: Any) -> IndexResult:
    known = SourceOptions.__dataclass_fields__.keys() - {"format"}
    source = SourceOptions(**{name: value for name, value in options.items() if name in known})
    rest = {name: value for name, value in options.items() if name not in known}
    rest.setdefault("dead_letter", store.parent / "dead-letter.ndjson")
    return vpcflow.index(url, to=store, source_options=source, **rest)


def keys(path: Path) -> list[str]:
    """Of the objects whose records are in an NDJSON file."""
    return sorted({document["aws"]["s3"]["object"]["key"] for document in documents(path)})


def rows(store: Path) -> int:
    with connect(store) as connection:
        found = connection.execute("SELECT count(*) FROM flows").fetchone()
    assert found is not None
    return int(found[0])


LAYOUTS = {
    "plain": f"AWSLogs/{ACCOUNT}/vpcflowlogs/eu-west-1/2024/11/20/{name(DAY)}",
    "prefixed": f"my/own/prefix/AWSLogs/{ACCOUNT}/vpcflowlogs/eu-west-1/2024/11/20/{name(DAY)}",
    "hourly": f"AWSLogs/{ACCOUNT}/vpcflowlogs/eu-west-1/2024/11/20/00/{name(DAY)}",
    "organisation": f"AWSLogs/o-a1b2c3d4e5/{ACCOUNT}/vpcflowlogs/eu-west-1/2024/11/20/{name(DAY)}",
    "hive": f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2024/month=11/day=20/"
    f"hour=00/{name(DAY)}",
    "transit gateway": f"AWSLogs/aws-account-id={ACCOUNT}/service=vpcflowlogs/aws-region=eu-west-1/year=2024/month=11/"
    f"day=20/{name(DAY)}",
    "loose": "copied/some day.log.gz",
    "top": "flow.log",
}


@pytest.mark.parametrize("prefix", ["", "whole folder", "part of a name"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_from_any_prefix(layout: str, prefix: str, aws: Moto, tmp_path: Path) -> None:
    where = LAYOUTS[layout]
    aws.bucket(BUCKET, {where: log()})
    folder = where[: where.rfind("/") + 1]
    url = f"s3://{BUCKET}/" + {"": "", "whole folder": folder, "part of a name": where[:-9]}[prefix]
    result = index(tmp_path / "out.ndjson", url)
    assert (result.files, result.documents, result.ok) == (1, 2, True)
    document = documents(tmp_path / "out.ndjson")[0]
    assert document["aws"]["s3"] == {
        "bucket": {"arn": f"arn:aws:s3:::{BUCKET}", "name": BUCKET},
        "object": {"key": where},
    }
    assert document["log"]["file"]["path"] == f"https://{BUCKET}.s3.eu-west-1.amazonaws.com/{where}"
    assert document["input"]["type"] == "aws-s3"
    assert document["cloud"]["region"] == "eu-west-1"


def test_the_region_is_the_keys_or_else_the_buckets(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, {key(DAY, region="ap-southeast-2"): log(), "other.log": many(2)})
    index(tmp_path / "out.ndjson")
    regions = {
        document["aws"]["s3"]["object"]["key"]: document["cloud"]["region"]
        for document in documents(tmp_path / "out.ndjson")
    }
    assert regions == {key(DAY, region="ap-southeast-2"): "ap-southeast-2", "other.log": "eu-west-1"}


def test_text_and_parquet_and_two_formats_in_one_bucket(aws: Moto, tmp_path: Path) -> None:
    names, records = samples.GUIDE["TCP flag sequence"]
    flags = [" ".join(record.split()) for record in records]
    aws.bucket(
        BUCKET,
        {
            key(DAY): log(3),
            key(DAY + timedelta(minutes=5)): gzip.compress(text(names, *flags)),
            key(DAY + timedelta(minutes=10), suffix="log.parquet"): samples.parquet(names, flags),
            key(DAY + timedelta(minutes=15), suffix="log"): text(HEADER, ACCEPT),
        },
    )
    result = index(tmp_path / "out.ndjson")
    assert result.ok
    assert result.documents == 3 + 2 * len(flags) + 1
    versions = [document["aws"]["vpcflow"]["version"] for document in documents(tmp_path / "out.ndjson")]
    assert sorted(versions) == ["2"] * 4 + ["3"] * 2 * len(flags)


def test_parquet_leaves_no_temporary_file(aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    names, records = samples.GUIDE["accepted and rejected"]
    aws.bucket(BUCKET, {"good.parquet": samples.parquet(names, records), "bad.parquet": b"PAR1 and no more"})
    result = index(tmp_path / "out.ndjson")
    assert (result.documents, len(result.failures)) == (2, 1)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_disk_that_is_full_is_no_bad_object(aws: Moto, tmp_path: Path) -> None:
    names, records = samples.GUIDE["accepted and rejected"]
    many_records = [record.replace(" 22 ", f" {n} ") for n in range(30_000) for record in records]
    aws.bucket(BUCKET, {"big.parquet": samples.parquet(names, many_records, compression="none")})
    # 64 blocks of 512 bytes or a kilobyte: no file may be larger.
    command = f"ulimit -f 64; exec {sys.executable} -m vpcflow index s3://{BUCKET} --to -"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"Error: s3://{BUCKET}/big.parquet: File too large" in done.stderr.decode()


def test_other_services_folders_and_consoles_objects_are_no_flow_logs(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(
        BUCKET,
        {
            key(DAY): log(),
            f"AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2024/11/20/x.json.gz": gzip.compress(b'{"Records":[]}'),
            f"so/deep/that/nobody/looks/AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/2024/11/20/x.json.gz": b"{}",
            f"AWSLogs/{ACCOUNT}/elasticloadbalancing/eu-west-1/2024/11/20/x.log": b"http 2026-11-20",
            "AWSLogs/": b"",
            "empty folder/": b"",
        },
    )
    result = index(tmp_path / "out.ndjson")
    assert (result.files, result.ok) == (1, True)


def test_archived_objects_are_left_out_and_counted(aws: Moto, tmp_path: Path) -> None:
    s3 = aws.bucket(BUCKET, {key(DAY): log()})
    old = key(DAY - timedelta(days=1))
    s3.put_object(Bucket=BUCKET, Key=old, Body=log(), StorageClass="GLACIER")
    result = index(tmp_path / "out.ndjson")
    assert (result.files, result.ok) == (1, True)
    assert result.notes == (f"s3://{BUCKET}/: 1 archived object was left out; restore it to read it",)


def test_keys_with_every_kind_of_character(aws: Moto, tmp_path: Path) -> None:
    names = ["a b+c.log", "ü/é%20.log", "x/../y.log", "=&?#.log", 'quote".log']
    aws.bucket(BUCKET, {name: text(HEADER, ACCEPT) for name in names})
    assert index(tmp_path / "out.ndjson").ok
    assert keys(tmp_path / "out.ndjson") == sorted(names)


# Which objects


def stamp(at: datetime) -> float:
    return at.timestamp()


def test_days_outside_the_time_wanted_are_not_even_listed(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 10 * 24))
    proxy.page = 24  # a day of these
    whole = index(tmp_path / "all.ndjson")
    assert whole.files == 240
    assert proxy.count("list-type=2") >= 10
    proxy.seen.clear()
    result = index(
        tmp_path / "some.ndjson",
        since=stamp(DAY + timedelta(days=6)),
        until=stamp(DAY + timedelta(days=7)),
    )
    assert result.files == 24
    asked = [seen.path for seen in proxy.seen if "list-type=2" in seen.path]
    # The levels above the days: bucket, AWSLogs, account, service. Then the day, and where it ends.
    assert len(asked) <= 4 + 2, asked
    assert next(part for part in asked if "start-after" in part).count("2024%2F11%2F26%2F") == 1


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        (None, None, range(48)),
        (timedelta(hours=30), None, range(30, 48)),
        # An object has what ended in the five minutes after the time in its name.
        (timedelta(hours=30, minutes=4), None, range(30, 48)),
        (timedelta(hours=30, minutes=5), None, range(31, 48)),
        (None, timedelta(hours=30), range(30)),
        (None, timedelta(hours=30, seconds=1), range(31)),
        (timedelta(hours=24), timedelta(hours=25), range(24, 25)),
    ],
)
def test_since_and_until(
    since: timedelta | None, until: timedelta | None, hours: Iterable[int], aws: Moto, tmp_path: Path
) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 48))
    index(
        tmp_path / "out.ndjson",
        since=stamp(DAY + since) if since is not None else None,
        until=stamp(DAY + until) if until is not None else None,
    )
    assert keys(tmp_path / "out.ndjson") == [key(DAY + timedelta(hours=hour)) for hour in hours]


def test_nothing_is_of_the_time_wanted(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 3))
    result = index(tmp_path / "store", since=stamp(DAY + timedelta(days=9)))
    assert (result.files, result.ok) == (0, True)
    assert index(tmp_path / "store").files == 3


def test_loose_objects_have_the_time_of_their_name_or_of_their_storing(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, {f"copied/{name(DAY)}": log(), "copied/new.log": many(2)})
    index(tmp_path / "new.ndjson", since=time.time() - 3600)
    assert keys(tmp_path / "new.ndjson") == ["copied/new.log"]
    index(tmp_path / "old.ndjson", until=stamp(DAY + timedelta(days=1)))
    assert keys(tmp_path / "old.ndjson") == [f"copied/{name(DAY)}"]


def test_accounts_and_regions_are_chosen_by_folder(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    other = "999999999999"
    aws.bucket(
        BUCKET,
        {
            key(DAY, account, region): log()
            for account in (ACCOUNT, other)
            for region in ("eu-west-1", "us-east-1")
        }
        | {f"copied/{name(DAY, other)}": log(), "copied/unknown.log": many(2)},
    )
    index(tmp_path / "out.ndjson", accounts=(ACCOUNT,), regions=("us-east-1",))
    assert keys(tmp_path / "out.ndjson") == [key(DAY, ACCOUNT, "us-east-1")]
    assert proxy.count(f"AWSLogs%2F{other}") == 0
    assert proxy.count("eu-west-1%2F") == 0
    index(tmp_path / "other.ndjson", accounts=(other,))
    assert keys(tmp_path / "other.ndjson") == sorted(
        [key(DAY, other, "eu-west-1"), key(DAY, other, "us-east-1"), f"copied/{name(DAY, other)}"]
    )


def test_the_command_takes_all_of_it(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(
        BUCKET,
        every(timedelta(hours=1), 48)
        | every(timedelta(hours=1), 48, region="us-east-1")
        | every(timedelta(hours=1), 48, account="999999999999"),
    )
    times = ("--since", "2024-11-20T12:00Z", "--until", "2024-11-21")
    owners = ("--accounts", f"{ACCOUNT},111111111111", "--regions", "eu-west-1,eu-central-1")
    files = ("--to", "store", "--checkpoint", "state/checkpoint.db")
    done = command("index", f"s3://{BUCKET}/AWSLogs/", *times, *owners, *files, cwd=tmp_path)
    assert re.search(r"files +12\n.*documents +24\n", done.stdout.decode() + done.stderr.decode(), re.DOTALL)
    assert (tmp_path / "state" / "checkpoint.db").exists()
    done = command("index", f"s3://{BUCKET}/AWSLogs/", *times, *owners, *files, cwd=tmp_path)
    assert b"there was no file to read" in done.stderr


# What is remembered


def test_a_second_run_reads_what_is_new_or_late(aws: Moto, tmp_path: Path) -> None:
    store = tmp_path / "store"
    s3 = aws.bucket(BUCKET, every(timedelta(hours=1), 72) | {"loose.log": many(2)})
    assert index(store).files == 73
    assert index(store).files == 0
    late, new = DAY + timedelta(hours=60, minutes=5), DAY + timedelta(hours=72)
    for at in (late, new):
        s3.put_object(Bucket=BUCKET, Key=key(at), Body=log())
    s3.put_object(Bucket=BUCKET, Key="another.log", Body=many(2))
    result = index(store)
    assert (result.files, result.documents) == (3, 6)
    assert rows(store) == 76 * 2


def test_only_the_last_days_names_are_remembered(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 200))
    index(tmp_path / "store", checkpoint=tmp_path / "checkpoint.db")
    with closing(sqlite3.connect(tmp_path / "checkpoint.db")) as database:
        [(remembered,)] = database.execute("SELECT count(*) FROM done").fetchall()
    assert remembered == 25


def test_a_run_without_since_reads_what_one_with_since_left(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 72))
    assert index(tmp_path / "store", since=stamp(DAY + timedelta(hours=60))).files == 12
    assert index(tmp_path / "store").files == 60
    assert index(tmp_path / "store").files == 0


def test_each_target_gets_everything(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 3))
    for target in ("one", "two", "file.ndjson", "file.ndjson"):
        assert index(tmp_path / target).files == 3
    assert index(tmp_path / "one").files == 0


def test_a_store_that_was_removed_is_filled_again(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(hours=1), 3))
    assert index(tmp_path / "store").files == 3
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    assert index(tmp_path / "store").files == 3


def test_killed_and_run_again_every_record_is_there_once(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    store = tmp_path / "store"
    count, lines = 120, 200
    body = log(lines)
    aws.bucket(BUCKET, {key(DAY + n * timedelta(minutes=5)): body for n in range(count)})
    command = [sys.executable, "-m", "vpcflow", "index", f"s3://{BUCKET}", "--to", str(store), "-q"]
    killed = threading.Event()
    objects = itertools.count(1)

    def half(seen: Seen) -> Answer | None:
        if ".log.gz" in seen.path and next(objects) > count // 2:
            killed.wait(60)
        return None

    proxy.rule = half
    first = subprocess.Popen(command, cwd=tmp_path)
    try:
        wait_for(lambda: len(list(store.rglob("*.parquet"))) >= 40)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        killed.set()
    assert len(list(store.rglob("*.parquet"))) <= count // 2
    again = index(store)
    assert again.ok
    assert again.files < count - 20, "what was stored before the kill was not read again"
    assert rows(store) == count * lines
    assert index(store).files == 0


# Objects that can't be read


def test_faults_of_single_objects_leave_the_others_alone(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    whole = gzip.compress(many(50_000))
    s3 = aws.bucket(
        BUCKET,
        {
            "1-good.log.gz": log(),
            "2-cut.log.gz": whole[: len(whole) // 2],
            "3-corrupt.log.gz": whole[:50_000] + bytes(1000) + whole[51_000:],
            "4-gone.log.gz": log(),
            "5-empty.log.gz": b"",
            "6-denied.log.gz": log(),
            "7-good.log.gz": log(),
        },
    )

    def rule(seen: Seen) -> Answer | None:
        if "4-gone" in seen.path:
            s3.delete_object(Bucket=BUCKET, Key="4-gone.log.gz")
        return denied() if "6-denied" in seen.path else None

    proxy.rule = rule
    letters = tmp_path / "letters.ndjson"
    result = index(tmp_path / "store", dead_letter=letters)
    assert result.files == 7
    failed = {failure.item.rpartition("/")[2]: str(failure) for failure in result.failures}
    assert set(failed) == {"2-cut.log.gz", "3-corrupt.log.gz", "4-gone.log.gz", "6-denied.log.gz"}
    assert "cut short" in failed["2-cut.log.gz"]
    assert "damaged" in failed["3-corrupt.log.gz"]
    assert failed["4-gone.log.gz"] == f"s3://{BUCKET}/4-gone.log.gz: is not there any more"
    assert failed["6-denied.log.gz"] == (
        f"s3://{BUCKET}/6-denied.log.gz: access denied: the permission s3:GetObject on "
        f"arn:aws:s3:::{BUCKET}/6-denied.log.gz is missing"
    )
    assert [entry["path"] for entry in documents(letters)] == [f"s3://{BUCKET}/4-gone.log.gz"]
    # The next run tries what may be better by then, and nothing else.
    proxy.rule = lambda seen: None
    again = index(tmp_path / "store", dead_letter=letters)
    assert again.files == 3
    assert {failure.item.rpartition("/")[2] for failure in again.failures} == {
        "2-cut.log.gz",
        "3-corrupt.log.gz",
    }


def test_a_damaged_object_is_given_up_after_three_runs(aws: Moto, tmp_path: Path) -> None:
    whole = gzip.compress(many(50_000))
    aws.bucket(BUCKET, {key(DAY): whole[: len(whole) // 2], key(DAY + timedelta(hours=1)): log()})
    letters = tmp_path / "letters.ndjson"
    files = [index(tmp_path / "store", dead_letter=letters).files for _ in range(4)]
    assert files == [2, 1, 1, 0]
    [entry] = documents(letters)
    assert entry["path"] == f"s3://{BUCKET}/{key(DAY)}"
    assert "cut short" in entry["reason"]


def test_a_download_that_breaks_off_goes_on_where_it_was(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    body = varied(60_000)
    aws.bucket(BUCKET, {"big.log.gz": body})
    cuts = iter([400_000, 1, 100_000])

    def rule(seen: Seen) -> Answer | None:
        cut = next(cuts, None) if seen.method == "GET" and "big.log.gz" in seen.path else None
        return None if cut is None else Answer(cut=cut)

    proxy.rule = rule
    result = index(tmp_path / "out.ndjson")
    assert result.ok
    assert result.documents == 60_000
    ranges = [seen.headers.get("Range") for seen in proxy.seen if "big.log.gz" in seen.path]
    assert ranges == [None, "bytes=400000-", "bytes=400001-", "bytes=500001-"]
    assert all(seen.headers["If-Match"] for seen in proxy.seen if "Range" in seen.headers)


def test_an_object_that_is_replaced_while_it_is_read_comes_again(
    proxy: Proxy, aws: Moto, tmp_path: Path
) -> None:
    s3 = aws.bucket(BUCKET, {"big.log.gz": varied(60_000)})
    cut = iter([True])

    def rule(seen: Seen) -> Answer | None:
        if seen.method == "GET" and "big.log.gz" in seen.path and next(cut, False):
            return Answer(cut=300_000)
        if "Range" in seen.headers:
            s3.put_object(Bucket=BUCKET, Key="big.log.gz", Body=log(3))
        return None

    proxy.rule = rule
    [failure] = index(tmp_path / "store").failures
    assert "was replaced while it was being read" in str(failure)
    assert index(tmp_path / "store").ok
    assert rows(tmp_path / "store") == 3


def test_an_object_is_downloaded_ahead_of_its_reader_but_not_far(proxy: Proxy, aws: Moto) -> None:
    body = b"x" * 8_000_000
    s3 = aws.bucket(BUCKET, {"big": body})
    stream = S3Object(s3, BUCKET, "big")
    time.sleep(0.05)
    assert stream._held == 0, "nothing is downloaded before somebody reads"
    stream.start()
    wait_for(lambda: stream._held >= 2 << 20)
    time.sleep(0.1)
    assert stream._held < 3 << 20
    assert stream.read(10) == body[:10]
    assert stream.read() == body[10:]
    assert stream.read(10) == b""
    stream.close()


def test_a_stream_that_is_closed_early_ends_its_download(aws: Moto) -> None:
    s3 = aws.bucket(BUCKET, {"big": b"x" * 8_000_000})
    stream = S3Object(s3, BUCKET, "big")
    stream.read(1)
    stream.close()
    wait_for(lambda: not any(thread.name == "vpcflow-download" for thread in threading.enumerate()))


def test_a_format_that_was_unknown_can_be_given_later(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, {key(DAY): b"10.0.0.1 22 one two\n" * 3})
    for _ in range(4):
        [failure] = index(tmp_path / "store").failures
        assert isinstance(failure.error, vpcflow.FormatError)
    result = index(tmp_path / "store", format="srcaddr dstport account-id interface-id")
    assert (result.files, result.documents, result.ok) == (1, 3, True)


def test_when_too_many_fail_the_run_ends(
    proxy: Proxy, aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpcflow.sources.s3._MOST_FAILED", 5)
    aws.bucket(BUCKET, every(timedelta(minutes=5), 30))
    proxy.rule = lambda seen: denied() if ".log.gz" in seen.path else None
    with pytest.raises(vpcflow.VpcflowError) as caught:
        index(tmp_path / "store")
    assert re.search(
        r"[6-9] objects could not be read, which is too many to go on; the last: .*s3:GetObject",
        str(caught.value),
    )
    proxy.rule = lambda seen: None
    assert index(tmp_path / "store").documents == 60


# Going on


@contextmanager
def following(store: Path, **options: Any) -> Iterator[Callable[[], IndexResult]]:
    """A run that follows, on a thread; gives what ends it."""
    stop = threading.Event()
    results: list[IndexResult] = []

    def run() -> None:
        results.append(index(store, follow=True, interval=0.2, stop=stop, **options))

    def end() -> IndexResult:
        stop.set()
        thread.join(20)
        return results[0]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield end
    finally:
        stop.set()
        thread.join(20)


def test_follow_finds_what_comes_later(aws: Moto, tmp_path: Path) -> None:
    store = tmp_path / "store"
    s3 = aws.bucket(BUCKET, every(timedelta(minutes=5), 3))
    with following(store) as end:
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 3)
        s3.put_object(Bucket=BUCKET, Key=key(DAY + timedelta(minutes=15)), Body=log())
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 4)
        result = end()
    assert (result.files, result.ok) == (4, True)
    assert index(store).files == 0


def test_follow_outlasts_a_bucket_that_cannot_be_asked_for_a_while(
    proxy: Proxy, aws: Moto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    aws.bucket(BUCKET, every(timedelta(minutes=5), 1))
    proxy.rule = lambda seen: Answer(
        400, b"<Error><Code>OperationAborted</Code><Message>later</Message></Error>"
    )
    with following(store):
        wait_for(lambda: "OperationAborted: later; looking again in" in caplog.text)
        proxy.rule = lambda seen: None
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 1)


def test_follow_tries_again_what_failed(
    proxy: Proxy, aws: Moto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vpcflow.sources.s3._RETRY", 0.3)
    store = tmp_path / "store"
    aws.bucket(BUCKET, every(timedelta(minutes=5), 2))
    proxy.rule = lambda seen: denied() if "T0000Z" in seen.path else None
    with following(store) as end:
        wait_for(lambda: proxy.count("T0000Z") >= 2)
        proxy.rule = lambda seen: None
        wait_for(lambda: len(list(store.rglob("*.parquet"))) == 2)
        assert len(end().failures) >= 2


def test_a_run_ends_although_the_bucket_does_not_answer(proxy: Proxy, aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(minutes=5), 1))
    never = threading.Event()

    def rule(seen: Seen) -> None:
        never.wait(30)

    proxy.rule = rule
    command = [
        sys.executable,
        "-m",
        "vpcflow",
        "index",
        f"s3://{BUCKET}",
        "--to",
        str(tmp_path / "store"),
        "--follow",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: proxy.seen != [])
    process.terminate()
    started = time.monotonic()
    process.wait(20)
    never.set()
    assert time.monotonic() - started < 10


def test_a_run_that_is_told_to_end_ends_soon(aws: Moto, tmp_path: Path) -> None:
    aws.bucket(BUCKET, every(timedelta(minutes=5), 1))
    with following(tmp_path / "store") as end:
        wait_for(lambda: list((tmp_path / "store").rglob("*.parquet")) != [])
        started = time.monotonic()
        end()
        assert time.monotonic() - started < 5


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
