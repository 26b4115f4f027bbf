"""The store that questions are timed on: the same flows wherever it is made, over 30 days, with something to find."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vpcflow.query.store import connect

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
FLOWS = 30_000

pytestmark = pytest.mark.timeout(600)  # 720 objects


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import big_store
    finally:
        sys.path.remove(str(BENCHMARKS))
    folder = tmp_path_factory.mktemp("big") / "store"
    big_store.make(FLOWS, UNTIL, folder)
    return folder


def asked(store: Path, sql: str) -> tuple:
    with connect(store) as connection:
        return connection.execute(sql).fetchone()


def test_the_flows_are_those_of_their_numbers(store: Path) -> None:
    assert asked(store, 'SELECT count(*), sum("source.bytes") FROM flows') == (FLOWS, 2_997_549_813)


def test_every_hour_of_thirty_days_has_its_object(store: Path) -> None:
    assert sum(1 for _ in store.rglob("*.parquet")) == 720
    first, last = asked(store, 'SELECT min("@timestamp")::VARCHAR, max("@timestamp")::VARCHAR FROM flows')
    assert (first[:13], last[:13]) == ("2026-11-01 00", "2026-11-30 23")


def test_there_is_something_of_everything_that_is_asked_for(store: Path) -> None:
    found = asked(
        store,
        """SELECT count(DISTINCT "source.ip") > 2000, count(DISTINCT "aws.vpcflow.interface_id"),
          count(DISTINCT "cloud.account.id"), count(DISTINCT "destination.geo.country_name"),
          count_if("event.action" = 'REJECT') / count(*) BETWEEN 0.1 AND 0.15,
          count_if("aws.vpcflow.next_hop_interface_type" = 'nat_gateway') > 1000,
          count_if("threat.indicator.ip" IS NOT NULL) > 0, count_if("event.kind" <> 'event')
        FROM flows""",
    )
    assert found == (True, 200, 4, 8, True, True, True, 0)
