"""The benchmark's own judgement: what it calls done, met and lost. What it measures is not for a test."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import recorded  # noqa: E402
import targets  # noqa: E402
import verify  # noqa: E402
from measure import Result, Sample  # noqa: E402
from model import Contender, Limit, Row, Target  # noqa: E402
from rows import ROWS  # noqa: E402


def result(name: str, *, ours: bool = False, cpu: float = 1.0, peak: int = 0) -> Result:
    """A contender that read 1,000 records in each of three runs."""
    samples = [Sample(1000, None, cpu * drift, cpu * drift, peak) for drift in (1.0, 1.5, 0.9)]
    return Result(Contender(name, (), ours=ours), 1000, None, samples)


def row(*wanted: Target | Limit, by: str = "cpu") -> Row:
    return Row("key", "title", 2, "ndjson", (), by=by, targets=wanted)  # type: ignore[arg-type]


class TestTheShortForm:
    def test_a_quarter_less_than_recorded_is_a_loss_if_it_stays_so(self):
        said: list[str] = []
        verdicts = recorded.compare({"ndjson-v2": 1.5}, lambda _: 1.1, said.append)
        assert [verdict.lost for verdict in verdicts] == [True]
        assert str(verdicts[0]) == (
            "ndjson-v2: 1.10 times Polars, 73% of the recorded 1.50: more than 25% under it"
        )
        assert len(said) == recorded.AGAIN

    def test_a_slow_minute_is_no_loss(self):
        measured = iter([1.1, 1.45])
        verdicts = recorded.compare({"ndjson-v2": 1.5}, lambda _: next(measured))
        assert not verdicts[0].lost

    def test_a_tenth_less_is_kept(self):
        assert not recorded.compare({"ndjson-v2": 1.5}, lambda _: 1.35)[0].lost

    def test_what_is_recorded_are_the_rows_that_it_measures(self):
        ratios = json.loads(recorded.FILE.read_text(encoding="utf-8"))["ratios"]
        assert tuple(ratios) == recorded.KEYS
        for short in recorded.short_rows():
            assert [contender.ours for contender in short.contenders] == [True, False]


class TestTargets:
    def test_the_fastest_of_the_others_counts(self):
        results = [result("ours", ours=True), result("slow", cpu=4), result("fast", cpu=2)]
        met, missed = Target(("slow", "fast"), 2.0), Target(("slow", "fast"), 2.1)
        assert targets.said(row(met, missed), results) == [
            "2.00 times fast (2: met)",
            "2.00 times fast (2.1: missed)",
        ]

    def test_a_time_that_may_not_be_exceeded(self):
        results = [result("ours", ours=True, cpu=1.2), result("gunzip", cpu=0.5), result("parse", cpu=1.0)]
        limit = Target(("gunzip", "parse"), at_most=1.15)
        assert targets.said(row(limit), results) == ["1.20 times the time of parse (at most 1.15: missed)"]

    def test_memory_is_that_of_the_largest_run(self):
        results = [result("small", ours=True, peak=40_000_000), result("large", ours=True, peak=99_000_000)]
        assert targets.said(row(Limit(100), by="peak"), results) == ["99 MB at most (under 100: met)"]

    def test_a_peer_that_is_not_there_is_said(self):
        assert targets.said(row(Target(("VRL",), 3.0)), [result("ours", ours=True)]) == ["not measured: VRL"]

    def test_every_target_names_contenders_of_its_row(self):
        for one in ROWS:
            names = {contender.name for contender in one.contenders}
            for target in one.targets:
                if isinstance(target, Target):
                    assert set(target.others) <= names, one.key
                    assert target.subject in names | {""}, one.key


class TestVerification:
    LOG = (
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
        "log-status\n"
        "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 "
        "ACCEPT OK\n"
        "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n"
    )

    @pytest.fixture
    def expected(self, tmp_path: Path) -> verify.Expected:
        log = tmp_path / "v2.log"
        log.write_text(self.LOG)
        return verify.Expected.of(log)

    def test_records_and_bytes_of_the_input(self, expected: verify.Expected):
        assert expected == verify.Expected(2, 4249)

    @pytest.mark.parametrize(
        ("lines", "agrees"),
        [
            ([{"network": {"bytes": 4249}}, {}], True),
            ([{"bytes": 4249}, {"bytes": None}], True),
            ([{"network": {"bytes": 4249}}], False),
            ([{"network": {"bytes": 4248}}, {}], False),
        ],
    )
    def test_an_output_that_lacks_something_is_found_out(
        self, expected: verify.Expected, tmp_path: Path, lines: list[dict[str, object]], agrees: bool
    ):
        output = tmp_path / "out.ndjson"
        output.write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert expected.agrees(verify.ndjson(output)) is agrees

    def test_a_contender_that_only_counts_is_checked_for_that(self, expected: verify.Expected):
        assert expected.agrees(replace(expected, nbytes=None))
