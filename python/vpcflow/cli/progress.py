"""Progress on standard error: a bar on a terminal; of `vpcflow index` a line a minute elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vpcflow.cli.output import count, size

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from vpcflow.pipeline import Progress

__all__ = ["lines_of_progress", "show_progress", "show_steps"]

_MINUTE = 60.0


@contextmanager
def show_progress(*, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """What to call with each progress; None when nothing is to be shown."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as update:
            yield update
    else:
        yield lines_of_progress()


def lines_of_progress(interval: float = _MINUTE) -> Callable[[Progress], None]:
    """Says every `interval` seconds how far the run is, and how fast it was since the last time."""
    due, lines, seconds = interval, 0, 0.0

    def update(progress: Progress) -> None:
        nonlocal due, lines, seconds
        if progress.seconds < due:
            return
        rate = (progress.lines - lines) / (progress.seconds - seconds)
        due, lines, seconds = progress.seconds + interval, progress.lines, progress.seconds
        of = f" of {size(progress.total)} ({_share(progress):.0%})" if progress.total else ""
        lag = f", {progress.lag:,.0f} s behind" if progress.lag is not None and progress.total is None else ""
        click.echo(
            f"{count(progress.lines, 'line')} in {count(progress.files, 'file')}, "
            f"{size(progress.nbytes)}{of} read, {rate:,.0f} lines/s{lag}",
            err=True,
        )

    return update


@contextmanager
def show_steps(waiting: str, unit: str) -> Iterator[Callable[[int, int], None] | None]:
    """What to call with how many steps are done and how many there are; None when nothing is to be shown.

    Args:
        waiting: what is said before the first step.
        unit: what a step is.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with _columns() as bar:
        task = bar.add_task(waiting, total=None)
        yield lambda done, total: bar.update(
            task, completed=done, total=total, description=f"{done} of {count(total, unit)}"
        )


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    with _columns() as bar:
        task = bar.add_task("", total=None)

        def update(progress: Progress) -> None:
            rate = progress.lines / progress.seconds if progress.seconds else 0
            failed = f", {progress.failed:,} unreadable" if progress.failed else ""
            bar.update(
                task,
                total=progress.total,
                completed=progress.nbytes,
                description=f"{count(progress.lines, 'line')}{failed}, {rate:,.0f} lines/s",
            )

        yield update


def _columns() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        SpinnerColumn(),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.description}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )


def _share(progress: Progress) -> float:
    return min(1.0, progress.nbytes / progress.total) if progress.total else 0.0
