"""Files, directories, globs and standard input."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from vpcflow._core import Origin
from vpcflow.errors import ConfigError
from vpcflow.sources.base import Item, Source
from vpcflow.sources.keys import parse_key

__all__ = ["FileSource", "StdinSource"]

# What editors and downloads leave half-made.
_TEMPORARY = ("*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.crdownload", "*.swp")
# A part of a store that vpcflow wrote: reading it back as a log would never end.
_STORE_FOLDER = re.compile(r"date=\d{4}-\d\d-\d\d")
_STORE_PART = re.compile(r"[0-9a-f]{8,}-\d+\.parquet")


class FileSource(Source):
    """A file, a directory with everything below it, or a glob pattern.

    A directory is read in the order of the names. Left out in it are hidden and temporary files, links to
    directories, and the parts of vpcflow's own stores; a file that is named itself is always read.

    Raises:
        ConfigError: there is nothing of that name.
    """

    def __init__(self, text: str | os.PathLike[str]) -> None:
        self._text = os.fspath(text)
        self._roots = _roots(self._text)

    def items(self) -> Iterator[Item]:
        for path in self._paths():
            yield _item(path)

    def acknowledge(self, item: Item) -> None:
        """Files stay where they are."""

    def size(self) -> int:
        """Bytes of all the files, for progress bars."""
        return sum(_size(path) or 0 for path in self._paths())

    def _paths(self) -> Iterator[Path]:
        for root in self._roots:
            if root.is_dir():
                yield from _walk(root)
            else:
                yield root


class StdinSource(Source):
    """Standard input, as one item.

    What is piped in has no name by which it could be known again: piped in twice, it is stored twice.

    Raises:
        ConfigError: it is closed.
    """

    def __init__(self) -> None:
        try:
            # Without Python's buffer: a thread that waits in it would be in the way of an interrupt.
            self._stream = cast("BinaryIO", open(0, "rb", buffering=0, closefd=False))  # noqa: SIM115
        except OSError as error:
            raise ConfigError(f"standard input can't be read: {error.strerror}") from error

    def items(self) -> Iterator[Item]:
        yield Item(
            name="stdin",
            identity=f"stdin:{uuid.uuid4()}",
            data=self._stream,
            size=None,
            origin=Origin(),
        )

    def acknowledge(self, item: Item) -> None:
        """What is read from a pipe is gone already."""


def _roots(text: str) -> list[Path]:
    path = Path(text)
    if path.exists():
        return [path]
    if path.is_symlink():
        raise ConfigError(f"{text}: is a link to {path.readlink()}, which doesn't exist")
    if glob.has_magic(text):
        # The shell leaves a pattern alone when it is quoted, or when there is no shell.
        found = sorted(glob.iglob(text, recursive=True))  # noqa: PTH207 - Path.glob wants no absolute pattern
        if not found:
            raise ConfigError(f"{text}: no file matches this pattern")
        # `**` finds a directory and what is in it: the directory alone would bring everything twice.
        directories = {name for name in found if Path(name).is_dir()}
        return [Path(name) for name in found if "**" not in text or name not in directories]
    raise ConfigError(f"{text}: no such file or directory")


def _walk(root: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        yield root  # opening it will say why it can't be read
        return
    store = _STORE_FOLDER.fullmatch(root.name) is not None
    for entry in entries:
        path = root / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif _is_log(path) and not (store and _STORE_PART.fullmatch(entry.name)):
            yield path


def _is_log(path: Path) -> bool:
    """Files, and links that lead nowhere: those are reported rather than passed over."""
    if any(fnmatch.fnmatch(path.name, pattern) for pattern in _TEMPORARY):
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _item(path: Path) -> Item:
    absolute = _text(os.path.abspath(path))  # noqa: PTH100 - Path.absolute would keep `..`
    key = parse_key(absolute)
    try:
        info = path.stat()
    except OSError:
        info = None
    return Item(
        name=_text(path),
        identity=_text(path.resolve()),
        data=path,
        size=info.st_size if info and stat.S_ISREG(info.st_mode) else None,
        origin=Origin(
            path=absolute,
            modified=info.st_mtime if info else None,
            region=key.region if key else None,
        ),
    )


def _text(path: str | Path) -> str:
    """A path as text that can be stored and printed, whatever bytes are in it."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
