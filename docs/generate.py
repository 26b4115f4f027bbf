"""Writes the pages of docs/ that the program itself knows: `make docs`. A test compares them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from vpcflow import _core
from vpcflow.cli import main

HERE = Path(__file__).parent


def reference() -> str:
    """Every command's help."""
    os.environ["COLUMNS"] = "100"
    parts = ["# Reference\n\nWhat `vpcflow COMMAND -h` prints. Made by `make docs`.\n"]
    context = click.Context(main, info_name="vpcflow", terminal_width=100, max_content_width=100)
    commands = [("vpcflow", main, context)]
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is None:
            raise LookupError(name)
        inner = click.Context(
            command, info_name=name, parent=context, terminal_width=100, max_content_width=100
        )
        commands.append((f"vpcflow {name}", command, inner))
        for below in command.list_commands(inner) if isinstance(command, click.Group) else ():
            one = command.get_command(inner, below)
            if one is None:
                raise LookupError(below)
            own = click.Context(one, info_name=below, parent=inner, terminal_width=100, max_content_width=100)
            commands.append((f"vpcflow {name} {below}", one, own))
    for name, command, inner in commands:
        help_text = "\n".join(line.rstrip() for line in command.get_help(inner).splitlines())
        parts.append(f"## {name}\n\n```text\n{help_text}\n```\n")
    return "\n".join(parts)


def fields() -> str:
    """Every field of a record, and every field of a document."""
    lines = [
        "# Fields",
        "",
        "Made by `make docs` from what the core knows.",
        "",
        "## Of a flow log record",
        "",
        "| version | name | Parquet type | meaning |",
        "| --: | --- | --- | --- |",
    ]
    lines += [
        f"| {version} | `{name}` | {kind} | {meaning} |" for version, name, kind, meaning in _core.fields()
    ]
    lines += [
        "",
        "## Of a document, in its order",
        "",
        "The Parquet store leaves out what follows from other columns; `vpcflow query` puts it back.",
        "",
        "| field | Elasticsearch type | in the store |",
        "| --- | --- | --- |",
    ]
    for name, kind, sql in _core.columns():
        lines.append(
            f"| `{name}` | {kind} | {'made by the view' if sql else 'column, where the logs say it'} |"
        )
    return "\n".join(lines) + "\n"


PAGES = {"reference.md": reference, "fields.md": fields}

if __name__ == "__main__":
    for page, make in PAGES.items():
        (HERE / page).write_text(make())
        sys.stdout.write(f"docs/{page}\n")
