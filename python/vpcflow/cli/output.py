"""How commands show what they found: tables, formats of rows, units. Standard output carries data only."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from vpcflow.query.rows import Rows

__all__ = [
    "TABLE_ROWS",
    "count",
    "form_of",
    "open_output",
    "parquet_output",
    "print_table",
    "printable",
    "size",
    "write_rows",
]

TABLE_ROWS = 1000


def printable(text: str) -> str:
    """Text from a log or a file name as a terminal may show it: control characters become escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def count(number: int, noun: str) -> str:
    """``1 file``, ``2,000 files``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def form_of(output: str | None, endings: Mapping[str, str], usual: str) -> str:
    """The format that a file's name ends in.

    Args:
        output: the file; None and ``-`` are standard output.
        endings: the format of each ending, without its dot.
        usual: the format where the name has none.

    Raises:
        ConfigError: no format has this ending.
    """
    ending = Path(output or "").suffix.lower().removeprefix(".")
    if ending and ending not in endings:
        known = ", ".join(f".{one}" for one in endings)
        raise ConfigError(f"{output}: no format is called {ending}; take {known}, or say which with --format")
    return endings.get(ending, usual)


def size(nbytes: float) -> str:
    """Bytes in decimal units, as disks and networks are measured."""
    if nbytes < 1000:
        return f"{nbytes:.0f} B"
    units = ["kB", "MB", "GB", "TB"]
    nbytes /= 1000
    while nbytes >= 999.95 and len(units) > 1:
        nbytes /= 1000
        units.pop(0)
    return f"{nbytes:,.1f} {units[0]}"


@contextmanager
def open_output(path: str | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears under its name only when it is whole.

    Raises:
        ConfigError: there can't be a file of that name.
        OSError: the output doesn't take what is written; `filename` says which.
    """
    try:
        with _output(path) as file:
            yield file
    except OSError as error:
        if error.filename is None:
            error.filename = path or "standard output"
        raise


