"""Runs `vpcflow setup` against a Kibana and reads the table that it prints."""

from __future__ import annotations

import re
from typing import NamedTuple

from click.testing import CliRunner

from vpcflow.cli.setup import setup as command
from vpcflow.errors import ConfigError, VpcflowError

#: The stub's API key, encoded.
KEY = "VnVhQ2ZHY0JDZGJrU4m2hUWVI6dGVzdA=="


class Run(NamedTuple):
    """What a command printed: the table by kind and name, standard output, standard error."""

    table: dict[tuple[str, str], str]
    out: str
    err: str


def setup(url, *args, code=0, **environ) -> Run:
    """Runs `vpcflow setup --kibana URL` in this process: another one would take a second to start."""
    arguments = ["--kibana", url, *args] if url else list(args)
    done = CliRunner().invoke(command, arguments, env={"KIBANA_API_KEY": KEY} | environ)
    err, status = done.stderr, done.exit_code
    if isinstance(done.exception, VpcflowError):  # what the group of commands makes of it
        err, status = f"{err}Error: {done.exception}\n", 2 if isinstance(done.exception, ConfigError) else 1
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert status == code, done.stdout + err
    rows = (re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines())
    table = {(row[0], row[1]): row[2] for row in rows if len(row) == 3 and row[0] != "object"}
    return Run(table, done.stdout, err)


def words(run, kind=None) -> set[str]:
    """What became of the objects, or of those of one kind."""
    return {result for (what, _), result in run.table.items() if kind in (None, what)}
