"""The product's promise, by the user's commands: one log, two places, the same answers."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

import samples
from vpcflow.elastic.template import data_stream

TALKERS = (
    'SELECT "source.ip" AS source, "destination.ip" AS destination, sum("network.bytes") AS bytes, count(*) AS records '
    "FROM flows GROUP BY ALL ORDER BY bytes DESC, source, destination"
)


def vpcflow(folder: Path, *args: str) -> str:
    """Runs the command and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "vpcflow", *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """Flow log objects that AWS delivered, under the names that it gave them."""
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, records in samples.REAL.items():
        if name.endswith(".parquet"):
            (folder / name).write_bytes(samples.parquet(samples.V2, records))
        else:
            (folder / f"{name}.gz").write_bytes(gzip.compress(samples.log(samples.V2, records)))
    return tmp_path


def test_store_and_elasticsearch_name_the_same_top_talkers(objects, elasticsearch_url, es, namespace):
    vpcflow(objects, "index", "logs", "--to", elasticsearch_url, "--namespace", namespace)
    vpcflow(objects, "index", "logs")
    stored = json.loads(vpcflow(objects, "query", TALKERS, "--format", "json"))

    es.indices.refresh(index=data_stream(namespace))
    answer = es.esql.query(
        query=f"FROM {data_stream(namespace)} | STATS bytes = SUM(network.bytes), records = COUNT(*) "
        "BY source = source.ip, destination = destination.ip | SORT bytes DESC, source, destination | LIMIT 1000"
    )
    names = [column["name"] for column in answer["columns"]]
    indexed = [dict(zip(names, row, strict=True)) for row in answer["values"]]

    # And what the records say, added up by hand.
    by_hand: dict[tuple[str, str], list[int]] = {}
    for record in (record for records in samples.REAL.values() for record in records):
        fields = record.split()
        total = by_hand.setdefault((fields[3], fields[4]), [0, 0])
        total[0] += int(fields[9])
        total[1] += 1

    def pairs(rows):
        return {(row["source"], row["destination"]): [row["bytes"], row["records"]] for row in rows}

    assert pairs(stored) == pairs(indexed) == by_hand
    assert [row["bytes"] for row in stored] == [row["bytes"] for row in indexed]
    assert stored[0]["bytes"] == indexed[0]["bytes"] == 9120
    # The region came from the objects' names, in both places.
    regions = json.loads(
        vpcflow(
            objects, "query", 'SELECT DISTINCT "cloud.region" AS r FROM flows ORDER BY r', "--format", "json"
        )
    )
    assert [row["r"] for row in regions] == ["eu-west-2", "eu-west-3", None]
