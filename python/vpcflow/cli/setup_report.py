"""What `vpcflow setup` says: a table of what was created, changed, left, and what else there is to know."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from vpcflow.cli.output import count, print_table, printable

if TYPE_CHECKING:
    from vpcflow.elastic.setup import Plan
    from vpcflow.kibana.changes import Section

__all__ = ["Report"]

_SHOWN = 40


@dataclass(slots=True)
class Report:
    """Collects lines from both servers.

    Attributes:
        failed: whether a server refused something.
        due: whether there was something to do.
    """

    dry_run: bool
    failed: bool = False
    due: bool = False
    _rows: list[tuple[str, str, str]] = field(default_factory=list)
    _details: list[str] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)
    _errors: list[str] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether no object was seen."""
        return not self._rows

    def add_templates(self, plan: Plan) -> None:
        """What became of Elasticsearch's templates."""
        stopped = False
        for change in plan.changes:
            self._row(change.part.kind, change.part.name, change.what, change.error, stopped=stopped)
            stopped = stopped or change.error is not None
            if change.differences and change.error is None:
                self._details.append(f"{change.part.name}:")
                self._details += [f"  {line}" for line in change.differences[:_SHOWN]]
                if (more := len(change.differences) - _SHOWN) > 0:
                    self._details.append(f"  … and {count(more, 'more difference')}")
            if change.error is not None:
                self._errors.append(f"{change.part.kind} {change.part.name}: {change.error}")
        self._end(plan.notes, plan.refused)

    def add_section(self, section: Section) -> None:
        """What became of dashboards, connectors or rules."""
        for change in section.changes:
            self._row(change.kind, change.name, change.what, change.error, why=change.why)
            if change.error:
                self._errors.append(f"{change.kind} {change.name}: {change.error}")
        self._end(section.notes, section.refused)

    def show(self) -> None:
        """Prints all of it: the table and notes to standard output, errors to standard error."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("object", "name", "result"):
            table.add_column(heading)
        for row in self._rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        if self._rows:
            print_table(table, file=sys.stdout.buffer)
        for line in self._details:
            click.echo(printable(line))
        for note in self._notes:
            click.echo(f"Note: {printable(note)}")
        if self.dry_run and self.due:
            click.echo("Nothing was changed: run it without --dry-run for that")
        sys.stdout.flush()
        for error in self._errors:
            click.echo(f"Error: {printable(error)}", err=True)

    def _row(
        self, kind: str, name: str, what: str, error: str | None, *, stopped: bool = False, why: str = ""
    ) -> None:
        due = what in ("created", "changed", "removed")
        self.due = self.due or due
        self.failed = self.failed or error is not None
        if error is not None:
            result = "refused"
        elif what == "newer":
            result = "left: a newer vpcflow wrote it"
        elif stopped and due:
            result = "not tried"
        elif not due:
            result = "left as it is"
        else:
            result = f"would be {what}" if self.dry_run else what
        self._rows.append((kind, name, f"{result} ({why})" if why and error is None else result))

    def _end(self, notes: list[str], refused: list[str]) -> None:
        self._notes += notes
        self._errors += refused
        self.failed = self.failed or bool(refused)
