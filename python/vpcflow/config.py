"""``vpcflow.toml``: what a run needs, in a file.

::

    [index]
    sources = ["sqs:https://sqs.eu-west-1.amazonaws.com/123456789012/flow-logs"]
    to = "https://elasticsearch.example.com:9200"
    follow = true

    [aws]
    role_arn = "arn:aws:iam::123456789012:role/flow-logs-reader"

    [service]
    health_file = "/run/vpcflow/health.json"
    metrics = "127.0.0.1:9464"

    [[owners]]
    name = "Jane Roe"
    team = "payments"
    match = { vpcs = ["vpc-0a1b2c3d"] }

Every key is an option of ``vpcflow index`` with ``_`` for ``-``; the tables only put in order what belongs
together. ``[[owners]]`` is no option: see `vpcflow.owners`; nor is ``[kibana]``, which is for
``vpcflow setup``: see `vpcflow.kibana.config`; nor ``[alerts]``, for ``vpcflow alerts run``: see
`vpcflow.alerts.notify.config`. An option on the command line goes before the file. Secrets
have no place in it: they come from the environment, or from files that it names.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vpcflow._core import Direction
from vpcflow.errors import ConfigError
from vpcflow.owners import Match, Owner
from vpcflow.owners import read as read_owners

__all__ = ["OPTIONS", "TABLES", "Match", "Owner", "load", "load_owners", "load_table"]

#: The options that each table holds.
TABLES: dict[str, tuple[str, ...]] = {
    "index": (
        "sources", "to", "format", "namespace", "ids", "on_error", "dead_letter", "preserve_original", "tags",
        "workers", "ca", "give_up_after", "follow", "checkpoint",
    ),
    "aws": ("profile", "role_arn", "external_id", "endpoint_url", "region"),
    "s3": ("since", "until", "accounts", "regions", "interval"),
    "sqs": ("max_receives",),
    "cloudwatch": (
        "latency", "scan_frequency", "start_position", "log_streams", "log_stream_prefix",
        "number_of_workers",
    ),
    "enrich": ("use", "direction", "internal_networks"),
    "enrich.aws": ("ranges",),
    "enrich.geo": ("files",),
    "enrich.inventory": ("files", "tags"),
    "enrich.threat": ("files",),
    "service": ("health_file", "metrics"),
}  # fmt: skip

#: Where a key in its table is short for the option.
OPTIONS = {
    ("enrich", "use"): "enrich",
    ("enrich.aws", "ranges"): "aws_ranges",
    ("enrich.geo", "files"): "geo",
    ("enrich.inventory", "files"): "inventory",
    ("enrich.inventory", "tags"): "inventory_tags",
    ("enrich.threat", "files"): "threat_lists",
}

#: Tables of other commands, whose modules read them.
_OTHERS = ("kibana", "alerts")

_LISTS = frozenset(
    {
        "sources", "tags", "accounts", "regions", "log_streams", "inventory", "inventory_tags", "geo",
        "threat_lists", "enrich", "internal_networks",
    }
)  # fmt: skip


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The options of ``vpcflow index`` that a file sets, by name.

    Raises:
        ConfigError: the file can't be read, is not TOML, or has a table, key or value that means nothing.
    """
    where = os.fspath(path)
    text, content = _read(path)
    _owners(where, text, content)
    options: dict[str, Any] = {}
    for name, table in _tables(where, content):
        for key, value in table.items():
            if key not in TABLES[name]:
                raise ConfigError(f"{where}: [{name}] has no {key}{_elsewhere(key, name)}")
            option = OPTIONS.get((name, key), key)
            options[option] = _value(where, f"[{name}] {key}", option, value)
    _check(where, options)
    return options


def load_owners(path: str | os.PathLike[str]) -> tuple[Owner, ...]:
    """Who answers for what, by the file's ``[[owners]]``: the first that matches counts.

    Raises:
        ConfigError: the file can't be read, or an owner can't be as it is.
    """
    text, content = _read(path)
    return _owners(os.fspath(path), text, content)


def load_table(
    path: str | os.PathLike[str], name: str, texts: tuple[str, ...], tables: tuple[str, ...]
) -> dict[str, Any]:
    """A table that holds no options, when the rest of the file is right, too.

    Args:
        path: of the file.
        name: of the table.
        texts: its keys with a text.
        tables: its keys with tables, each under a name.

    Raises:
        ConfigError: the file can't be read, is not TOML, or has a table, key or value that means nothing.
    """
    load(path)
    where = os.fspath(path)
    table = _read(path)[1].get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: {name} must be a table, [{name}]")
    for key, value in table.items():
        if key in tables:
            if not isinstance(value, Mapping) or not all(isinstance(one, Mapping) for one in value.values()):
                raise ConfigError(f"{where}: [{name}] {key} are tables, [{name}.{key}.NAME]")
        elif key not in texts:
            raise ConfigError(f"{where}: [{name}] has no {key}{_meant(key, [*texts, *tables])}")
        elif not isinstance(value, str) or not value:
            raise ConfigError(f"{where}: [{name}] {key} must be a text")
    return dict(table)


def _read(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    where = os.fspath(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}; give the path of a vpcflow.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: is not TOML: {error}") from error


def _owners(where: str, text: str, content: Mapping[str, Any]) -> tuple[Owner, ...]:
    return read_owners(where, text, content["owners"]) if "owners" in content else ()


def _tables(where: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables that hold options, and those within tables under both names."""
    for name, table in content.items():
        if name in ("owners", *_OTHERS):
            continue
        within = [known for known in TABLES if known.startswith(f"{name}.")]
        if name not in TABLES and not within:
            raise ConfigError(
                f"{where}: [{name}] is no table of it{_meant(name, [*TABLES, *_OTHERS, 'owners'])}"
            )
        if not isinstance(table, Mapping):
            raise ConfigError(f"{where}: {name} must be a table, [{name}]")
        plain = {key: value for key, value in table.items() if f"{name}.{key}" not in within}
        for key in plain:
            if within and key not in TABLES.get(name, ()):
                known = [*within, *TABLES.get(name, ())]
                raise ConfigError(f"{where}: [{name}] has no {key}{_meant(f'{name}.{key}', known)}")
        yield name, plain
        for key in table.keys() - plain.keys():
            if not isinstance(table[key], Mapping):
                raise ConfigError(f"{where}: {name}.{key} must be a table, [{name}.{key}]")
            yield f"{name}.{key}", table[key]


def _value(where: str, what: str, key: str, value: Any) -> Any:
    """The value as the command line would have it: texts and numbers, several in a tuple."""
    if key in _LISTS:
        many = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) and one for one in many):
            raise ConfigError(f"{where}: {what} must be a list of texts")
        return tuple(many)
    if isinstance(value, list | dict):
        raise ConfigError(f"{where}: {what} must be a single value")
    return value if isinstance(value, bool) else str(value)


def _check(where: str, options: dict[str, Any]) -> None:
    """What only the file can say well: where a wrong network stands."""
    try:
        Direction(internal_networks=options.get("internal_networks"))
    except ValueError as error:
        raise ConfigError(f"{where}: [enrich] internal_networks: {error}") from error


def _elsewhere(key: str, table: str) -> str:
    for other, keys in TABLES.items():
        if key in keys:
            return f"; it belongs into [{other}]"
    return _meant(key, TABLES[table])


def _meant(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
