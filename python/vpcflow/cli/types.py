"""Values that options take: durations, moments, lists of names."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

__all__ = ["DURATION", "MOMENT", "NAMES"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


class Duration(click.ParamType[float]):
    """``90s``, ``5m``, ``1h``, ``30d``, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is no duration; it looks like 90s, 5m, 1h or 30d", param, ctx)
        return float(found[1]) * _SECONDS[found[2] or "s"]


class Moment(click.ParamType[float]):
    """A date, a date and time, or a duration before now; Unix seconds. Without a time zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = value.strip()
        now = datetime.now(UTC)
        if found := _DURATION.fullmatch(text.removesuffix("ago").strip()):
            if found[2]:
                return (now - timedelta(seconds=float(found[1]) * _SECONDS[found[2]])).timestamp()
        elif text in {"today", "yesterday"}:
            day = now.replace(hour=0, minute=0, second=0, microsecond=0)
            return (day - timedelta(days=int(text == "yesterday"))).timestamp()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is no time; it looks like 2026-11-24, 2026-11-24T12:30Z or 3d", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Names(click.ParamType[tuple[str, ...]]):
    """One name or several, separated by commas."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(name for part in parts if (name := part.strip()))


DURATION = Duration()
MOMENT = Moment()
NAMES = Names()
