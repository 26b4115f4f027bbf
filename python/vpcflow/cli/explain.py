"""`vpcflow explain`: what a line says."""

from __future__ import annotations

import json
import sys

import click

from vpcflow import _core
from vpcflow._core import Format
from vpcflow.cli.options import format_option
from vpcflow.errors import ConfigError, FormatError

__all__ = ["explain"]


@click.command(short_help="Say what each field of a line means.")
@click.argument("line", nargs=-1, required=True, metavar="LINE")
@format_option(
    "Layout of the line: AWS's log-format string or default, v2 … v11, transit-gateway. "
    "[default: the one of AWS's that fits]"
)
def explain(line: tuple[str, ...], layout: Format | None) -> None:
    """Say what each field of a flow log line means, and show its ECS document.

    LINE may be quoted or not; - reads it from standard input, where a header line may come first.

    \b
    Examples:
      vpcflow explain 2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 \\
          20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK
      zcat flow.log.gz | head -2 | vpcflow explain -
    """  # noqa: D301 - click's mark for lines that stay as they are
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from vpcflow.cli.output import open_output, print_table, printable

    text = " ".join(line)
    if text == "-":
        text, layout = _from_stdin(layout)
    rows = _core.explain(text, format=layout)
    document = _core.parse(text.encode(errors="surrogateescape"), format=layout, on_error="raise").to_ecs()[0]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("field", "value", "in words", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, value, words, meaning in rows:
        table.add_row(
            *(Text(printable(cell)) for cell in (name, "-" if value is None else value, words or "", meaning))
        )
    with open_output(None) as file:
        print_table(table, file=file)
        file.write(json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n")


def _from_stdin(layout: Format | None) -> tuple[str, Format | None]:
    """The first line that is a record, and the layout that a header line before it names."""
    for line in sys.stdin:
        text = line.strip()
        if not text:
            continue
        try:
            named = Format.from_header(text)
        except FormatError:
            return text, layout
        layout = layout or named
    raise ConfigError("standard input holds no flow log line")
