"""What the name of a flow log object says.

AWS names the objects in S3, and people keep those names when they copy them::

    PREFIX/AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD/[HH/]NAME
    PREFIX/AWSLogs/aws-account-id=ACCOUNT/aws-service=vpcflowlogs/aws-region=REGION/year=YYYY/month=MM/day=DD/
        [hour=HH/]NAME

where NAME is ``ACCOUNT_vpcflowlogs_REGION_fl-ID_YYYYMMDDTHHmmZ_HASH.log.gz`` (or ``.log.parquet``). Buckets
of an organisation have its ``o-…`` before the account, and transit gateways write ``service=`` for
``aws-service=``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

__all__ = ["Folder", "ObjectKey", "of_other_service", "parse_folder", "parse_key"]

_REGION = r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}"
_NAME = re.compile(
    rf"(?:^|[/\\])(?P<account>\d{{12}})_vpcflowlogs_(?P<region>{_REGION})_(?P<flow_log>fl-[0-9a-f]+)"
    r"(?:_(?P<time>\d{8}T\d{4}Z)(?:_(?P<digest>[0-9A-Za-z]+))?)?[^/\\]*$"
)
_PLAIN = re.compile(
    rf"AWSLogs[/\\](?:(?P<organization>o-[0-9a-z]+)[/\\])?(?P<account>\d{{12}})[/\\]vpcflowlogs[/\\](?P<region>{_REGION})[/\\]"
)
_HIVE = re.compile(
    r"AWSLogs[/\\](?:(?P<organization>o-[0-9a-z]+)[/\\])?aws-account-id=(?P<account>\d{12})[/\\]"
    rf"(?:aws-)?service=vpcflowlogs[/\\]aws-region=(?P<region>{_REGION})[/\\]"
)
# What another service has put there.
_OTHERS = re.compile(
    r"(?:^|/)AWSLogs/(?:o-[0-9a-z]+/)?(?:aws-account-id=)?\d{12}/(?!(?:(?:aws-)?service=)?vpcflowlogs/)[^/]+/"
)
# A day below the folder of a region.
_DAY = re.compile(r"(?:year=)?(\d{4})/(?:month=)?(\d\d)/(?:day=)?(\d\d)/")


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """The parts of a flow log object's key; what it doesn't say is None.

    Attributes:
        account: the account that owns the flow log.
        region: region of the flow log.
        flow_log: id of the flow log, ``fl-…``.
        time: start of the five minutes (or hour) in which the object's records end, UTC.
        digest: the hash that tells the files of one period apart.
        organization: id of the organisation, ``o-…``.
        hive: whether the folders are Hive partitions (``aws-region=…``).
    """

    account: str
    region: str
    flow_log: str | None = None
    time: datetime | None = None
    digest: str | None = None
    organization: str | None = None
    hive: bool = False


def parse_key(key: str) -> ObjectKey | None:
    """Reads an S3 key or a path that ends like one. None when it doesn't have AWS's form.

    The key is the object's own, not percent-encoded as in a notification.
    """
    name = _NAME.search(key)
    hive = _HIVE.search(key)
    folder = hive or _PLAIN.search(key)
    found = name or folder
    if found is None:
        return None
    return ObjectKey(
        account=found["account"],
        region=found["region"],
        flow_log=name["flow_log"] if name else None,
        time=_time(name["time"]) if name else None,
        digest=name["digest"] if name else None,
        organization=folder["organization"] if folder else None,
        hive=hive is not None,
    )


def of_other_service(key: str) -> bool:
    """Whether an object lies where another service of AWS puts its logs: CloudTrail, load balancers."""
    return _OTHERS.search(key) is not None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:  # 13th month: digits, but no time
        return None


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder that holds one account's flow logs of one region, by day.

    Attributes:
        prefix: of its objects' keys, up to and with the region's ``/``.
        account, region: whose flow logs they are.
        hive: whether the folders are Hive partitions.
    """

    prefix: str
    account: str
    region: str
    hive: bool

    def day(self, day: date) -> str:
        """Prefix of the keys of one day (UTC). Days, and the hours in them, come in the keys' order."""
        return self.prefix + day.strftime("year=%Y/month=%m/day=%d/" if self.hive else "%Y/%m/%d/")

    def time(self, key: str) -> datetime | None:
        """When the records of an object of this folder begin to end.

        The name says it to the minute. Where it doesn't, or says another day than the folder that it is in,
        it is the beginning of that day. None for an object that is in no day's folder.
        """
        found = _DAY.match(key, len(self.prefix))
        if found is None:
            return None
        try:
            day = datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC)
        except ValueError:
            return None
        name = _NAME.search(key)
        time = _time(name["time"]) if name else None
        return time if time is not None and time.date() == day.date() else day


def parse_folder(key: str) -> Folder | None:
    """The folder that a key, or the beginning of one, lies in. None when it is in none of AWS's form."""
    hive = _HIVE.search(key)
    found = hive or _PLAIN.search(key)
    if found is None:
        return None
    return Folder(key[: found.end()], found["account"], found["region"], hive is not None)
