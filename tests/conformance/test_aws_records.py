"""AWS's own example records and real objects, read in every form that they come in."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

import samples
import vpcflow
from vpcflow._core import explain

GUIDE = pytest.mark.parametrize(("names", "records"), samples.GUIDE.values(), ids=samples.GUIDE)


def values(batch: vpcflow.Batch) -> list[dict[str, int | str | None]]:
    """The typed values of a batch's records, by AWS's names, from its documents."""
    return [record_of(document, batch.format.names) for document in batch.to_ecs()]


def record_of(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, int | str | None]:
    """Turns a document back into the record it was made from: the reverse of the mapping table."""

    def get(path: str) -> Any:
        value: Any = document
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def seconds(path: str) -> int | None:
        from datetime import datetime

        text = get(path)
        return None if text is None else int(datetime.fromisoformat(text).timestamp())

    paths = {
        "srcaddr": "source.ip",
        "dstaddr": "destination.ip",
        "srcport": "source.port",
        "dstport": "destination.port",
        "protocol": "network.iana_number",
        "packets": "source.packets",
        "bytes": "network.bytes",
        "region": "cloud.region",
        "az-id": "cloud.availability_zone",
        "flow-direction": "network.direction",
        "sublocation-type": "aws.vpcflow.sublocation.type",
        "sublocation-id": "aws.vpcflow.sublocation.id",
        "pkt-src-aws-service": "aws.vpcflow.pkt_src_service",
        "pkt-dst-aws-service": "aws.vpcflow.pkt_dst_service",
    }
    record: dict[str, int | str | None] = {}
    for name in names:
        if name in {"start", "end"}:
            record[name] = seconds(f"event.{name}")
            continue
        value = get(paths.get(name, "aws.vpcflow." + name.replace("-", "_")))
        record[name] = int(value) if name in samples.NUMBERS and value is not None else value
    return record


@GUIDE
def test_guide_records_with_their_header(names: str, records: list[str]) -> None:
    batch = vpcflow.parse(samples.log(names, records))
    assert batch.errors == []
    assert batch.format == vpcflow.Format(names)
    assert values(batch) == [samples.typed(names, record) for record in records]


@GUIDE
def test_guide_records_without_a_header_are_told_by_their_values(names: str, records: list[str]) -> None:
    batch = vpcflow.parse(samples.log(names, records, header=False))
    assert batch.format == vpcflow.Format(names)
    assert values(batch) == [samples.typed(names, record) for record in records]


@GUIDE
def test_guide_records_in_parquet(names: str, records: list[str]) -> None:
    batch = vpcflow.parse(samples.parquet(names, records))
    assert batch.errors == []
    assert values(batch) == [samples.typed(names, record) for record in records]


@GUIDE
def test_guide_records_explained(names: str, records: list[str]) -> None:
    for record in records:
        told = {name: value for name, value, _, _ in explain(record)}
        assert told == {
            name: None if token == "-" else token
            for name, token in zip(names.split(), record.split(), strict=True)
        }


@pytest.mark.parametrize("records", samples.REAL.values(), ids=samples.REAL)
def test_real_objects_in_every_form(records: list[str]) -> None:
    names, plain = samples.V2, samples.log(samples.V2, records)
    expected = [samples.typed(names, record) for record in records]
    wrapped = b"".join(json.dumps({"message": record}).encode() + b"\n" for record in records)
    for form in (
        plain,
        gzip.compress(plain),
        samples.parquet(names, records),
        wrapped,
        gzip.compress(wrapped),
    ):
        (batch,) = vpcflow.read(io.BytesIO(form))
        assert values(batch) == expected
