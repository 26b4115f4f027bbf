"""Who is measured: vpcflow in its ways, and its peers. The programs are in `peers/`."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import crates
from model import Contender, Form

PEERS = Path(__file__).parent / "peers"


def installed(package: str) -> str:
    """Version of an installed distribution."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def python(program: str, work: str) -> tuple[str, ...]:
    """The command of a contender in `peers/`."""
    return (sys.executable, str(PEERS / f"{program}.py"), work)


def ours(form: str, name: str = "vpcflow", *, threads: int = 1, reads: Form = "text") -> Contender:
    """vpcflow to `ndjson` or `arrow`, pinned to a core for each thread."""
    command = python(f"ours_{form}", "one" if threads == 1 else "two")
    version = installed("vpcflow")
    return Contender(name, command, version, "ECS + id", ours=True, cores=threads, reads=reads)


def command(name: str, work: str = "index", *, cores: int = 2, share: float = 1.0) -> Contender:
    """The real `vpcflow`, its start counted."""
    writes = "ECS + id" if work == "index" else ""
    version = installed("vpcflow")
    return Contender(name, python("command", work), version, writes, ours=True, cores=cores, share=share)


def peer(name: str, package: str, program: str, work: str, writes: str = "flat") -> Contender:
    return Contender(name, python(program, work), installed(package), writes)


def vrl(name: str, work: str) -> Contender:
    command = (str(crates.binary("vrl-lines")), work)
    return Contender(name, command, crates.locked("vrl"), "flat", crate="vrl-lines")


def yardstick(name: str, crate: str, reads: Form = "text") -> Contender:
    """A part of the work alone."""
    command = (str(crates.binary(crate)),)
    return Contender(name, command, writes="nothing", yardstick=True, reads=reads, crate=crate)


OURS_OWN_FIELDS = replace(ours("arrow"), command=python("ours_arrow", "own"), writes="flat, checked")
OURS_STORE = replace(ours("ndjson"), command=python("ours_store", "store"), writes="store")

POLARS_NDJSON = peer("Polars read_csv, write_ndjson", "polars", "polars_reader", "ndjson")
POLARS_TABLE = peer("Polars read_csv", "polars", "polars_reader", "arrow")
POLARS_PARQUET = replace(
    peer("Polars read_parquet, write_ndjson", "polars", "polars_reader", "parquet", "flat, as stored"),
    reads="parquet",
)
PYARROW_TABLE = peer("pyarrow.csv", "pyarrow", "pyarrow_reader", "arrow")
DUCKDB_NDJSON = peer("DuckDB read_csv, COPY TO json", "duckdb", "duckdb_reader", "ndjson")
DUCKDB_TABLE = peer("DuckDB read_csv", "duckdb", "duckdb_reader", "arrow")
DUCKDB_PARQUET = replace(
    peer("DuckDB read_parquet, COPY TO json", "duckdb", "duckdb_reader", "parquet", "flat, as stored"),
    reads="parquet",
)
DUCKDB_STORE = peer(
    "DuckDB read_csv, COPY TO parquet by day", "duckdb", "duckdb_store", "days", "store, less"
)
DUCKDB_FILE = peer("DuckDB read_csv, COPY TO one parquet", "duckdb", "duckdb_store", "one", "store, less")
HAND_MAPPING = peer(
    "hand-written Python mapping + orjson", "orjson", "hand_mapping", "ndjson", "ECS, trusting"
)
HAND_MAPPING_IDS = replace(
    peer(
        "hand-written mapping + communityid",
        "communityid",
        "hand_mapping",
        "ndjson-communityid",
        "ECS + id, trusting",
    ),
    share=0.1,
)
FLOWLOGS_READER = replace(
    peer("flowlogs-reader + orjson", "flowlogs-reader", "flowlogs_records", "ndjson"), share=0.2
)

VRL = vrl("VRL program as in Vector + JSON", "program")
VRL_FUNCTION = vrl("VRL function alone + JSON", "function")
SPLIT = yardstick("bare splitting loop", "split")
GUNZIP = yardstick("gunzip alone (zlib-rs)", "gunzip", "gzip")
