"""From sources to a sink: what `vpcflow index` does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from vpcflow._core import Direction
from vpcflow.deadletter import DEFAULT_DEAD_LETTER, DeadLetters
from vpcflow.engine import Engine, Failure, LineError, Settings, target_error
from vpcflow.enrich import enrichment
from vpcflow.errors import ConfigError
from vpcflow.formats import to_format
from vpcflow.sinks import DEFAULT_TARGET, open_sink, without_userinfo
from vpcflow.sources import open_source
from vpcflow.sources.base import SourceOptions
from vpcflow.sources.files import FileSource, StdinSource

if TYPE_CHECKING:
    from vpcflow._core import Format
    from vpcflow.enrich import AnyEnricher
    from vpcflow.sinks.base import Sink
    from vpcflow.sources.base import Source

    Sources = str | os.PathLike[str] | Source | Iterable[str | os.PathLike[str] | Source]

__all__ = ["Failure", "IndexResult", "LineError", "Progress", "index"]

# Seconds that a run which was told to end has for what it is reading.
_GRACE = 8.0

_ON_ERROR: dict[str, Literal["index", "skip", "raise"]] = {
    "index": "index",
    "dead-letter": "skip",
    "fail": "raise",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        files: items that are done.
        lines: lines read.
        documents: documents written.
        failed: lines that could not be read.
        refused: documents that the target refused.
        nbytes: bytes read, as stored.
        total: bytes of all items, as stored; None where that isn't known.
        seconds: since the start.
        in_flight: batches between source and target.
        lag: seconds that the last object or event was old when its records were stored; None where none says.
    """

    files: int
    lines: int
    documents: int
    failed: int
    refused: int
    nbytes: int
    total: int | None
    seconds: float
    in_flight: int
    lag: float | None


