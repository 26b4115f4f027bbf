"""The handler for AWS Lambda: ``vpcflow.aws.handler``.

It takes what S3, SQS, SNS, EventBridge, CloudWatch Logs and Kinesis send to a function, and reads it through
the same pipeline as ``vpcflow index``; Firehose's records it gives back transformed. Variables of the
function's environment say what options say elsewhere: ``VPCFLOW_TO``, ``VPCFLOW_FORMAT``,
``VPCFLOW_NAMESPACE``, ``VPCFLOW_ON_ERROR``, ``VPCFLOW_PRESERVE_ORIGINAL``, ``VPCFLOW_TAGS``,
and ``ELASTICSEARCH_…`` for the credentials.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from vpcflow._core import Direction
from vpcflow.aws.events import EventSource
from vpcflow.aws.firehose import transform
from vpcflow.errors import ConfigError, VpcflowError
from vpcflow.formats import to_format

if TYPE_CHECKING:
    from vpcflow._core import Format
    from vpcflow.sinks.base import Sink, Writer
    from vpcflow.sources.base import Item

__all__ = ["handler"]

log = logging.getLogger("vpcflow.aws")


def handler(event: Mapping[str, Any], context: Any = None) -> dict[str, Any]:
    """Indexes, or transforms, what an event brings.

    Args:
        event: of S3, SQS, SNS, EventBridge, CloudWatch Logs, Kinesis or Firehose.
        context: Lambda's; what is not begun after four fifths of its time is left for another call.

    Returns:
        For SQS and Kinesis ``{"batchItemFailures": [{"itemIdentifier": …}]}``, with what is to come again;
        for Firehose its records, with documents as data; else counts.

    Raises:
        VpcflowError: nothing of the event could be indexed, or not everything of an event that can only come
            again as a whole. Lambda or its event source then tries again.
    """
    if log.level == logging.NOTSET:
        log.setLevel(logging.INFO)
    settings = _Settings.of(os.environ)
    if "deliveryStreamArn" in event and "records" in event:
        return transform(
            event,
            format=settings.format,
            on_error="skip" if settings.on_error == "dead-letter" else "index",
            direction=_kept.direction,
            namespace=settings.namespace,
            preserve_original=settings.preserve_original,
            tags=settings.tags,
        )
    left = None if context is None else context.get_remaining_time_in_millis() / 1000
    source = EventSource(event, _kept.s3, left)
    counts = _index(source, _kept.sink(settings, left), settings)
    failed = source.failed()
    if failed and (len(failed) == source.parts or not source.partial):
        raise VpcflowError(f"{source.why}; what is not indexed is to come again")
    if source.partial:
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
    return counts


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the environment says."""

    to: str | None
    format: Format | None
    namespace: str
    on_error: Literal["index", "dead-letter"]
    preserve_original: bool
    tags: tuple[str, ...]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> _Settings:
        def one_of(name: str, *values: str) -> str:
            value = environ.get(name) or values[0]
            if value not in values:
                raise ConfigError(f"{name}={value}: must be {', '.join(values[:-1])} or {values[-1]}")
            return value

        return cls(
            to=environ.get("VPCFLOW_TO") or environ.get("ELASTICSEARCH_URL") or None,
            format=to_format(environ.get("VPCFLOW_FORMAT") or None),
            namespace=environ.get("VPCFLOW_NAMESPACE") or "default",
            on_error=cast("Any", one_of("VPCFLOW_ON_ERROR", "index", "dead-letter")),
            preserve_original=one_of("VPCFLOW_PRESERVE_ORIGINAL", "false", "true") == "true",
            tags=tuple(environ.get("VPCFLOW_TAGS", "").replace(",", " ").split()),
        )


def _index(source: EventSource, sink: Sink, settings: _Settings) -> dict[str, Any]:
    from vpcflow.pipeline import index

    # Lambda's own file system ends with it, so what would be in the file goes to the log.
    letters = Path(tempfile.gettempdir()) / f"vpcflow-dead-letter-{os.getpid()}.ndjson"
    try:
        result = index(
            source,
            to=sink,
            format=settings.format,
            on_error=settings.on_error,
            dead_letter=letters,
            direction=_kept.direction,
        )
    finally:
        if letters.exists():
            for line in letters.read_text().splitlines():
                log.error("not indexed: %s", line)
            letters.unlink()
    counts = {
        "objects": result.files,
        "lines": result.lines,
        "documents": result.documents,
        "unreadable": result.failed,
        "refused": result.refused,
    }
    log.info("%s in %.2f s", ", ".join(f"{value} {name}" for name, value in counts.items()), result.seconds)
    return counts


class _Kept:
    """What stays from one call to the next: connections, and which addresses are interfaces' own."""

    def __init__(self) -> None:
        self.direction = Direction()
        self._s3: Any = None
        self._sink: Sink | None = None
        self._settings: _Settings | None = None

    def s3(self) -> Any:
        from vpcflow.aws.session import client

        if self._s3 is None:
            self._s3 = client("s3")
        return self._s3

    def sink(self, settings: _Settings, seconds: float | None) -> Sink:
        """The target, which no run closes."""
        if self._sink is None or self._settings != settings:
            self._sink, self._settings = _open(settings, seconds), settings
            for note in getattr(self._sink, "notes", ()):
                log.info("%s", note)
        return _Lent(self._sink, self._drop)

    def _drop(self) -> None:
        self._sink = None


_kept = _Kept()


class _Lent:
    """A target for one run."""

    def __init__(self, sink: Sink, drop: Callable[[], None]) -> None:
        self.name = sink.name
        self._sink = sink
        self._drop = drop

    def open(self, item: Item) -> Writer:
        return self._sink.open(item)

    def close(self) -> None:
        """It is wanted again, and what was committed is stored."""

    def abort(self) -> None:
        self._drop()
        self._sink.abort()


def _open(settings: _Settings, seconds: float | None) -> Sink:
    from vpcflow.sinks import open_sink
    from vpcflow.sinks.ndjson import NdjsonFileSink, StdoutSink
    from vpcflow.sinks.parquet import ParquetFileSink

    if not settings.to:
        raise ConfigError("set VPCFLOW_TO in the function's environment: https://host:9200, or a folder")
    sink = open_sink(
        settings.to,
        namespace=settings.namespace,
        redelivers=True,  # what a call could not finish comes again
        preserve_original=settings.preserve_original,
        tags=settings.tags,
        # A server that takes nothing is to be said before the function's time is up.
        give_up_after=seconds / 2 if seconds and re.match(r"https?:|cloud:", settings.to) else None,
    )
    if isinstance(sink, NdjsonFileSink | StdoutSink | ParquetFileSink):
        sink.abort()
        raise ConfigError(
            f"VPCFLOW_TO={settings.to}: each call would replace the file of the one before; give "
            "https://host:9200, or a folder (such as one of EFS) for a Parquet store"
        )
    return sink
