"""The command line: one file a command, loaded when it is used."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any, NoReturn

import click

from vpcflow import __version__
from vpcflow.errors import ConfigError, VpcflowError

__all__ = ["main", "run"]

# Where each command is and what the overview says of it: `vpcflow --help` loads none of them.
_COMMANDS = {
    "index": ("vpcflow.cli.index:index", "Read flow logs and write ECS documents."),
    "setup": ("vpcflow.cli.setup:setup", "Set Elasticsearch and Kibana up: templates, dashboards, alerts."),
    "alerts": ("vpcflow.cli.alerts:alerts", "Watch flows by alert rules, and tell whom it concerns."),
    "query": ("vpcflow.cli.query:query", "Ask flows by the names of questions, or a store in SQL."),
    "report": ("vpcflow.cli.report:report", "Make the dashboards one page that needs no Kibana."),
    "diagnose": (
        "vpcflow.cli.diagnose:diagnose",
        "Explain refused flows, and check security groups.",
    ),
    "inventory": ("vpcflow.cli.inventory:inventory", "Ask AWS what an account has, for --inventory."),
    "explain": ("vpcflow.cli.explain:explain", "Say what each field of a line means."),
    "demo": ("vpcflow.cli.demo:demo", "Index and query a day of made-up traffic."),
}

_INTERRUPTED = 130
_PIPE_CLOSED = 141  # what a shell reports of a program that SIGPIPE ended


class _Commands(click.Group):
    """Loads commands by name and turns errors into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from difflib import get_close_matches

        if args[0] not in _COMMANDS and (close := get_close_matches(args[0], _COMMANDS, 1)):
            ctx.fail(f"No such command {args[0]!r}; did you mean {close[0]}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _end("Interrupted", _INTERRUPTED)
        except BrokenPipeError:
            _discard_output()
            _end(None, _PIPE_CLOSED)
        except VpcflowError as error:
            if os.environ.get("VPCFLOW_DEBUG"):
                raise
            _end(_message(error), 2 if isinstance(error, ConfigError) else 1)
        except OSError as error:
            if os.environ.get("VPCFLOW_DEBUG"):
                raise
            _discard_output()
            name = f"{error.filename}: " if error.filename else ""
            _end(f"Error: {name}{error.strerror or error}", 1)
        return result


def _message(error: VpcflowError) -> str:
    from vpcflow.cli.output import printable

    where = "".join(f"{note.removeprefix('in ')}: " for note in getattr(error, "__notes__", []))
    return f"Error: {printable(where + str(error))}"


def _discard_output() -> None:
    """Python would try, and fail, to write at exit what standard output did not take."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # there is no standard output to begin with
        pass


def _end(message: str | None, code: int) -> NoReturn:
    if message is not None:
        click.echo(message, err=True)
    raise _Ended(code)


class _Ended(SystemExit):
    """An end by an error, when threads may still be at work."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def run() -> None:
    """The program `vpcflow`."""
    try:
        main(prog_name="vpcflow")
    except _Ended as end:
        if threading.active_count() > 1:
            # A thread hangs in a read, of a pipe that stays silent, say: Python's way out could wait for it.
            sys.stderr.flush()
            os._exit(end.status)
        raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="vpcflow %(version)s")
def main() -> None:
    """Read AWS VPC Flow Logs of every version and write Elastic Common Schema documents.

    \b
    vpcflow demo                                    a made-up day, to try things out
    vpcflow index logs/                             into ./vpcflow-data, a Parquet store
    vpcflow query top-talkers                       ask it; --list has more questions
    vpcflow index logs/ --to https://host:9200      into Elasticsearch

    Each command says more with -h. VPCFLOW_DEBUG=1 shows where in the program an error came from.
    """  # noqa: D301 - click's mark for lines that stay as they are
