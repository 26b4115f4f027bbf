"""Whether ours reached what it is meant to reach, in words."""

from __future__ import annotations

from statistics import median

from measure import Result
from model import Limit, Row, Target


def said(row: Row, results: list[Result]) -> list[str]:
    """A sentence for each target of a row."""
    return [
        beside(row, target, results) if isinstance(target, Target) else within(row, target, results)
        for target in row.targets
    ]


def subject(results: list[Result], name: str = "") -> Result | None:
    """The one of ours that has the name, or the first."""
    ours = (result for result in results if result.contender.ours)
    return next((result for result in ours if name in {"", result.contender.name}), None)


def beside(row: Row, target: Target, results: list[Result]) -> str:
    """How ours stands to the others that a target names."""
    ours = subject(results, target.subject)
    others = [result for result in results if result.contender.name in target.others]
    if ours is None or not others:
        return f"not measured: {' or '.join(target.others)}"

    def rate(result: Result) -> float:
        return median(result.figures(row.by))

    if target.at_most is not None:
        other = min(others, key=rate)
        times = other.ratio(ours, row.by)
        return (
            f"{times:.2f} times the time of {other.contender.name} (at most {target.at_most:g}: "
            f"{verdict(met=times <= target.at_most)})"
        )
    other, wanted = max(others, key=rate), target.at_least or 1.0
    times = ours.ratio(other, row.by)
    return f"{times:.2f} times {other.contender.name} ({wanted:g}: {verdict(met=times >= wanted)})"


def within(row: Row, limit: Limit, results: list[Result]) -> str:
    """How much ours takes of what it may take."""
    if limit.over:
        ours = subject(results, limit.subject)
        base = next((result for result in results if result.contender.name == limit.over), None)
        if ours is None or base is None:
            return f"not measured: {limit.subject}"
        took = added(ours, base, row)
        met = verdict(met=took < limit.most)
        return f"{limit.subject}: {took:.0f} ms more than {limit.over} (under {limit.most:g}: {met})"
    takers = [
        result for result in results if result.contender.ours and limit.subject in result.contender.name
    ]
    took = max((max(result.figures(row.by)) for result in takers), default=0.0) / 1e6
    return f"{took:.0f} MB at most (under {limit.most:g}: {verdict(met=took < limit.most)})"


def added(result: Result, base: Result, row: Row) -> float:
    """What a contender takes more than another in the same round."""
    pairs = zip(result.figures(row.by), base.figures(row.by), strict=True)
    return median(a - b for a, b in pairs)


def verdict(*, met: bool) -> str:
    return "met" if met else "missed"
