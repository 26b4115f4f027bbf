"""Where flow logs come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.sources.base import Source

__all__ = ["open_source"]

_SCHEME = re.compile(r"(s3|sqs|cloudwatch|[a-z][a-z0-9+.-]*(?=://)):", re.IGNORECASE)


def open_source(text: str) -> Source:
    """The source that a text names: a file, a directory, a glob, or ``-`` for standard input.

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
        if name in {"s3", "sqs", "cloudwatch"}:
            raise ConfigError(
                f"{name}: is not a source in this version yet; copy the files here, give their path"
            )
        raise ConfigError(
            f"{name}:// is not a source; sources are files, directories, globs and - (standard input)"
        )
    return FileSource(text)
