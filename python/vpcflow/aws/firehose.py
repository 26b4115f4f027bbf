"""Firehose's data transformation: flow log records in, ECS documents out.

Firehose sends records and wants each of them back by its id: ``Ok`` with new data, ``Dropped`` when there is
nothing to store of it, ``ProcessingFailed`` with what it was, which Firehose puts into the error folder of
its bucket. Source: Data Firehose developer guide, "Transform source data".
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from vpcflow._core import Direction, Origin, Reader
from vpcflow.aws.subscriptions import LogEvents, unpack
from vpcflow.errors import DecodeError, VpcflowError

if TYPE_CHECKING:
    from vpcflow._core import Format

__all__ = ["transform"]

log = logging.getLogger(__name__)

# Lambda's answers have at most 6 MB; the rest is for ids and brackets.
_LIMIT = 6_000_000
_OVERHEAD = 200


def transform(
    event: Mapping[str, Any],
    *,
    format: Format | None = None,
    on_error: Literal["index", "skip", "raise"] = "index",
    direction: Direction | None = None,
    **encoding: Any,
) -> dict[str, Any]:
    """Answers an event of Firehose.

    Args:
        event: with ``records``, each with ``recordId`` and ``data``: lines as flow logs deliver them to
            Firehose, also as ``{"message": "…"}``, or what a subscription of CloudWatch Logs sends.
        format: as for `vpcflow.read`.
        on_error: as for `vpcflow.read`.
        direction: as for `vpcflow.read`; None learns from this event alone.
        encoding: as for `Batch.to_ndjson`.
    """
    region = event.get("region")
    direction = direction or Direction()
    answers: list[dict[str, Any]] = []
    room = _LIMIT
    for record in event["records"]:
        name, data = record["recordId"], record["data"]
        try:
            documents = _documents(record, region, format, on_error, direction=direction, encoding=encoding)
            out = base64.b64encode(documents).decode()
            if len(out) + _OVERHEAD > room:
                raise DecodeError(
                    "doesn't fit into the 6 MB that a function may answer; lower the buffer size of the "
                    "transformation (0.2 MB is the least)"
                )
        except VpcflowError as error:
            log.error("record %s of %s %s", name, event.get("deliveryStreamArn"), error)  # noqa: TRY400
            answer = {"recordId": name, "result": "ProcessingFailed", "data": data}
        else:
            answer = {"recordId": name, "result": "Ok" if out else "Dropped", "data": out}
        answers.append(answer)
        room -= len(answer["data"]) + _OVERHEAD
    return {"records": answers}


def _documents(
    record: Mapping[str, Any],
    region: str | None,
    format: Format | None,
    on_error: Literal["index", "skip", "raise"],
    *,
    direction: Direction,
    encoding: dict[str, Any],
) -> bytes:
    """NDJSON of a record."""
    arrived = record.get("approximateArrivalTimestamp")
    origin = Origin(modified=arrived / 1000 if arrived else None, region=region)
    out = []
    for part in unpack(base64.b64decode(record["data"])):
        lines, of = (part.lines, part.origin(region)) if isinstance(part, LogEvents) else (part, origin)
        for chunk in Reader(lines, format=format, origin=of, on_error=on_error):
            batch = chunk.parse(direction=direction)
            out.append(batch.to_ndjson(**encoding))
            if on_error == "skip":
                for error in batch.errors:
                    log.error("record %s: %s: %r", record["recordId"], error, error.raw)
    return b"".join(out)
