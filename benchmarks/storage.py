"""Measures how many bytes a flow takes in Elasticsearch, in each way that `vpcflow setup` can store it.

python benchmarks/storage.py                 boots the tests' server; prints the table of docs/operations.md
python benchmarks/storage.py --fields v5     what each field takes, with logsdb

200,000 flows of generate.py are indexed, and the index is force-merged to one segment. The size is that of
the index on disk, without the translog.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import generate
from rich.console import Console
from rich.table import Table

import vpcflow
from vpcflow.elastic.client import connect
from vpcflow.elastic.setup import apply, prepare
from vpcflow.elastic.template import Options, data_stream

ROOT = Path(__file__).parents[1]

#: Name, index mode, settings that only vpcflow@custom gives.
WAYS: dict[str, tuple[Any, dict[str, Any]]] = {
    "logsdb, synthetic source": ("logsdb", {}),
    "logsdb, stored source": ("logsdb", {"index.mapping.source.mode": "stored"}),
    "standard": ("standard", {}),
}


@contextlib.contextmanager
def server(url: str | None) -> Iterator[str]:
    """The URL of a server: the one given, else one booted for the occasion."""
    if url is not None:
        yield url
        return
    spec = importlib.util.spec_from_file_location(
        "test_server", ROOT / "tests" / "elasticsearch" / "server.py"
    )
    assert spec is not None
    assert spec.loader is not None
    kit = importlib.util.module_from_spec(spec)
    sys.modules["test_server"] = kit
    spec.loader.exec_module(kit)
    with kit.Server() as booted:
        yield booted.url


def fill(client: Any, url: str, namespace: str, way: str, path: Path, **how: Any) -> str:
    """Sets up, indexes and merges; returns the name of the data stream."""
    mode, custom = WAYS[way]
    if custom:
        name = f"vpcflow-{namespace}@custom"
        client.cluster.put_component_template(name=name, template={"settings": custom})
    plan = prepare(client, Options(namespace=namespace, index_mode=mode))
    apply(client, plan)
    if errors := [change.error for change in plan.changes if change.error]:
        raise SystemExit(f"{way}: {errors[0]}")
    result = vpcflow.index([str(path)], to=url, namespace=namespace, **how)
    if not result.ok:
        raise SystemExit(f"{way}: {result}")
    stream = data_stream(namespace)
    client.indices.flush(index=stream, force=True)
    client.options(request_timeout=600).indices.forcemerge(index=stream, max_num_segments=1)
    client.indices.flush(index=stream, force=True)
    return stream


def bytes_a_flow(client: Any, stream: str) -> float:
    primaries = client.indices.stats(index=stream, metric="store,docs")["_all"]["primaries"]
    return float(primaries["store"]["size_in_bytes"] / primaries["docs"]["count"])


def fields(client: Any, stream: str) -> Table:
    """What each field takes, in bytes a flow."""
    answer = client.options(request_timeout=600).indices.disk_usage(index=stream, run_expensive_tasks=True)
    (usage,) = (usage for name, usage in answer.body.items() if name != "_shards")
    count = client.count(index=stream)["count"]
    table = Table("field", "total", "inverted index", "doc values", "points", "stored", "norms")
    sizes = sorted(usage["fields"].items(), key=lambda entry: -entry[1]["total_in_bytes"])
    for name, size in sizes:
        kinds = (
            size["total_in_bytes"],
            size["inverted_index"]["total_in_bytes"],
            size["doc_values_in_bytes"],
            size["points_in_bytes"],
            size["stored_fields_in_bytes"],
            size["norms_in_bytes"],
        )
        if kinds[0] >= 0.05 * count:
            table.add_row(name, *(f"{kind / count:.1f}" if kind else "" for kind in kinds))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description="Bytes a flow on disk in Elasticsearch.")
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--url", help="a server to use; default: one is booted")
    parser.add_argument("--fields", choices=["v2", "v5"], help="what each field takes")
    parser.add_argument("--versions", type=int, nargs="+", choices=[2, 5], default=[2, 5])
    parser.add_argument("--ids", choices=["auto", "digest"], default="auto")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    with server(options.url) as url, contextlib.closing(connect(url)) as client:
        if options.fields:
            path = generate.cached(int(options.fields[1:]), options.lines)
            stream = fill(client, url, f"fields-{options.fields}".replace("-", "_"), next(iter(WAYS)), path)
            console.print(fields(client, stream))
            console.print(f"{bytes_a_flow(client, stream):.1f} B a flow")
            return
        headings = [
            f"v{version}{more}" for version in options.versions for more in ("", " with the original")
        ]
        table = Table("index mode", *headings, title="B a flow")
        for number, way in enumerate(WAYS):
            sizes = []
            for version in options.versions:
                for original in (False, True):
                    namespace = f"v{version}_{number}_{'original' if original else 'plain'}_{options.ids}"
                    path = generate.cached(version, options.lines)
                    how = {"preserve_original": original, "ids": options.ids}
                    stream = fill(client, url, namespace, way, path, **how)
                    sizes.append(f"{bytes_a_flow(client, stream):.0f}")
                    print(way, namespace, sizes[-1], file=sys.stderr, flush=True)
            table.add_row(way, *sizes)
        console.print(table)


if __name__ == "__main__":
    main()
