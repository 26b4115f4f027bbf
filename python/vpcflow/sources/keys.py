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
from datetime import UTC, datetime

__all__ = ["ObjectKey", "parse_key"]

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


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    except ValueError:  # 13th month: digits, but no time
        return None