@dataclass(frozen=True, slots=True)
class IndexResult:
    """What a run did.

    Attributes:
        target: the target's name.
        files: items read, those that failed included.
        lines: lines that were records or should have been.
        documents: documents that the target took.
        failed: lines that could not be read; with ``on_error="index"`` each is a ``pipeline_error`` document.
        refused: documents that the target refused; they are in the dead-letter file.
        nbytes: bytes read, as stored (compressed).
        text_nbytes: bytes of text that this was.
        written_nbytes: bytes written, where the target counts them.
        seconds: how long it took.
        failures: items that could not be read to their end.
        errors: the first ten lines that could not be read.
        dead_letter: the dead-letter file, if something was written to it.
        notes: what the target has to say about its set-up.
    """

    target: str
    files: int
    lines: int
    documents: int
    failed: int
    refused: int
    nbytes: int
    text_nbytes: int
    written_nbytes: int
    seconds: float
    failures: tuple[Failure, ...]
    errors: tuple[LineError, ...]
    dead_letter: Path | None
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every line of every item is a document now."""
        return not (self.failed or self.refused or self.failures)


def index(
    sources: Sources,
    *,
    to: str | os.PathLike[str] | Sink = DEFAULT_TARGET,
    format: Format | str | None = None,
    namespace: str = "default",
    on_error: Literal["index", "dead-letter", "fail"] = "index",
    ids: Literal["auto", "digest"] | None = None,
    preserve_original: bool = False,
    tags: Sequence[str] = (),
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    dead_letter: str | os.PathLike[str] = DEFAULT_DEAD_LETTER,
    ca: str | os.PathLike[str] | None = None,
    give_up_after: float | None = None,
    enrich: Sequence[AnyEnricher] = (),
    direction: Direction | None = None,
    source_options: SourceOptions | None = None,
    stop: threading.Event | None = None,
) -> IndexResult:
    """Reads flow logs and writes them to a target.

    An item that can't be read to its end keeps what came before, stands in the result's `failures`, and the
    others go on. Indexing the same file into a Parquet store again replaces what the store had of it.

    Args:
        sources: files, directories, glob patterns, ``-`` (standard input), ``s3://bucket/prefix``,
            ``sqs:URL``, ``cloudwatch:GROUP``, one or several; or sources of your own.
        to: a folder (Parquet store), ``.parquet``, ``.ndjson``/``.jsonl``/``.json`` also with ``.gz`` or
            ``.zst``, ``-`` (standard output), ``https://host:9200`` or ``cloud:`` and a Cloud ID
            (Elasticsearch); or a sink of your own.
        format: layout of lines that don't say it: a Format, AWS's log-format string, or a name such as
            ``v5``.
        namespace: of the data stream ``logs-aws.vpcflow-<namespace>``. Not for Parquet.
        on_error: what becomes of unreadable lines: ``index`` (a document that says what is wrong),
            ``dead-letter`` (the dead-letter file), ``fail`` (the run stops at the first; an unreadable file
            stops it too).
        ids: how Elasticsearch's document ids are made: ``digest`` indexes the same records once however often
            they are read, ``auto`` is faster. None is ``digest`` for sources that may deliver an object
            again, S3, SQS and CloudWatch Logs, and for runs that follow; else ``auto``.
        preserve_original: keep each line in ``event.original``.
        tags: for ``tags``, besides vpcflow's own. Not for Parquet.
        workers: threads that parse; None is one a processor core.
        progress: called from this thread about ten times a second.
        dead_letter: file to which unreadable lines (with ``on_error="dead-letter"``) and refused documents
            are appended.
        ca: file with the certificates to trust for Elasticsearch; None is ``ELASTICSEARCH_CA``, else the
            system's.
        give_up_after: seconds that Elasticsearch may go without taking anything before that is an error; None
            is 300. What was not stored by then is not acknowledged: running again finishes it.
        enrich: what adds to the records: `Geo`, or enrichers of your own. Where two say the same field, the
            first goes before; what the log says goes before both.
        direction: finds ``network.direction`` where it isn't logged; None learns from this run alone.
        source_options: what else sources are to know: which days, which account, whether to follow.
        stop: ends the run in good order once it is set: what is being read is stored, if that takes no more
            than eight seconds; the rest is not acknowledged and comes again.

    Raises:
        ConfigError: a source or the target can't work as given; nothing was read or written.
        FormatError: `format` is not a format.
        ParseError, DecodeError, OSError: with ``on_error="fail"``, the first thing that can't be read.
        SinkError: the target (or the dead-letter file) doesn't take what it is given: a full disk, a lost
            server.
        BrokenPipeError: the reader of standard output has gone.
    """
    if on_error not in _ON_ERROR:
        raise ConfigError(f"on_error={on_error}: must be index, dead-letter or fail")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers}: must be 1 or more")
    added = enrichment(enrich)
    source_options = source_options or SourceOptions()
    settings = Settings(
        to_format(format),
        _ON_ERROR[on_error],
        workers or _cores(),
        _direction(direction, enrich),
        follow=source_options.follow,
        enrichment=added,
    )
    if not source_options.target:
        name = without_userinfo(os.fspath(to)) if isinstance(to, str | os.PathLike) else to.name
        source_options = replace(source_options, target=name)
    source_options = replace(source_options, format=settings.format)
    opened = _open_sources(sources, source_options)
    sink = (
        open_sink(
            to,
            namespace=namespace,
            ids=ids,
            redelivers=source_options.follow or not all(map(_is_local, opened)),
            preserve_original=preserve_original,
            tags=tags,
            ca=ca,
            give_up_after=give_up_after,
        )
        if isinstance(to, str | os.PathLike)
        else to
    )
    letters = DeadLetters(dead_letter)
    engine = Engine(opened, sink, letters, settings)
    started = time.monotonic()
    total = _Total(opened) if progress is not None else None
    ending = _Ending(stop, engine)

    def tick() -> None:
        ending.look()
        if progress is not None and total is not None:
            counts = engine.counts
            progress(
                Progress(
                    files=counts.files,
                    lines=counts.lines,
                    documents=counts.documents,
                    failed=counts.failed,
                    refused=counts.refused,
                    nbytes=counts.read,
                    total=total.nbytes,
                    seconds=time.monotonic() - started,
                    in_flight=engine.in_flight,
                    lag=counts.lag,
                )
            )

    try:
        engine.run(tick)
        if ending.abandoned or (engine.failures and not engine.counts.documents):
            sink.abort()  # a target without a single document would only take the place of an older one
        else:
            _close(sink)
        tick()
        letters.close()  # each item's entries are on the disk already
    except BaseException:
        with suppress(OSError):  # that it can't be written may be what it is about
            letters.close()
        sink.abort()
        raise
    counts = engine.counts
    return IndexResult(
        target=sink.name,
        files=counts.files,
        lines=counts.lines,
        documents=counts.documents,
        failed=counts.failed,
        refused=counts.refused,
        nbytes=counts.read,
        text_nbytes=counts.text,
        written_nbytes=counts.written,
        seconds=time.monotonic() - started,
        failures=tuple(engine.failures),
        errors=tuple(engine.errors),
        dead_letter=letters.path if letters.count else None,
        notes=_notes(*opened, sink, added, *enrich),
    )


def _direction(direction: Direction | None, enrich: Sequence[AnyEnricher]) -> Direction:
    """What finds the directions, told of the addresses that enrichers know interfaces to have."""
    direction = direction or Direction()
    for each in enrich:
        if addresses := getattr(each, "addresses", None):
            direction.tell(addresses)
    return direction


def _notes(*parts: object) -> tuple[str, ...]:
    """What parts of a run have to say at its end, each once."""
    return tuple(dict.fromkeys(note for part in parts for note in getattr(part, "notes", ())))


def _open_sources(sources: Sources, options: SourceOptions) -> list[Source]:
    many: Iterable[str | os.PathLike[str] | Source]
    if isinstance(sources, str | os.PathLike):
        many = [sources]
    else:
        many = [cast("Source", sources)] if hasattr(sources, "items") else cast("Iterable[Source]", sources)
    opened: list[Source] = [
        open_source(os.fspath(source), options) if isinstance(source, str | os.PathLike) else source
        for source in many
    ]
    if not opened:
        raise ConfigError("no source given: name a file, a directory, a glob or - (standard input)")
    if options.follow and all(map(_is_local, opened)):
        raise ConfigError("follow is for s3://, sqs: and cloudwatch: sources; files are read once")
    return opened


def _is_local(source: Source) -> bool:
    return isinstance(source, FileSource | StdinSource)


def _close(sink: Sink) -> None:
    try:
        sink.close()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise target_error(sink.name, error) from error


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


class _Ending:
    """Ends a run in good order when it is told to, and in any case soon."""

    def __init__(self, stop: threading.Event | None, engine: Engine) -> None:
        self.abandoned = False
        self._stop = stop
        self._engine = engine
        self._deadline: float | None = None

    def look(self) -> None:
        if self._stop is None or not self._stop.is_set():
            return
        if self._deadline is None:
            self._deadline = time.monotonic() + _GRACE
            self._engine.finish()
        elif time.monotonic() > self._deadline and not self.abandoned:
            self.abandoned = True
            self._engine.abandon()


class _Total:
    """Adds up the sizes of the items beside the run: a million files aren't counted in a moment."""

    def __init__(self, sources: list[Source]) -> None:
        self.nbytes: int | None = None
        sized = [size for source in sources if (size := getattr(source, "size", None)) is not None]
        if len(sized) == len(sources):
            threading.Thread(target=self._add, args=(sized,), name="vpcflow-total", daemon=True).start()

    def _add(self, sized: list[Callable[[], int]]) -> None:
        self.nbytes = sum(size() for size in sized)
