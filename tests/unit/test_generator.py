"""The benchmarks' input: the same bytes everywhere, and the shares that the figures are stated for."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DIGESTS = {
    2: "1f8c75676bf2b8bc558ebb23a429db27133e6788b03a46a033eefe4053ebb4f1",
    5: "c81d72e759fd950db9fc0b7ebeac34e72dc8af7474362130a493c2f4754c0a38",
}


@pytest.fixture(scope="module")
def generate():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import generate
    finally:
        sys.path.remove(str(BENCHMARKS))
    return generate


@pytest.fixture(scope="module")
def records(generate):
    return [line.split(" ") for line in islice(generate.lines(5), 1, 60_001)]


@pytest.mark.parametrize("version", [2, 5])
def test_first_ten_thousand_lines_are_pinned(generate, version):
    text = "".join(f"{line}\n" for line in islice(generate.lines(version), 10_000))
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[version]


def test_version_2_is_the_beginning_of_version_5(generate):
    for short, full in islice(zip(generate.lines(2), generate.lines(5), strict=True), 1, 5_000):
        assert short.split(" ")[1:] == full.split(" ")[1:14]


def test_shares_and_sizes(records):
    total = len(records)
    seen = Counter(field for record in records for field in (record[12], record[13], record[18]))
    assert seen["REJECT"] / total == pytest.approx(0.15, abs=0.01)
    assert (seen["NODATA"] + seen["SKIPDATA"]) / total == pytest.approx(0.02, abs=0.003)
    assert seen["IPv6"] / total == pytest.approx(0.10, abs=0.01)
    assert len({record[2] for record in records}) == 400
    assert sum(len(" ".join(record)) + 1 for record in records) / total == pytest.approx(258, abs=3)
    assert sum(len(" ".join(record[:14])) + 1 for record in records) / total == pytest.approx(118, abs=2)


def test_each_record_is_seen_from_its_interface(records):
    own: dict[str, set[str]] = {}
    for record in records:
        if record[13] != "OK":
            assert set(record[3:10]) == {"-"}
            continue
        source, destination = record[3:5]
        direction, path = record[27:29]
        assert (direction == "egress") == (path != "-")
        own.setdefault(record[2], set()).add(source if direction == "egress" else destination)
    # One address of each family.
    assert all(len(addresses) <= 2 for addresses in own.values())


def test_flows_are_logged_in_both_directions_and_end_in_their_window(records):
    flows = {(r[2], r[3], r[4], r[5], r[6], r[7], r[11]) for r in records if r[12] == "ACCEPT"}
    assert all((eni, b, a, q, p, proto, end) in flows for eni, a, b, p, q, proto, end in flows)
    ends = [int(record[11]) for record in records]
    first = min(ends) - min(ends) % 300
    assert all(
        0 <= end - first < 900 and 45 <= end - int(r[10]) <= 60 for end, r in zip(ends, records, strict=True)
    )
