"""Objects that can't be read, and downloads that break off."""

from __future__ import annotations

import gzip
import random
import re
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from aws import Answer, Moto, Proxy, Seen, denied
from s3_logs import BUCKET, DAY, every, index, key, log, rows, wait_for

import vpcflow
from unit.flowlogs import HEADER, documents, many, text
from vpcflow.aws.objects import S3Object


def varied(count: int) -> bytes:
    """A compressed log whose records have little in common: a download of it takes many reads."""
    chance = random.Random(17)
    records = (
        f"2 123456789010 eni-{chance.getrandbits(68):017x} 10.{n % 256}.{chance.randrange(65536) >> 8}.1 172.31.16.21 "
        f"{chance.randrange(65536)} 22 6 20 {chance.getrandbits(30)} 1418530010 1418530070 ACCEPT OK"
        for n in range(count)
    )
    return gzip.compress(text(HEADER, *records), 1)


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
