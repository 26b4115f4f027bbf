"""`vpcflow index`: flow logs in, ECS documents out."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from vpcflow.cli.direction import direction_options, to_direction
from vpcflow.cli.enrichment import enrichers, enrichment_options
from vpcflow.cli.options import GroupedCommand, ca_option, format_option
from vpcflow.cli.service import (
    config_option,
    gather,
    observed,
    service_options,
    source_options,
    stop_on_signals,
)
from vpcflow.cli.types import DURATION
from vpcflow.deadletter import DEFAULT_DEAD_LETTER
from vpcflow.sinks import DEFAULT_TARGET

if TYPE_CHECKING:
    from vpcflow._core import Format
    from vpcflow.pipeline import IndexResult

__all__ = ["index"]

_SHOWN = 5


@click.command(cls=GroupedCommand, short_help="Read flow logs and write ECS documents.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--to",
    "target",
    metavar="TARGET",
    default=DEFAULT_TARGET,
    show_default=True,
    help="Where the documents go.",
)
@format_option(
    "Layout of lines without a header: AWS's log-format string, such as '${version} ${account-id} …', "
    "or default, v2 … v11, transit-gateway."
)
@click.option(
    "--on-error",
    type=click.Choice(["index", "dead-letter", "fail"]),
    default="index",
    show_default=True,
    help="What becomes of unreadable lines: a document that says what is wrong, a line in the dead-letter "
    "file, or the end of the run.",
)
@click.option(
    "--dead-letter",
    metavar="FILE",
    default=DEFAULT_DEAD_LETTER,
    show_default=True,
    help="NDJSON file to which unreadable lines and refused documents are appended, with the reason.",
)
@click.option("--preserve-original", is_flag=True, help="Keep each line in event.original.")
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Add to the documents' tags. Can be repeated."
)
@click.option(
    "--namespace", default="default", show_default=True, help="Of the data stream logs-aws.vpcflow-NAMESPACE."
)
@click.option(
    "--ids",
    type=click.Choice(["auto", "digest"]),
    help="Elasticsearch: make document ids from the records (digest), so that indexing them again adds "
    "nothing, or let the server make them (auto), which is faster.",
)
@click.option(
    "--give-up-after",
    type=DURATION,
    metavar="DURATION",
    help="Elasticsearch: how long it may be away or too busy before the run ends, such as 90s or 1h; what is "
    "not stored by then is left to the next run. [default: 5m]",
)
@ca_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads that parse. [default: one a processor core]",
)
@enrichment_options
@direction_options
@source_options
@service_options
@config_option
@click.option("--quiet", "-q", is_flag=True, help="Show neither progress nor summary, only what went wrong.")
def index(
    *,
    sources: tuple[str, ...],
    target: str,
    layout: Format | None,
    on_error: Literal["index", "dead-letter", "fail"],
    dead_letter: str,
    preserve_original: bool,
    tags: tuple[str, ...],
    namespace: str,
    ids: Literal["auto", "digest"] | None,
    give_up_after: float | None,
    ca: str | None,
    workers: int | None,
    direction: Literal["interface", "perimeter"],
    internal_networks: tuple[str, ...] | None,
    health_file: str | None,
    metrics: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Read flow logs and write ECS documents.

    SOURCE is a file, a directory (with everything below it), a glob pattern, - for standard input,
    s3://BUCKET/PREFIX, sqs:QUEUE-URL, or cloudwatch:GROUP (also cloudwatch:PREFIX*, or an ARN). Text, gzip,
    zstd and Parquet are told apart by content. The layout comes from the header line, from Parquet's
    column names, or from AWS's own layouts; where none of them says it, give --format.

    TARGET is a folder (a Parquet store, which `vpcflow query` reads), a file ending in .parquet, or in
    .ndjson, .jsonl or .json, also with .gz or .zst; - for standard output; or Elasticsearch:
    https://host:9200, or cloud: and the Cloud ID of a deployment, with ELASTICSEARCH_API_KEY, or
    ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD, in the environment.

    \b
    Examples:
      vpcflow index logs/                                    into the store ./vpcflow-data
      vpcflow index 'logs/**/*.log.gz' --to flows.ndjson.zst
      zcat day.gz | vpcflow index - --format v5 --to - | head -1
      vpcflow index logs/ --to https://host:9200 --ids digest
      vpcflow index logs/ --geo city.mmdb --geo asn.mmdb
      vpcflow index s3://my-bucket/AWSLogs/ --since 3d
      vpcflow index --config vpcflow.toml --follow

    Running it again over the same files is safe: the store has each of them once, and a file is replaced.
    Exit code: 0 when everything was read, 1 when some records or files failed, 2 when it can't work as given,
    130 when interrupted.
    """  # noqa: D301 - click's mark for lines that stay as they are
    from vpcflow.cli.progress import show_progress
    from vpcflow.pipeline import index as run

    with ExitStack() as stack:
        told = gather(options)
        enrich = enrichers(options, sources=sources, accounts=told.accounts, quiet=quiet)
        signal.signal(signal.SIGTERM, _terminate)
        stop = stack.enter_context(stop_on_signals()) if told.follow else None
        progress = stack.enter_context(show_progress(quiet=quiet))
        progress = stack.enter_context(observed(progress, health_file, metrics))
        result = run(
            sources,
            to=target,
            format=layout,
            namespace=namespace,
            on_error=on_error,
            ids=ids,
            preserve_original=preserve_original,
            tags=tags,
            workers=workers,
            progress=progress,
            dead_letter=dead_letter,
            give_up_after=give_up_after,
            ca=ca,
            enrich=enrich,
            direction=to_direction(direction, internal_networks),
            source_options=told,
            stop=stop,
        )
    if not quiet:
        _summary(result)
    _problems(result)
    sys.exit(0 if result.ok else 1)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    # As an exception, so that temporary files are removed on the way out.
    sys.exit(128 + number)


