"""`s3://bucket/prefix` against a real moto server: which objects are flow logs, and what is read of them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from aws import Moto
from s3_logs import ACCOUNT, BUCKET, DAY, index, key, keys, log, name

import samples
from unit.flowlogs import ACCEPT, HEADER, documents, many, text

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
