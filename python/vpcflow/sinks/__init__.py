"""Where documents go."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.sinks.base import Sink
    from vpcflow.sinks.ndjson import Options

__all__ = ["DEFAULT_TARGET", "open_sink", "without_userinfo"]

DEFAULT_TARGET = "vpcflow-data"

_LINES = re.compile(r"\.(ndjson|jsonl|json)(\.gz|\.zst)?$", re.IGNORECASE)
_KNOWN = (
    "a folder (a Parquet store), .parquet, .ndjson, .jsonl or .json (also with .gz or .zst), -, "
    "https://host:9200 or cloud:CLOUD-ID"
)


def open_sink(
    target: str | os.PathLike[str],
    *,
    namespace: str = "default",
    ids: Literal["auto", "digest"] | None = None,
    redelivers: bool = False,
    preserve_original: bool = False,
    tags: Sequence[str] = (),
    ca: str | os.PathLike[str] | None = None,
    give_up_after: float | None = None,
) -> Sink:
    """The sink that a target names.

    Args:
        target: ``https://host:9200``, or ``cloud:`` and a Cloud ID, is Elasticsearch; a folder, or a name
            without suffix, is a Parquet store; ``.ndjson``, ``.jsonl`` or ``.json``, also with ``.gz`` or
            ``.zst``, and ``.parquet`` are files; ``-`` is standard output.
        namespace: of the data stream.
        ids: how Elasticsearch's document ids are made; None is ``auto``.
        redelivers: the sources may deliver an object again: makes ``digest`` the default of `ids`.
        preserve_original: keep each line in ``event.original``.
        tags: for ``tags``, besides vpcflow's own.
        ca: file with the certificates to trust for Elasticsearch; None is ``ELASTICSEARCH_CA``, else the
            system's.
        give_up_after: seconds that Elasticsearch may go without taking anything; None is its default.

    Raises:
        ConfigError: the target is none of these, or can't be written there.
    """
    text = os.fspath(target)
    if re.match(r"(?i:https?://)|cloud:", text):
        from vpcflow.sinks.elasticsearch import GIVE_UP_AFTER, ElasticsearchSink

        return ElasticsearchSink(
            text,
            namespace,
            ids or ("digest" if redelivers else "auto"),
            preserve_original=preserve_original,
            tags=tags,
            ca=ca,
            give_up_after=GIVE_UP_AFTER if give_up_after is None else give_up_after,
        )
    if "://" in text:
        raise ConfigError(f"{without_userinfo(text)}: is not a target; targets are {_KNOWN}")
    if ids is not None:
        raise ConfigError(f"ids={ids} is for Elasticsearch; {text} has no document ids")
    if give_up_after is not None:
        raise ConfigError(f"giving up after a while is for Elasticsearch; {text} is written at once")
    if ca is not None:
        raise ConfigError(f"a CA is for Elasticsearch at https://; {text} has no certificate to check")
    lines = _LINES.search(text)
    if text == "-" or (lines and not Path(text).is_dir()):
        from vpcflow.sinks.ndjson import NdjsonFileSink, StdoutSink

        options: Options = {"namespace": namespace, "preserve_original": preserve_original, "tags": tags}
        return StdoutSink(options) if text == "-" else NdjsonFileSink(text, options)
    if tags or namespace != "default":
        # The columns of Parquet are what the records say; a tag dropped in silence would be missed later.
        raise ConfigError(
            f"tags and namespace are for Elasticsearch and NDJSON; {text} is written as Parquet, without"
        )
    return _open_parquet(text, preserve_original=preserve_original)


def _open_parquet(text: str, *, preserve_original: bool) -> Sink:
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix and not path.is_dir() and not text.endswith(("/", os.sep)):
        if suffix != ".parquet":
            raise ConfigError(
                f"{text}: {path.suffix} is no known suffix of a target; targets are {_KNOWN}; "
                "end a folder's name with / if it has a dot"
            )
        from vpcflow.sinks.parquet import ParquetFileSink

        return ParquetFileSink(path, preserve_original=preserve_original)
    from vpcflow.sinks.store import StoreSink

    return StoreSink(path, preserve_original=preserve_original)


def without_userinfo(url: str) -> str:
    """A URL as messages may show it: without the user's name and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/]*@", "//", url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
