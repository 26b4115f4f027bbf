"""The numbers of a report for other programs: JSON, CSV, pictures."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.report.build import Report
from vpcflow.report.numbers import Numbers
from vpcflow.report.specs import COLOURS, DRAWN, chart_rows, coloured, config, spec

__all__ = ["as_csv", "as_json", "write_pictures"]


def as_json(report: Report) -> bytes:
    """One object: period, dashboards, and their panels with rows, each with what it had before."""
    made = {
        "source": report.source,
        "from": report.span.period.start.isoformat(),
        "to": report.span.period.end.isoformat(),
        "flows": report.flows,
        "dashboards": [
            {
                "name": board.dashboard.name,
                "title": board.dashboard.title,
                "panels": [_panel(one) for one in board.panels],
            }
            for board in report.boards
        ],
    }
    return (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")


def _panel(made: Numbers) -> dict[str, Any]:
    names = [metric.name for metric in made.metrics]
    rows = [
        {
            **({"@timestamp": _plain(time)} if time else {}),
            **dict(zip(made.fields, map(_plain, made.keys[group]), strict=True)),
            **dict(zip(names, map(_plain, values), strict=True)),
            **({"before": dict(zip(names, made.before[group], strict=True))} if made.before else {}),
        }
        for time, group, *values in made.points
    ]
    note = {"note": made.note} if made.note else {}
    return {"title": made.panel.title, "type": made.panel.type, **note, "rows": rows}


def as_csv(report: Report) -> bytes:
    """A line a number: dashboard, panel, time, its groups, the number's name, it, and it before."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    wide = max((len(one.fields) for board in report.boards for one in board.panels), default=0)
    groups = [f"group_{at}" for at in range(1, wide + 1)]
    writer.writerow(["dashboard", "panel", "@timestamp", *groups, "name", "value", "before"])
    for board in report.boards:
        for made in board.panels:
            for time, group, *values in made.points:
                key = [_plain(value) for value in made.keys[group]]
                key += [""] * (len(groups) - len(key))
                before = made.before[group] if made.before else [None] * len(values)
                for metric, value, old in zip(made.metrics, values, before, strict=True):
                    line = [board.dashboard.name, made.panel.title, _plain(time) or "", *key, metric.name]
                    writer.writerow([*line, _plain(value), old])
    return text.getvalue().encode("utf-8", "replace")


def write_pictures(ask: Callable[[], Report], folder: Path) -> list[Path]:
    """Each chart as a PNG file, and the files.

    Args:
        ask: for the report, when there is somewhere to draw it.
        folder: made if it isn't there.

    Raises:
        ConfigError: the package that draws is not installed, or the folder can't be one.
    """
    try:
        from vl_convert import vegalite_to_png
    except ImportError as error:
        raise ConfigError(
            "pictures need the package vl-convert-python: pip install 'vpcflow[report]'"
        ) from error
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; pictures want a folder")
    if not folder.parent.is_dir():
        raise ConfigError(f"{folder}: the folder above it doesn't exist")
    folder.mkdir(exist_ok=True)
    report, made = ask(), []
    for board in report.boards:
        for one in board.panels:
            if one.panel.type not in DRAWN or not one.keys:
                continue
            path = folder / f"{board.dashboard.name}-{_slug(one.panel.title)}.png"
            chart = {
                **coloured(spec(one), COLOURS),
                "width": 720,
                "height": 320,
                "title": {"text": one.panel.title, "anchor": "start", "color": COLOURS["ink"]},
                "padding": 16,
                "data": {"values": chart_rows(one, report.span)},
            }
            looks = {**config(COLOURS), "background": COLOURS["card"]}
            path.write_bytes(vegalite_to_png(chart, scale=2, config=looks))
            made.append(path)
    return made


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
