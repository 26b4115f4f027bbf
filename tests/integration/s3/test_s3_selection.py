"""Which objects of a bucket are asked for: times, accounts and regions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from aws import Moto, Proxy
from s3_logs import ACCOUNT, BUCKET, DAY, every, index, key, keys, log, name, stamp

from unit.flowlogs import many
from unit.flowlogs import vpcflow as command


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
