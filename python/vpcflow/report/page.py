"""A report as one HTML file that asks nobody for anything: scripts, style and numbers are inside."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from vpcflow.dashboards import COUNTS
from vpcflow.errors import ConfigError
from vpcflow.report.build import Board, Report
from vpcflow.report.cubes import DIMENSIONS, Cube
from vpcflow.report.numbers import Numbers, Span
from vpcflow.report.specs import COLOURS, DRAWN, coloured, config, cut, label, spec, text, unit, words

__all__ = ["BUDGET", "page", "require"]

#: Bytes that the cubes take of a page at most, so that it stays below 3 MB with its scripts and tables.
BUDGET = 1_300_000
_NAMES = {
    "account": "Account",
    "vpc": "VPC",
    "interface": "Interface",
    "action": "Action",
    "direction": "Direction",
}


def page(report: Report) -> bytes:
    """The page.

    Raises:
        ConfigError: the package that the charts' scripts come from is not installed.
    """
    require()
    span = report.span
    packed = _packed([report.timeline_cubes, *(cubes for board in report.boards for cubes in board.cubes)])
    here = files("vpcflow.report")
    parts = {
        "TITLE": html.escape(f"VPC flows, {span.period.start:%Y-%m-%d} to {span.period.end:%Y-%m-%d}"),
        "STYLE": (here / "page.css").read_text(encoding="utf-8"),
        "VEGA": _scripts(),
        "DATA": json.dumps(_data(report), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "CUBES": packed,
        "PAGE": (here / "page.js").read_text(encoding="utf-8"),
    }
    made = (here / "page.html").read_text(encoding="utf-8")
    head, *rest = made.split("{{")
    pieces = [head]
    for one in rest:  # never within what was put in
        name, _, after = one.partition("}}")
        pieces += [parts[name], after]
    return "".join(pieces).encode("utf-8", "replace")


def require() -> None:
    """Asks for the package that the charts' scripts come from, before there is anything to wait for.

    Raises:
        ConfigError: it is not installed.
    """
    from importlib.util import find_spec

    if find_spec("vl_convert") is None:
        raise ConfigError(
            "the report's charts need the package vl-convert-python: pip install 'vpcflow[report]'"
        )


def _scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, kept in the user's cache: to make it takes a second."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vpcflow"
    kept = folder / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        return kept.read_text(encoding="utf-8")
    from vl_convert import javascript_bundle

    script = javascript_bundle("window.vegaEmbed = vegaEmbed;")
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            file.write(script)
        Path(file.name).replace(kept)  # whole or not at all
    return script


def _packed(panels: Sequence[Sequence[Cube]]) -> str:
    """All cubes as compressed JSON in base64; the largest are left out until the rest is small enough."""
    sizes = sorted(
        (
            (len(_pack(_plain(cube))), panel, at)
            for panel, cubes in enumerate(panels)
            for at, cube in enumerate(cubes)
        ),
        reverse=True,
    )
    total = sum(size for size, _, _ in sizes)
    left_out: set[tuple[int, int]] = set()
    for size, panel, at in sizes:
        if total <= BUDGET:
            break
        left_out.add((panel, at))
        total -= size
    kept = [
        [_plain(cube) for at, cube in enumerate(cubes) if (panel, at) not in left_out]
        for panel, cubes in enumerate(panels)
    ]
    return _pack(kept)


def _plain(cube: Cube) -> dict[str, Any]:
    return {"by": cube.by, "columns": cube.columns}


def _pack(content: Any) -> str:
    return base64.b64encode(
        gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 6, mtime=0)
    ).decode()


def _data(report: Report) -> dict[str, Any]:
    span = report.span
    first = _place(span.period.start, span.bucket)
    last = _place(span.period.end, span.bucket, end=True)
    there = {one.name for one in report.values}
    return {
        "source": report.source,
        "made": int(datetime.now(UTC).timestamp()),
        "from": int(span.period.start.timestamp()),
        "to": int(span.period.end.timestamp()),
        "whole": report.whole,
        "flows": report.flows,
        "bucket": span.bucket,
        "first": first * span.bucket,
        "pieces": last - first,
        "filters": [
            {
                "name": one.name,
                "label": _NAMES[one.name],
                "values": [_shown(value) for value in one.values],
                "more": one.more,
            }
            for one in report.values
        ],
        "lacking": [_NAMES[name] for name in DIMENSIONS if name not in there],
        "timeline": _panel(report.timeline, span),
        "config": config(_variables()),
        "boards": [_board(board, span) for board in report.boards],
    }


def _board(board: Board, span: Span) -> dict[str, Any]:
    one = board.dashboard
    panels = [_panel(made, span) for made in board.panels]
    return {"name": one.name, "title": one.title, "about": one.description, "panels": panels}


def _panel(made: Numbers, span: Span) -> dict[str, Any]:
    panel = made.panel
    first = _place(span.period.start, span.bucket)
    times = [None if point[0] is None else _place(point[0], span.bucket) - first for point in made.points]
    short, long = COUNTS[panel.counts]
    return {
        "title": panel.title,
        "type": panel.type,
        "counts": short,
        "about": " ".join(part for part in (panel.about, long) if part),
        "note": made.note,
        "place": panel.place,
        "fields": [{"name": field, "label": label(field)} for field in made.fields],
        "metrics": [{"label": words(one), "kind": one.kind, "unit": unit(one)} for one in made.metrics],
        "time": made.over_time,
        "keys": [[_shown(value) for value in key] for key in made.keys],
        "names": [text(key) for key in made.keys],
        "points": [
            [time, point[1], *map(_json, point[2:])] for time, point in zip(times, made.points, strict=True)
        ],
        "before": made.before,
        "spec": coloured(spec(made), _variables()) if _drawn(made) else None,
    }


def _drawn(made: Numbers) -> bool:
    return made.panel.type in DRAWN and bool(made.keys)


def _variables() -> dict[str, str]:
    return {name: f"var(--{name})" for name in COLOURS}


def _place(moment: datetime, bucket: int, *, end: bool = False) -> int:
    seconds = int(moment.timestamp())
    return -(-seconds // bucket) if end else seconds // bucket


def _json(value: Any) -> Any:
    return int(value.timestamp()) if isinstance(value, datetime) else value


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return cut(value) if isinstance(value, str) else value
