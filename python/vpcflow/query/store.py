"""SQL over a Parquet store."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vpcflow import _core
from vpcflow.errors import ConfigError
from vpcflow.query.quoted import identifier, literal
from vpcflow.sinks import DEFAULT_TARGET

if TYPE_CHECKING:
    import duckdb

    from vpcflow.query.model import Period

__all__ = ["Selection", "beside_writers", "connect", "files_of", "open_store", "paths_of", "selection"]

T = TypeVar("T")

#: So often a store is asked that is written to meanwhile; and after an error that may be the statement's own.
_TRIES, _AGAIN = 50, 5
#: Seconds by which the times of files may differ from the clock.
_CLOCK = 1.0

# An address as 32 digits, IPv4 as IPv6 has it: what sorts and compares as addresses do. What stands for ::
# is as many groups as are missing. TRY_CAST: DuckDB 2.0.0 works ELSE out for constants with a colon, too.
_IP_HEX = """
CREATE MACRO ip_hex(ip) AS CASE
  WHEN contains(ip, ':') THEN array_to_string(list_transform(
    list_concat(
      list_filter(string_split(split_part(ip, '::', 1), ':'), lambda g: g <> ''),
      list_transform(range(8 - len(list_filter(string_split(ip, ':'), lambda g: g <> ''))), lambda n: '0'),
      list_filter(string_split(split_part(ip, '::', 2), ':'), lambda g: g <> '')),
    lambda g: lpad(lower(g), 4, '0')), '')
  ELSE '00000000000000000000ffff' || array_to_string(
    list_transform(string_split(ip, '.'), lambda g: printf('%02x', TRY_CAST(g AS INTEGER))), '')
END
"""

_QUOTED = re.compile(r'"(?:[^"]|"")*"')

#: Files of a day; those of a name with a dot are being written.
_PARTS = "[!.]*.parquet"

# What a column is that no file has, by its Elasticsearch type; the others are text.
_TYPES = {"date": "TIMESTAMP WITH TIME ZONE", "double": "DOUBLE", "long": "BIGINT"}


def connect(
    store: str | os.PathLike[str] = DEFAULT_TARGET, *, writable: Iterable[str | os.PathLike[str]] = ()
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in which the view ``flows`` is the store.

    The view has every column of the Parquet form under its dotted ECS name (quote it: ``"source.ip"``),
    whether the files store it, leave it out because it follows from others, or never had it; and ``date``,
    the day in UTC, by which the files are divided: a condition on it spares the reading of other days. Times
    are in UTC.

    The connection reads the store and nothing else: no other file, no network, no extensions.

    Args:
        store: folder of the store.
        writable: files besides the store that statements may write.

    Raises:
        ConfigError: there is no store, or nothing in it.
    """
    import duckdb

    connection = open_store(store, writable=writable)
    try:
        select = selection(connection, files_of(connection)).select()
        beside_writers(connection, lambda: connection.execute(f"CREATE VIEW flows AS {select}"))
    except duckdb.Error as error:
        connection.close()
        raise _unreadable(error) from error
    except ConfigError:
        connection.close()
        raise
    return connection


def open_store(
    store: str | os.PathLike[str], *, writable: Iterable[str | os.PathLike[str]] = ()
) -> duckdb.DuckDBPyConnection:
    """The same without the view, which costs the opening of every file: for `selection`."""
    import duckdb

    root = Path(store)
    if not root.is_dir():
        raise ConfigError(f"{root}: no store is there; make one with: vpcflow index SOURCE --to {root}")
    if next(root.glob("date=*/[!.]*.parquet"), None) is None:
        raise ConfigError(
            f"{root}: nothing is in this store yet; fill it with: vpcflow index SOURCE --to {root}"
        )
    # None of these extensions is needed, and fetching one would be a surprise on the network.
    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    )
    try:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        # A statement opens each file twice, for its columns and for its rows.
        connection.execute("SET GLOBAL parquet_metadata_cache = true")
        connection.execute(f"SET temp_directory = {literal(Path(tempfile.gettempdir()) / 'vpcflow-duckdb')}")
        # The pattern is checked like a path, before it is expanded.
        folders = [f"{root.resolve()}/", f"{_escape_glob(str(root.resolve()))}/"]
        connection.execute(f"SET allowed_directories = [{', '.join(map(literal, folders))}]")
        connection.execute(
            f"SET allowed_paths = [{', '.join(literal(Path(p).absolute()) for p in writable)}]"
        )
        connection.execute("SET enable_external_access = false")
        connection.execute(f"CREATE MACRO vpcflow_store() AS {literal(root.resolve())}")
        connection.execute(_IP_HEX)
    except duckdb.Error as error:
        connection.close()
        raise _unreadable(error) from error
    return connection


def files_of(connection: duckdb.DuckDBPyConnection, period: Period | None = None) -> str:
    """The files that have all flows of a period, in SQL; those of other days are not opened.

    Args:
        connection: of `connect` or `open_store`.
        period: by ``@timestamp``; None is all flows.
    """
    patterns = ", ".join(map(literal, _patterns(_root(connection), period)))
    return f"read_parquet([{patterns}], union_by_name = true, hive_partitioning = true)"


