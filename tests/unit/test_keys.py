"""Names of flow log objects."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from vpcflow.sources.keys import ObjectKey, parse_folder, parse_key

NAME = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz"
PLAIN = f"my-prefix/AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/{NAME}"
HIVE = (
    "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/"
    f"hour=16/{NAME}"
)


def test_plain_layout() -> None:
    assert parse_key(PLAIN) == ObjectKey(
        account="123456789012",
        region="us-east-1",
        flow_log="fl-1234abcd",
        time=datetime(2018, 6, 20, 16, 20, tzinfo=UTC),
        digest="fe123456",
    )


def test_hive_layout() -> None:
    key = parse_key(HIVE)
    assert key is not None
    assert key.hive
    assert (key.account, key.region, key.flow_log) == ("123456789012", "us-east-1", "fl-1234abcd")


def test_transit_gateways_write_service_without_aws() -> None:
    key = parse_key(HIVE.replace("aws-service=", "service=").replace(NAME, "renamed"))
    assert key == ObjectKey(account="123456789012", region="us-east-1", hive=True)


def test_bucket_of_an_organisation() -> None:
    key = parse_key(PLAIN.replace("AWSLogs/", "AWSLogs/o-a1b2c3d4e5/"))
    assert key is not None
    assert (key.organization, key.account) == ("o-a1b2c3d4e5", "123456789012")


@pytest.mark.parametrize(
    "name", [NAME, f"/home/me/{NAME}", f"C:\\logs\\{NAME}", NAME.replace(".log.gz", ".log.parquet")]
)
def test_the_name_alone_is_enough(name: str) -> None:
    key = parse_key(name)
    assert key is not None
    assert (key.region, key.time) == ("us-east-1", datetime(2018, 6, 20, 16, 20, tzinfo=UTC))


def test_the_folder_alone_is_enough() -> None:
    assert parse_key(PLAIN.replace(NAME, "all.log")) == ObjectKey(account="123456789012", region="us-east-1")


@pytest.mark.parametrize(
    "region", ["us-gov-west-1", "us-iso-east-1", "ap-southeast-7", "mx-central-1", "eusc-de-east-1"]
)
def test_every_partition_has_regions(region: str) -> None:
    key = parse_key(PLAIN.replace("us-east-1", region))
    assert key is not None
    assert key.region == region


def test_no_such_time() -> None:
    key = parse_key(NAME.replace("20180620T1620Z", "20181320T1620Z"))
    assert key is not None
    assert key.time is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "flow.log.gz",
        "123456789012_elasticloadbalancing_us-east-1_app.log.gz",
        "AWSLogs/123456789012/CloudTrail/us-east-1/x",
    ],
)
def test_other_names(name: str) -> None:
    assert parse_key(name) is None


@pytest.mark.parametrize(
    ("key", "prefix", "day"),
    [
        (PLAIN, "my-prefix/AWSLogs/123456789012/vpcflowlogs/us-east-1/", "2018/06/20/"),
        (
            HIVE,
            "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/",
            "year=2018/month=06/day=20/",
        ),
    ],
)
def test_folder_of_a_region(key: str, prefix: str, day: str) -> None:
    folder = parse_folder(key)
    assert folder is not None
    assert (folder.prefix, folder.account, folder.region) == (prefix, "123456789012", "us-east-1")
    assert folder.day(date(2018, 6, 20)) == prefix + day
    assert folder.time(key) == datetime(2018, 6, 20, 16, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "prefix", ["", "AWSLogs/", "AWSLogs/123456789012/", "AWSLogs/123456789012/CloudTrail/us-east-1/"]
)
def test_no_folder_of_a_region(prefix: str) -> None:
    assert parse_folder(prefix) is None


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("2018/06/20/renamed.log", datetime(2018, 6, 20, tzinfo=UTC)),
        (f"2018/06/21/{NAME}", datetime(2018, 6, 21, tzinfo=UTC)),
        (f"2018/06/20/16/{NAME}", datetime(2018, 6, 20, 16, 20, tzinfo=UTC)),
        ("2018/13/20/x.log", None),
        (NAME, None),
    ],
)
def test_the_time_of_an_object_is_in_the_day_of_its_folder(name: str, time: datetime | None) -> None:
    folder = parse_folder(PLAIN)
    assert folder is not None
    assert folder.time(folder.prefix + name) == time
