"""Durations and moments as options take them."""

from __future__ import annotations

import time

import click
import pytest

from vpcflow.cli.types import DURATION, MOMENT


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400), ("30d", 2592000), ("7", 7)]
)
def test_durations(text, seconds):
    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "5 weeks", "-1m", "1h30m"])
def test_what_is_no_duration(text):
    with pytest.raises(click.BadParameter, match="is no duration; it looks like 90s, 5m, 1h or 30d"):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2014-12-14", 1418515200),
        ("2014-12-14T04:07:50Z", 1418530070),
        ("2014-12-14 04:07:50", 1418530070),
        ("2014-12-14T05:07:50+01:00", 1418530070),
    ],
)
def test_moments_without_a_time_zone_are_utc(text, seconds):
    assert MOMENT.convert(text, None, None) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("3d", 259200), ("12h ago", 43200)])
def test_moments_before_now(text, seconds):
    assert MOMENT.convert(text, None, None) == pytest.approx(time.time() - seconds, abs=60)


@pytest.mark.parametrize("text", ["", "3", "14.12.2014", "soon"])
def test_what_is_no_moment(text):
    with pytest.raises(click.BadParameter, match="is no time; it looks like 2026-11-24"):
        MOMENT.convert(text, None, None)