def _summary(result: IndexResult) -> None:
    from vpcflow.cli.output import printable, size

    seconds = max(result.seconds, 1e-6)
    written = f", {size(result.written_nbytes)} written" if result.written_nbytes else ""
    rate = f"{result.lines / seconds:,.0f} lines/s, {size(result.text_nbytes / seconds)}/s, {seconds:.2f} s"
    # Without rich: its import would be a fifth of what a small file takes.
    for name, value in (
        ("files", f"{result.files:,}"),
        ("lines", f"{result.lines:,}"),
        ("documents", f"{result.documents:,}"),
        ("failures", _failures(result)),
        ("bytes", f"{size(result.nbytes)} read ({size(result.text_nbytes)} of text){written}"),
        ("rate", rate),
        ("target", printable(result.target)),
    ):
        click.echo(f"{name:<11}{value}", err=True)


def _failures(result: IndexResult) -> str:
    from vpcflow.cli.output import count

    kinds = (
        (result.failed, "unreadable line"),
        (result.refused, "refused document"),
        (len(result.failures), "file"),
    )
    return ", ".join(count(number, noun) for number, noun in kinds if number) or "0"


def _problems(result: IndexResult) -> None:
    from vpcflow.cli.output import count, printable

    def say(text: str) -> None:
        click.echo(printable(text), err=True)

    for note in result.notes:
        say(f"Note: {note}")
    if not result.files:
        say("Note: there was no file to read")
    for failure in result.failures[:_SHOWN]:
        say(f"Error: {failure}")
    if (more := len(result.failures) - _SHOWN) > 0:
        say(f"… and {count(more, 'more file')} that could not be read to the end")
    for error in result.errors[:_SHOWN]:
        say(f"Unreadable: {error}")
    if (more := result.failed - _SHOWN) > 0:
        say(f"… and {count(more, 'more unreadable line')}")
    if result.refused:
        say(f"Refused: {count(result.refused, 'document')} by {result.target}")
    if result.dead_letter is not None:
        say(f"What failed, and why, was added to {result.dead_letter}")
