"""The HTML part of a mail: readable in a light and a dark mail program, with pictures shut off, on a phone.

Styles stand at the elements: some mail programs drop style sheets. No text has a colour of its own but on its
own background, so that a program that turns colours round has nothing to get wrong.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from vpcflow.alerts.notify.chart import HEIGHT, WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vpcflow.alerts.notify.letter import Letter

__all__ = ["page"]

_LEVELS = {
    "informational": "#475569",
    "low": "#1d4ed8",
    "medium": "#92400e",
    "high": "#b91c1c",
    "critical": "#86198f",
}
_BUTTON = "color:#ffffff;border-radius:5px"
_CELL = "padding:4px 14px 4px 0;border-bottom:1px solid #94a3b8;vertical-align:top;text-align:"


def page(letter: Letter, picture: str | None) -> str:
    """A whole document.

    Args:
        letter: what it says.
        picture: ``cid:…`` of the chart, if there is one.
    """
    badge = f"{_BUTTON};background:{_LEVELS[letter.level]};padding:2px 8px;font-size:13px"
    parts = [
        f'<h1 style="font-size:20px;line-height:1.3;margin:0 0 12px">{escape(letter.title)}'
        f' <span style="{badge}">{escape(letter.level)}</span></h1>',
        _paragraph(letter.about),
        _paragraph(letter.found),
        _table(letter),
    ]
    if picture:
        parts.append(
            f'<p style="margin:0 0 16px"><img src="{escape(picture)}" width="{WIDTH}" height="{HEIGHT}"'
            f' alt="" style="display:block;width:100%;max-width:{WIDTH}px;height:auto">'
            f"<small>{escape(letter.history)}</small></p>"
        )
    if letter.otherwise:
        items = "".join(f"<li>{escape(one)}</li>" for one in letter.otherwise)
        parts.append(f'<p style="margin:0">It may also be:</p><ul style="margin:0 0 16px">{items}</ul>')
    if letter.url:
        button = f"{_BUTTON};background:#1d4ed8;padding:8px 16px;text-decoration:none"
        parts.append(_block(f'<a href="{escape(letter.url)}" style="{button}">Open the dashboard</a>'))
    else:
        parts.append(_block(f"Look at it: <code>{escape(letter.command)}</code>"))
    parts.append(f'<p style="margin:0;font-size:13px">Rule: {escape(letter.rule)}</p>')
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{escape(letter.subject)}</title>
<style>:root {{ color-scheme: light dark; supported-color-schemes: light dark; }}</style>
</head>
<body style="margin:0;padding:20px;font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif">
<div style="max-width:760px">
{body}
</div>
</body>
</html>
"""


def _paragraph(text: str) -> str:
    return _block(escape(text))


def _block(content: str) -> str:
    return f'<p style="margin:0 0 16px">{content}</p>'


def _table(letter: Letter) -> str:
    # The last two are the number and the time: on a phone they stay in one line.
    sides = ["left"] * (len(letter.columns) - 2) + ["right;white-space:nowrap", "left;white-space:nowrap"]
    head = _cells('th scope="col"', letter.columns, [side.partition(";")[0] for side in sides])
    rows = "".join(f"<tr>{_cells('td', row, sides)}</tr>" for row in letter.rows)
    more = f"and {letter.more:,} more" if letter.more else ""
    return (
        '<div style="overflow-x:auto;margin:0 0 16px"><table style="border-collapse:collapse;font-size:14px">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}</div>"
    )


def _cells(tag: str, texts: Sequence[str], sides: Sequence[str]) -> str:
    end = tag.partition(" ")[0]
    cells = zip(texts, sides, strict=True)
    return "".join(f'<{tag} style="{_CELL}{side}">{escape(text)}</{end}>' for text, side in cells)
