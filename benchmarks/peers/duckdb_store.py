"""DuckDB from text to Parquet, files by day or one, with the columns of vpcflow's store.

The community id and the line's place in the file are left out, since its SQL can't make them. Names,
compression, its level and the size of the row groups are the store's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import common
from duckdb_reader import copy, select
from harness import contend, counted

#: The store's columns that are fields of the log; those that a version hasn't are not in its store.
FIELDS = {
    "@timestamp": "end",
    "event.start": "start",
    "event.end": "end",
    "event.action": "action",
    "source.ip": "srcaddr",
    "source.port": "srcport",
    "source.bytes": "bytes",
    "source.packets": "packets",
    "destination.ip": "dstaddr",
    "destination.port": "dstport",
    "network.iana_number": "protocol",
    "network.direction": "flow-direction",
    "cloud.account.id": "account-id",
    "cloud.region": "region",
    "cloud.availability_zone": "az-id",
    "cloud.instance.id": "instance-id",
    "aws.vpcflow.version": "version",
    "aws.vpcflow.interface_id": "interface-id",
    "aws.vpcflow.log_status": "log-status",
    "aws.vpcflow.vpc_id": "vpc-id",
    "aws.vpcflow.subnet_id": "subnet-id",
    "aws.vpcflow.tcp_flags": "tcp-flags",
    "aws.vpcflow.type": "type",
    "aws.vpcflow.pkt_srcaddr": "pkt-srcaddr",
    "aws.vpcflow.pkt_dstaddr": "pkt-dstaddr",
    "aws.vpcflow.sublocation.type": "sublocation-type",
    "aws.vpcflow.sublocation.id": "sublocation-id",
    "aws.vpcflow.pkt_src_service": "pkt-src-aws-service",
    "aws.vpcflow.pkt_dst_service": "pkt-dst-aws-service",
    "aws.vpcflow.traffic_path": "traffic-path",
}
#: The others, in SQL.
MADE = {
    "event.kind": "'event'",
    "event.ingested": "CAST(now() AS TIMESTAMP)",
    "event.original": "CAST(NULL AS VARCHAR)",
    "error.message": "CAST(NULL AS VARCHAR)",
    "network.transport": "CASE protocol WHEN '6' THEN 'tcp' WHEN '17' THEN 'udp' WHEN '1' THEN 'icmp'"
    " WHEN '58' THEN 'ipv6-icmp' WHEN '47' THEN 'gre' WHEN '50' THEN 'esp' WHEN '132' THEN 'sctp' END",
}
OPTIONS = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 131072"
#: Of the log's small numbers the store has only these as numbers.
INTEGERS = ("srcport", "dstport")


def store(source: str, target: str, *, days: bool) -> int:
    names = common.names(source)
    columns = {column: f'"{field}"' for column, field in FIELDS.items() if field in names}
    columns |= MADE | {"log.file.path": f"'{source}'", "date": 'CAST("end" AS DATE)'}
    if days:
        options = f"{OPTIONS}, PARTITION_BY (date)"
    else:
        Path(target).mkdir()
        target, options = f"{target}/all.parquet", OPTIONS
    wanted = ", ".join(f'{sql} AS "{column}"' for column, sql in columns.items())
    return copy(f"SELECT {wanted} FROM ({select(source, INTEGERS)})", target, options)


if __name__ == "__main__":
    contend({"days": (partial(store, days=True), counted), "one": (partial(store, days=False), counted)})
