"""vpcflow to typed Arrow columns. pyarrow only holds them, as the other table readers' results are held."""

from __future__ import annotations

from functools import partial

import common
import pyarrow
import pyarrow.compute
from chunks import in_order
from harness import contend

from vpcflow._core import Chunk

# Where a document has a field of the log elsewhere than under aws.vpcflow with `_` for `-`.
PLACES = {
    "account-id": "cloud.account.id",
    "srcaddr": "source.ip",
    "dstaddr": "destination.ip",
    "srcport": "source.port",
    "dstport": "destination.port",
    "protocol": "network.iana_number",
    "packets": "source.packets",
    "bytes": "network.bytes",
    "start": "event.start",
    "end": "event.end",
    "action": "event.action",
    "instance-id": "cloud.instance.id",
    "region": "cloud.region",
    "az-id": "cloud.availability_zone",
    "sublocation-type": "aws.vpcflow.sublocation.type",
    "sublocation-id": "aws.vpcflow.sublocation.id",
    "pkt-src-aws-service": "aws.vpcflow.pkt_src_service",
    "pkt-dst-aws-service": "aws.vpcflow.pkt_dst_service",
    "flow-direction": "network.direction",
}
TEXT = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())


def own_fields(source: str) -> pyarrow.Schema:
    """The log's own fields, one column each, and none that is made from them."""

    def kind(name: str) -> pyarrow.DataType:
        if name in common.TIMES:
            return pyarrow.timestamp("ms", "UTC")
        if name in common.INT64:
            return pyarrow.int64()
        if name.endswith("port"):
            return pyarrow.int32()
        return pyarrow.string_view() if name.endswith("addr") else TEXT

    columns = (
        (PLACES.get(name, "aws.vpcflow." + name.replace("-", "_")), kind(name))
        for name in common.names(source)
    )
    return pyarrow.schema(list(columns))


def arrow(source: str, _: str, threads: int = 1, *, own: bool = False) -> list[pyarrow.Table]:
    schema = own_fields(source) if own else None

    def columns(chunk: Chunk) -> pyarrow.Table:
        return pyarrow.table(chunk.parse(), schema=schema)

    return list(in_order(columns, source, threads))


def count(tables: list[pyarrow.Table]) -> tuple[int, int]:
    sums = (pyarrow.compute.sum(table["network.bytes"]).as_py() or 0 for table in tables)
    return sum(table.num_rows for table in tables), sum(sums)


if __name__ == "__main__":
    contend(
        {
            "one": (arrow, count),
            "two": (partial(arrow, threads=2), count),
            "own": (partial(arrow, own=True), count),
            "own-two": (partial(arrow, threads=2, own=True), count),
        }
    )