@contextmanager
def _output(path: str | None) -> Iterator[IO[bytes]]:
    if path is None or path == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    if target.is_dir() or not target.resolve().parent.is_dir():
        raise ConfigError(f"{path}: is a folder" if target.is_dir() else f"{path}: its folder doesn't exist")
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        with target.open("wb") as file:  # a device or a pipe
            yield file
        return
    with replacing(target) as temporary, temporary.open("wb") as file:
        yield file


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A name beside `path` to write to; what is there in the end takes the place of `path`."""
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def parquet_output(path: str | None) -> Iterator[Path]:
    """A name to write Parquet to; what is there in the end goes to standard output, or becomes the file.

    Raises:
        ConfigError: there can't be a file of that name, or a terminal would get it.
    """
    if path is None or path == "-":
        if sys.stdout.isatty():
            raise ConfigError(
                "Parquet is not for a terminal: give -o FILE, or send standard output somewhere"
            )
        with tempfile.TemporaryDirectory(prefix="vpcflow-") as folder:
            rows = Path(folder) / "rows.parquet"
            yield rows
            with rows.open("rb") as source, open_output(None) as file:
                shutil.copyfileobj(source, file)
        return
    if not Path(path).resolve().parent.is_dir():
        raise ConfigError(f"{path}: its folder doesn't exist")
    with replacing(path) as temporary:
        yield temporary


def print_table(table: Table, *, file: IO[bytes] | None = None) -> None:
    """Prints a table as wide as the terminal, or as it needs to be elsewhere. Default: standard error.

    Words stay whole, so that addresses and names can be copied: where they don't fit, lines are longer.
    """
    from rich.console import Console

    stream: IO[Any] = sys.stderr if file is None else file
    terminal = stream.isatty()
    text = io.StringIO()
    # Not dumb: rich takes such a terminal for 80 columns, whatever is asked.
    wide = Console(file=text, width=10_000, height=100)
    width = Console(file=text, force_terminal=True).width if terminal else wide.width
    width = max(width, _share_out(table, wide, width))
    console = Console(file=text, force_terminal=terminal, width=width, height=100, highlight=False)
    console.print(table)
    # Tables pad their last column: spaces that would wrap where lines are longer than the terminal.
    shown = "".join(f"{_PADDING.sub(_styles, line)}\n" for line in text.getvalue().splitlines())
    if file is None:
        click.echo(shown, err=True, nl=False)
    else:
        file.write(shown.encode())


def _share_out(table: Table, wide: Console, width: int) -> int:
    """Gives each column its longest word at least, and what is left to those that need little more first."""
    from rich.measure import Measurement

    needs = []
    for column in table.columns:
        cells = [Measurement.get(wide, wide.options, cell) for cell in (column.header, *column.cells)]
        least, most = max(cell.minimum for cell in cells), max(cell.maximum for cell in cells)
        column.width = min(least, _WORD)
        needs.append((most - column.width, column))
    needed = Measurement.get(wide, wide.options, table).minimum
    left = max(width - needed, 0)
    for place, (more, column) in enumerate(sorted(needs, key=lambda need: need[0])):
        given = min(more, left // (len(needs) - place))
        column.width = (column.width or 0) + given
        left -= given
    return needed


#: The longest word that stays whole, in characters: an IPv6 address is one.
_WORD = 45
_PADDING = re.compile(r"(?:\s|\x1b\[[\d;]*m)+$")


def _styles(padding: re.Match[str]) -> str:
    return "".join(re.findall(r"\x1b\[[\d;]*m", padding[0]))


def write_rows(rows: Rows, form: str, file: IO[bytes]) -> None:
    """Writes rows as ``table``, ``csv``, ``json`` (an array of objects) or ``ndjson``."""
    if form == "table":
        _write_table(rows, file)
        return
    if form == "csv":
        lines = _csv(rows)
    elif form == "json":
        lines = _json_array(_objects(rows))
    else:
        lines = (f"{json.dumps(row, ensure_ascii=False)}\n" for row in _objects(rows))
    while block := "".join(islice(lines, 1000)):
        file.write(block.encode(errors="surrogatepass"))


def _write_table(rows: Rows, file: IO[bytes]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, numeric in zip(rows.columns, rows.numeric, strict=True):
        table.add_column(Text(printable(column)), justify="right" if numeric else "left", overflow="fold")
    for row in islice(rows.rows, TABLE_ROWS):
        table.add_row(*(Text(printable(_cell(value))) for value in row))
    print_table(table, file=file)
    if left := sum(1 for _ in rows.rows):
        file.flush()
        click.echo(f"… {count(left, 'more row')}: add a LIMIT, or --format csv for all of them", err=True)


def _csv(rows: Rows) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def line(values: Iterable[Any]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(values)
        return buffer.getvalue()

    yield line(rows.columns)
    for row in rows.rows:
        yield line(_cell(value) for value in row)


def _objects(rows: Rows) -> Iterator[dict[str, Any]]:
    for row in rows.rows:
        yield {column: _json_value(value) for column, value in zip(rows.columns, row, strict=True)}


def _json_array(objects: Iterator[dict[str, Any]]) -> Iterator[str]:
    separator = "["
    for row in objects:
        yield f"{separator}\n  {json.dumps(row, ensure_ascii=False)}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


def _json_value(value: Any) -> Any:
    plain: Any
    match value:
        case None | str() | bool() | int():
            plain = value
        case float() | Decimal() if not math.isfinite(value):
            plain = None
        case float():
            plain = value
        case Decimal():
            plain = int(value) if value == value.to_integral_value() else float(value)
        case list() | tuple():
            plain = [_json_value(part) for part in value]
        case dict():
            plain = {str(key): _json_value(part) for key, part in value.items()}
        case bytes():
            plain = value.hex()
        case date() | time():
            plain = value.isoformat()
        case _:
            plain = str(value)
    return plain


def _cell(value: Any) -> str:
    """A value as text: nothing for null, JSON for what has parts."""
    plain = _json_value(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