def paths_of(connection: duckdb.DuckDBPyConnection, period: Period) -> list[str]:
    """The same files, one by one."""
    root = _root(connection)
    return [str(path) for day in _days(root, period) for path in sorted((root / day).glob(_PARTS))]


@dataclass(frozen=True, slots=True)
class Selection:
    """The flows of some files.

    Attributes:
        files: in SQL.
        columns: what each is, made of what the files store; by name.
        stored: what each that a column can be made of is in the files, or in their place.
        there: the columns that a flow can have a value of.
    """

    files: str
    columns: dict[str, str]
    stored: dict[str, str]
    there: frozenset[str]

    def column(self, name: str) -> str | None:
        """The column of the files that one is; None if it is made of others, or there is none."""
        stored = {sql: column for column, sql in self.stored.items() if sql == identifier(column)}
        return stored.get(self.columns.get(name, ""))

    def select(self, names: Container[str] | None = None) -> str:
        """The columns of these names, as far as there are such, or all. Each costs, be it used or not."""
        columns = {name: sql for name, sql in self.columns.items() if names is None or name in names}
        needed = {quoted for sql in columns.values() for quoted in _QUOTED.findall(sql)}
        inner = ", ".join(sql for name, sql in self.stored.items() if identifier(name) in needed)
        outer = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in columns.items())
        return f"SELECT {outer} FROM (SELECT {inner} FROM {self.files})"  # noqa: S608 - names only


def selection(connection: duckdb.DuckDBPyConnection, files: str) -> Selection:
    """The flows of files.

    Raises:
        ConfigError: a file can't be read.
    """
    import duckdb

    try:
        described = beside_writers(
            connection,
            lambda: connection.cursor().execute(f"DESCRIBE SELECT * FROM {files}").fetchall(),  # noqa: S608
        )
    except duckdb.Error as error:
        raise _unreadable(error) from error
    return _select(files, [str(row[0]) for row in described])


def _unreadable(error: Exception) -> ConfigError:
    return ConfigError(f"the store can't be read: {str(error).splitlines()[0]}")


def beside_writers(connection: duckdb.DuckDBPyConnection, ask: Callable[[], T]) -> T:
    """What `ask` gives, which reads the store; asked again when a file was replaced or removed meanwhile.

    DuckDB opens a file once for what is in it and once more for the rows. An object that is indexed again
    between the two leaves other rows there, or none, and DuckDB an error that is not the user's.
    """
    import duckdb

    for tried in range(1, _TRIES + 1):
        begun = time.time()
        try:
            return ask()
        except (duckdb.InterruptException, duckdb.ProgrammingError):
            raise  # Ctrl-C, or the statement's own
        except duckdb.Error as error:
            # What can't be converted is a value in the statement, or no value, but bytes of another file.
            most = _AGAIN if isinstance(error, duckdb.DataError) else _TRIES
            folders = _root(connection).glob("date=*")
            written = max((folder.stat().st_mtime for folder in folders), default=0.0)
            if tried >= most or written < begun - _CLOCK:
                raise
    raise AssertionError


def _root(connection: duckdb.DuckDBPyConnection) -> Path:
    ((root,),) = connection.cursor().execute("SELECT vpcflow_store()").fetchall()
    return Path(root)


def _patterns(root: Path, period: Period | None) -> list[str]:
    """What the files are called. DuckDB opens each for its columns, before it knows which days are wanted."""
    every = _escape_glob(str(root))
    if period is None:
        return [f"{every}/date=*/{_PARTS}"]
    return [f"{every}/{day}/{_PARTS}" for day in _days(root, period)]


def _days(root: Path, period: Period) -> list[str]:
    """The folders of the days of a period."""
    first, last = (
        f"date={moment.astimezone(UTC).date()}"
        for moment in (period.start, period.end - timedelta(microseconds=1))
    )
    days = sorted(day.name for day in root.glob("date=*") if next(day.glob(_PARTS), None))
    # Of a period without a file something has to be there still, for its columns.
    return [day for day in days if first <= day <= last] or days[-1:]


def _select(files: str, stored: list[str]) -> Selection:
    columns: dict[str, str] = {}
    # By name: what a file brings that is written later would be there twice with a star.
    inner = {name: identifier(name) for name in stored}
    for name, kind, sql in _core.columns():
        columns[name] = identifier(name)
        if sql is not None:
            # A file may hold it after all, when something other than the records gave it.
            columns[name] = f"coalesce({identifier(name)}, {sql})" if name in stored else sql
        elif name not in stored:
            inner[name] = f"CAST(NULL AS {_TYPES.get(kind, 'VARCHAR')}) AS {identifier(name)}"
    columns |= {name: identifier(name) for name in stored if name not in columns}
    never = inner.keys() - stored
    there = frozenset(name for name, sql in columns.items() if sql != identifier(name) or name not in never)
    return Selection(files, columns, inner, there)


def _escape_glob(path: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)
