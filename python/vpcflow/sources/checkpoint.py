"""What was read already, so that a run that follows another one goes on where that stopped."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError, SourceError

__all__ = ["Checkpoint", "checkpoint_path", "default_path"]

_TABLES = """
CREATE TABLE IF NOT EXISTS source (id INTEGER PRIMARY KEY, name TEXT, target TEXT, UNIQUE (name, target));
CREATE TABLE IF NOT EXISTS value (
    source INTEGER, name TEXT, value TEXT, PRIMARY KEY (source, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (
    source INTEGER, folder TEXT, key TEXT, at REAL, PRIMARY KEY (source, folder, key)) WITHOUT ROWID;
"""
# Seconds for which a second process may hold the file.
_BUSY = 30.0
# Targets that are made anew by each run: what an earlier one read is not in them.
_ANEW = re.compile(r"-|.*\.(?:ndjson|jsonl|json)(?:\.gz|\.zst)?|.*\.parquet", re.IGNORECASE | re.DOTALL)


class Checkpoint:
    """What one source has delivered to one target, in an SQLite file that any number of sources share.

    Every call may come from any thread. What was written survives the end of the process, however it ends.

    Args:
        path: the file, made if it isn't there; None keeps all in memory, for this run only.
        source: name of the source: a bucket and prefix, a log group.
        target: name of the target. The same source is read again for another one.
        new: forget what is known of the two.

    Raises:
        ConfigError: the file can't be made there, or is something else.
    """

    def __init__(self, path: Path | None, source: str, target: str, *, new: bool = False) -> None:
        self._path = path
        self._lock = threading.RLock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            # Committed by hand, in `together`.
            self._db: sqlite3.Connection | None = sqlite3.connect(
                path or ":memory:", timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
            try:
                # The journal lets others read meanwhile. After a crash of the machine the last entries may be
                # missing: then their objects are read again.
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(_TABLES)
                self._db.execute(
                    "INSERT OR IGNORE INTO source (name, target) VALUES (?, ?)", (source, target)
                )
                self._id = self._db.execute(
                    "SELECT id FROM source WHERE name = ? AND target = ?", (source, target)
                ).fetchone()[0]
                if new:
                    for table in ("value", "done"):
                        self._db.execute(f"DELETE FROM {table} WHERE source = ?", (self._id,))  # noqa: S608
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise ConfigError(
                f"{path}: can't be used as a checkpoint: {said}; give another file with --checkpoint"
            ) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is there as a whole afterwards, or not at all."""
        with self._lock:
            if self._db is None or self._db.in_transaction:
                yield
                return
            self._execute(self._db, "BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._execute(self._db, "COMMIT")

    def get(self, name: str) -> Any:
        """The value of that name, None if there is none."""
        found = self._run("SELECT value FROM value WHERE source = ? AND name = ?", name)
        return json.loads(found[0][0]) if found else None

    def put(self, name: str, value: Any) -> None:
        """Keeps a value that JSON can hold; None removes it."""
        if value is None:
            self._run("DELETE FROM value WHERE source = ? AND name = ?", name)
        else:
            self._run("INSERT OR REPLACE INTO value VALUES (?, ?, ?)", name, json.dumps(value))

    def values(self, prefix: str) -> dict[str, Any]:
        """Every value whose name begins so, without that beginning in its name."""
        rows = self._run(
            "SELECT name, value FROM value WHERE source = ? AND substr(name, 1, ?) = ?", len(prefix), prefix
        )
        return {name[len(prefix) :]: json.loads(value) for name, value in rows}

    def add(self, folder: str, key: str, at: float) -> None:
        """Remembers that an object of a folder was read; `at` is its time."""
        self._run("INSERT OR REPLACE INTO done VALUES (?, ?, ?, ?)", folder, key, at)

    def done(self, folder: str) -> dict[str, float]:
        """The objects that are remembered, and their times."""
        return dict(self._run("SELECT key, at FROM done WHERE source = ? AND folder = ?", folder))

    def forget(self, folder: str, start: float, end: float) -> None:
        """Forgets the objects of a folder from the one time up to, but without, the other."""
        self._run(
            "DELETE FROM done WHERE source = ? AND folder = ? AND at >= ? AND at < ?", folder, start, end
        )

    def close(self) -> None:
        """Nothing is written after that."""
        with self._lock:
            db, self._db = self._db, None
            if db is not None:
                db.close()

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            if self._db is None:  # a thread that was not waited for: what it did comes again
                return []
            return self._execute(self._db, statement, self._id, *values)

    def _execute(self, db: sqlite3.Connection, statement: str, *values: Any) -> list[Any]:
        try:
            return db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise SourceError(
                f"{self._path}: the checkpoint can't be kept: {error}; make room there and run again"
            ) from error


def default_path() -> Path:
    """``$XDG_STATE_HOME/vpcflow/checkpoint.db``, by default in ``~/.local/state``."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "vpcflow" / "checkpoint.db"


def checkpoint_path(given: Path | None, target: str) -> Path | None:
    """The file to use for a target: the one given, or the default one.

    None for targets that each run makes anew (a file, standard output): they are to have everything that
    there is, not what came since the last run.

    Raises:
        ConfigError: one is given for a file. That is there when the run has ended, so what was read can't be
            remembered before.
    """
    if given is not None:
        if _ANEW.fullmatch(target) and target != "-":
            raise ConfigError(
                f"checkpoint={given}: {target} is made anew by each run and gets everything; a checkpoint is "
                "for a store, for Elasticsearch and for - (standard output)"
            )
        return given
    return None if not target or _ANEW.fullmatch(target) else default_path()
