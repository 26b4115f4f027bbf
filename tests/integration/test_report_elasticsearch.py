"""The report of an Elasticsearch has the numbers of the report of a store with the same flows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

import vpcflow
from unit.flowlogs import write
from vpcflow import demo
from vpcflow.cli import main
from vpcflow.elastic.template import data_stream
from vpcflow.query.model import Period
from vpcflow.report.build import build, dashboards

DAY = date(2026, 11, 23)


@pytest.fixture
def both(elasticsearch_url, es, namespace, tmp_path) -> tuple[Path, str, str]:
    files = list(demo.generate(DAY, lines=4_000))
    lines = [files[0].lines[0], *(line for file in files for line in file.lines[1:])]
    log = write(tmp_path / "day.log.gz", *lines)
    vpcflow.index(log, to=tmp_path / "store")
    vpcflow.index(log, to=elasticsearch_url, namespace=namespace)
    es.indices.refresh(index=data_stream(namespace))
    return tmp_path / "store", elasticsearch_url, namespace


def test_both_say_the_same(both):
    store, url, namespace = both
    made = []
    for target in (["--from", str(store)], ["--from", url, "--namespace", namespace]):
        period = ["--since", "2026-11-23T12:00Z", "--until", "2026-11-24", "--format", "json"]
        result = CliRunner().invoke(main, ["report", *target, *period], catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        made.append(json.loads(result.stdout) | {"source": ""})
    assert made[0]["flows"] == made[1]["flows"] > 1_000
    for of_store, of_server in zip(made[0]["dashboards"], made[1]["dashboards"], strict=True):
        for one, other in zip(of_store["panels"], of_server["panels"], strict=True):
            if (
                one["title"] == "VPC flows that were rejected"
            ):  # those of one moment may come in another order
                assert len(one["rows"]) == len(other["rows"])
            else:
                assert one == other, one["title"]


def test_both_can_be_filtered_the_same(both):
    store, url, namespace = both
    period = Period(datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 24, tzinfo=UTC))
    reports = [
        build(store, dashboards(["overview", "security-groups"]), period=period),
        build(url, dashboards(["overview", "security-groups"]), period=period, namespace=namespace),
    ]
    assert reports[0].values == reports[1].values
    assert reports[0].timeline_cubes == reports[1].timeline_cubes
    for one, other in zip(reports[0].boards, reports[1].boards, strict=True):
        assert one.cubes == other.cubes
        assert any(one.cubes)


def test_a_stream_without_flows(elasticsearch_url):
    result = CliRunner().invoke(main, ["report", "--from", elasticsearch_url, "--namespace", "nothinghere"])
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.stderr
    assert "nothinghere" in result.stderr or "no flows" in result.stderr
