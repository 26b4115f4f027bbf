"""The inputs that the contenders read: the same lines as text, in gzip, and in Parquet as AWS writes it."""

from __future__ import annotations

import shutil
import zlib
from itertools import islice
from pathlib import Path

import generate
from model import Form

#: Longer files have these lines over and over: making them up takes a while.
DISTINCT = 1_000_000
SUFFIXES: dict[Form, str] = {"text": ".log", "gzip": ".log.gz", "parquet": ".parquet"}
BLOCK = 1 << 20

INT32 = frozenset({"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path"})
INT64 = frozenset({"packets", "bytes", "start", "end"})


def cached(version: int, count: int, form: Form = "text") -> Path:
    """A file in benchmarks/data with a header and `count` records, made when it isn't there."""
    if form == "text" and count <= DISTINCT:
        return generate.cached(version, count)
    path = generate.DATA / f"v{version}-{count}{SUFFIXES[form]}"
    if not path.exists():
        part = path.with_name(f".{path.name}.part")
        if form == "text":
            repeat(cached(version, DISTINCT), count, part)
        elif form == "gzip":
            compress(cached(version, count), part)
        else:
            parquet(cached(version, count), part)
        part.replace(path)
    return path


def repeat(source: Path, count: int, target: Path) -> None:
    """The header, and the records over and over."""
    with source.open("rb") as file, target.open("wb") as out:
        header = file.readline()
        out.write(header)
        for _ in range(count // DISTINCT):
            file.seek(len(header))
            shutil.copyfileobj(file, out, BLOCK)
        file.seek(len(header))
        out.writelines(islice(file, count % DISTINCT))


def compress(source: Path, target: Path) -> None:
    """One gzip member of level 6, as AWS writes a file, without a time."""
    with source.open("rb") as file, target.open("wb") as out:
        member = zlib.compressobj(6, wbits=31)
        while block := file.read(BLOCK):
            out.write(member.compress(block))
        out.write(member.flush())


def parquet(source: Path, target: Path) -> None:
    """AWS's layout: names with underscores, its types, gzip; an absent number is null, an absent text `-`."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    with source.open(encoding="ascii") as file:
        names = file.readline().split()
    types = {
        name: pyarrow.int32() if name in INT32 else pyarrow.int64() if name in INT64 else pyarrow.string()
        for name in names
    }
    table = pyarrow.csv.read_csv(
        source,
        parse_options=pyarrow.csv.ParseOptions(delimiter=" ", quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types, null_values=["-"], strings_can_be_null=False
        ),
    )
    table = table.rename_columns([name.replace("-", "_") for name in names])
    pyarrow.parquet.write_table(table, target, compression="gzip", store_schema=False)
