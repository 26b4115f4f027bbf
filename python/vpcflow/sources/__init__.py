"""Where flow logs come from."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.sources.base import Source, SourceOptions
    from vpcflow.sources.checkpoint import Checkpoint

__all__ = ["open_source"]

_SCHEME = re.compile(r"(s3|sqs|cloudwatch|[a-z][a-z0-9+.-]*(?=://)):", re.IGNORECASE)


def open_source(text: str, options: SourceOptions | None = None) -> Source:
    """The source that a text names.

    A file, a directory, a glob, ``-`` for standard input; ``s3://bucket/prefix``; ``sqs:`` and a queue's URL;
    ``cloudwatch:`` and a log group's name, the beginning of some names with ``*``, or an ARN.

    Raises:
        ConfigError: nothing is there, or it is no source that this version reads.
    """
    from vpcflow.sources.files import FileSource, StdinSource

    if text == "-":
        return StdinSource()
    if scheme := _SCHEME.match(text):
        name = scheme[1].lower()
        if name == "file":
            raise ConfigError(f"{text}: give the file's path without file://")
        openers = {"s3": _open_s3, "sqs": _open_sqs, "cloudwatch": _open_cloudwatch}
        if name not in openers:
            raise ConfigError(
                f"{name}:// is not a source; sources are files, directories, globs, - (standard input), "
                "s3://BUCKET/PREFIX, sqs:URL and cloudwatch:GROUP"
            )
        from vpcflow.sources.base import SourceOptions

        return openers[name](text, options or SourceOptions())
    return FileSource(text)


def _open_s3(text: str, options: SourceOptions) -> Source:
    from vpcflow.aws.session import client
    from vpcflow.sources.s3 import S3Source, parse_url

    bucket, prefix = parse_url(text)
    return S3Source(
        bucket,
        prefix,
        client=client("s3", options),
        checkpoint=_checkpoint(f"s3://{bucket}/{prefix}", options),
        follow=options.follow,
        interval=options.interval,
        since=options.since,
        until=options.until,
        accounts=options.accounts,
        regions=options.regions,
        max_tries=options.max_receives,
    )


def _open_sqs(text: str, options: SourceOptions) -> Source:
    from vpcflow.aws.session import client, session
    from vpcflow.sources.sqs import SqsSource, queue_region

    url = text.partition(":")[2]
    options = replace(options, region=options.region or queue_region(url))
    shared = session(options)
    return SqsSource(
        url,
        sqs=client("sqs", options, shared=shared),
        s3=client("s3", options, shared=shared),
        follow=options.follow,
        max_receives=options.max_receives,
    )


def _open_cloudwatch(text: str, options: SourceOptions) -> Source:
    from vpcflow.aws.session import client, session
    from vpcflow.sources.cloudwatch import CloudWatchSource, group_region

    name = text.partition(":")[2]
    options = replace(options, region=group_region(name) or options.region)
    shared = session(options)
    return CloudWatchSource(
        name,
        logs=client("logs", options, shared=shared),
        ec2=lambda: client("ec2", options, shared=shared),
        checkpoint=_checkpoint("cloudwatch", options),
        follow=options.follow,
        scan_frequency=options.interval,
        latency=options.latency,
        start_position=options.start_position,
        since=options.since,
        until=options.until,
        log_streams=options.log_streams,
        log_stream_prefix=options.log_stream_prefix,
        number_of_workers=options.number_of_workers,
        max_receives=options.max_receives,
        format=options.format,
    )


def _checkpoint(source: str, options: SourceOptions) -> Checkpoint:
    from vpcflow.sources.checkpoint import Checkpoint, checkpoint_path

    path = checkpoint_path(options.checkpoint, options.target)
    if re.match(r"-$|[a-z]{2,}:", options.target, re.IGNORECASE):
        return Checkpoint(path, source, options.target)
    # A folder of that name may be in many places; and what was in one that was removed is to be read again.
    target = Path(options.target).absolute()
    return Checkpoint(path, source, str(target), new=not target.exists())
