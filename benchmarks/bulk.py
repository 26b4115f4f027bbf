"""Measures indexing into a real Elasticsearch: vpcflow, and the client's helpers with vpcflow's documents.

python benchmarks/bulk.py [--lines 200000]     boots the tests' server; prints a table in Markdown

Client CPU is that of the client's process, without its start-up; server CPU that of the server's processes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import generate

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
CONTENDERS = {
    "vpcflow, ids auto": ("ours", "auto"),
    "vpcflow, ids digest": ("ours", "digest"),
    "streaming_bulk of vpcflow's dicts": ("helper", "streaming_bulk"),
    "parallel_bulk of vpcflow's dicts": ("helper", "parallel_bulk"),
}


def client(kind: str, how: str, url: str, namespace: str, path: str) -> None:
    """One run, in a process of its own; prints its figures as JSON."""
    import elasticsearch.helpers

    import vpcflow
    from vpcflow.sinks.elasticsearch import ElasticsearchSink

    sink = ElasticsearchSink(url, namespace, how if kind == "ours" else "auto")  # type: ignore[arg-type]
    cpu, wall = time.process_time(), time.perf_counter()
    if kind == "ours":
        count = vpcflow.index(path, to=sink).documents
    else:
        actions = (
            {"_op_type": "create", "_index": f"logs-aws.vpcflow-{namespace}", "_source": document}
            for batch in vpcflow.read(path)
            for document in batch.to_ecs(namespace=namespace)
        )
        bulk = getattr(elasticsearch.helpers, how)
        with elasticsearch.Elasticsearch(url, request_timeout=60) as es:
            count = sum(good for good, _ in bulk(es, actions))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    sys.stdout.write(json.dumps({"count": count, "cpu": cpu, "wall": wall, "peak": peak}))


def server_cpu(group: int) -> float:
    """CPU seconds of a process group so far."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--version", type=int, choices=(2, 5), default=2)
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("kit", ROOT / "tests" / "elasticsearch" / "server.py")
    assert spec is not None
    assert spec.loader is not None
    kit = importlib.util.module_from_spec(spec)
    sys.modules["kit"] = kit
    spec.loader.exec_module(kit)
    path = generate.cached(options.version, options.lines)
    warm_up = generate.cached(options.version, 20_000)
    print("| contender | documents/s | client µs a document | server µs a document | client's peak MB |")
    print("| --- | --- | --- | --- | --- |")
    for at, (name, (kind, how)) in enumerate(CONTENDERS.items()):
        with kit.Server() as server:  # a fresh one: nobody pays for another's merges
            group = os.getpgid(server._process.pid)
            for run, log in enumerate((warm_up, path)):
                before = server_cpu(group)
                command = [
                    sys.executable,
                    __file__,
                    "client",
                    kind,
                    how,
                    server.url,
                    f"bench{at}{run}",
                    str(log),
                ]
                said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                spent = server_cpu(group) - before
        count = said["count"]
        assert count == options.lines, f"{name}: {count} documents"
        figures = f"{count / said['wall']:,.0f} | {1e6 * said['cpu'] / count:.1f} | {1e6 * spent / count:.0f}"
        print(f"| {name} | {figures} | {said['peak']} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(*sys.argv[2:])
    else:
        main()
