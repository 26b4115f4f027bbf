"""The result of a SQL statement, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vpcflow.errors import QueryError
from vpcflow.query.quoted import identifier, literal
from vpcflow.query.store import beside_writers

if TYPE_CHECKING:
    import os

    import duckdb

__all__ = ["QueryError", "Rows", "copy_parquet", "fetch", "insert_stream", "run", "write_parquet"]

_FETCH = 10_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns and rows of a result.

    Attributes:
        columns: the names; two of the same name get a number.
        numeric: for each column whether it holds numbers.
        rows: the rows, fetched as the iteration goes on; times with a zone are ISO 8601 text in UTC.
    """

    columns: list[str]
    numeric: list[bool]
    rows: Iterator[tuple[Any, ...]]


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """Runs the statements of `sql` and returns the rows of the last.

    Raises:
        QueryError: DuckDB doesn't take it, or it is empty.
    """
    with _told():
        last = _run_but_last(connection, sql)
        selected = beside_writers(connection, lambda: _describe(connection, last))
        result = beside_writers(connection, lambda: connection.execute(_with_text_times(selected, last)))
        described = result.description or []
        columns = _unique([str(column[0]) for column in (selected or described)])
        numeric = [_is_number(str(column[1])) for column in described]
        return Rows(columns, numeric, _fetch(result))


def fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of one statement, none of whose columns is a time with a zone. Threads can ask at once.

    Raises:
        QueryError: DuckDB doesn't take it.
    """
    with _told():
        return beside_writers(connection, lambda: connection.cursor().execute(sql).fetchall())


def insert_stream(connection: duckdb.DuckDBPyConnection, table: str, stream: object) -> None:
    """Puts the rows of an Arrow stream into a table. Threads can do so at once.

    Raises:
        QueryError: the stream fails, or has other columns.
    """
    with _told():
        cursor = connection.cursor()
        cursor.register("stream", stream)
        cursor.execute(f"INSERT INTO {table} SELECT * FROM stream")  # noqa: S608 - a name


def copy_parquet(connection: duckdb.DuckDBPyConnection, sql: str, path: str | os.PathLike[str]) -> None:
    """Runs the statements of `sql` and writes the rows of the last into a Parquet file."""
    with _told():
        last = _run_but_last(connection, sql)
        beside_writers(
            connection,
            lambda: connection.execute(
                f"COPY (\n{last}\n) TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"
            ),
        )


def write_parquet(rows: Rows, types: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Writes rows into a Parquet file.

    Args:
        rows: whatever they come from.
        types: DuckDB's of the columns; values are cast to them.
        path: of the file.
    """
    import duckdb

    columns = ", ".join(
        f"CAST(row[{at}] AS {of}) AS {identifier(name)}"
        for at, (name, of) in enumerate(zip(rows.columns, types, strict=True), 1)
    )
    texts = [[None if value is None else str(value) for value in row] for row in rows.rows]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE texts (rows VARCHAR[][])")
        connection.execute("INSERT INTO texts VALUES (?)", [texts])
        connection.execute(
            f"COPY (SELECT {columns} FROM (SELECT unnest(rows) AS row FROM texts))"  # noqa: S608
            f" TO {literal(path)} (FORMAT parquet, COMPRESSION zstd)"
        )


@contextmanager
def _told() -> Iterator[None]:
    """DuckDB's errors as ours, and Ctrl-C as Python's."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise QueryError(_one_line(error)) from error
    except RuntimeError as error:
        if "interrupted" in str(error).lower():  # Ctrl-C, where DuckDB finds it between two steps
            raise KeyboardInterrupt from error
        raise


def _run_but_last(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("the statement is empty; for example: SELECT count(*) FROM flows")
    for statement in statements[:-1]:
        connection.execute(statement)
    return statements[-1].query.strip().rstrip(";")


def _describe(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str]] | None:
    """Names and types of a SELECT's columns; None for statements of another kind."""
    import duckdb

    if connection.extract_statements(sql)[0].type != duckdb.StatementType.SELECT:
        return None
    relation = connection.sql(sql)
    return list(zip(relation.columns, map(str, relation.types), strict=True))


def _with_text_times(columns: list[tuple[str, str]] | None, sql: str) -> str:
    """The statement with its times as text: DuckDB needs pytz to make Python objects of them."""
    if columns is None or not any("WITH TIME ZONE" in kind for _, kind in columns):
        return sql
    selected = []
    for at, (_, kind) in enumerate(columns):
        if kind == "TIMESTAMP WITH TIME ZONE":
            selected.append(f"strftime(c{at}, '%Y-%m-%dT%H:%M:%S.%gZ')")
        else:
            selected.append(f"CAST(c{at} AS VARCHAR)" if "WITH TIME ZONE" in kind else f"c{at}")
    names = ", ".join(f"c{at}" for at in range(len(columns)))
    return f"SELECT {', '.join(selected)} FROM (\n{sql}\n) AS result({names})"  # noqa: S608 - the user's own


def _fetch(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    with _told():
        while rows := result.fetchmany(_FETCH):
            yield from rows


def _is_number(kind: str) -> bool:
    return (
        kind.upper().startswith(("NUMBER", "DECIMAL", "DOUBLE", "FLOAT"))
        or kind.upper().endswith("INT")
        or "INTEGER" in kind
    )


def _unique(names: list[str]) -> list[str]:
    seen: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 1
        while candidate in seen:
            candidate, number = f"{name}_{number}", number + 1
        seen.add(candidate)
        unique.append(candidate)
    return unique


def _one_line(error: Exception) -> str:
    # After an empty line DuckDB repeats the statement with a mark under the place.
    return " ".join(str(error).split("\n\n")[0].split())
