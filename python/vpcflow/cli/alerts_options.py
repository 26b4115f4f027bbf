"""The options that the commands of `vpcflow alerts` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcflow.cli.options import options
from vpcflow.errors import ConfigError
from vpcflow.sinks import DEFAULT_TARGET

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule

__all__ = ["rules_of", "rules_option", "state_option", "state_options", "state_path"]


def _folders(ctx: click.Context, param: click.Parameter, value: tuple[Path, ...]) -> tuple[Path, ...]:
    from vpcflow.kibana.assets import folder

    for one in value:
        if not one.is_dir():
            raise ConfigError(f"{one}: is no folder; --rules takes one with rules, *.yml")
    return (folder() / "rules", *value)


#: The folders of rules, the one that ships first.
rules_option = click.option(
    "--rules",
    "folders",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    callback=_folders,
    help="Rules of your own, besides those that ship; one with the id of another stands in for it. Can be "
    "repeated.",
)

#: Where a run remembers what it told.
state_option = click.option(
    "--state",
    "state_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Remembers what was told. [default: beside the store, STORE-alerts.db; ./vpcflow-alerts.db for "
    "Elasticsearch]",
)

#: The same for commands that ask no flows.
state_options = options(
    click.option(
        "--from",
        "target",
        metavar="TARGET",
        default=DEFAULT_TARGET,
        show_default=True,
        help="Where the flows are, as the run was told.",
    ),
    state_option,
)


def state_path(target: str, given: Path | None) -> Path:
    """The file of the option, by default that of a target."""
    from vpcflow.query.flows import is_elasticsearch

    if given is not None:
        return given
    if is_elasticsearch(target):
        return Path("vpcflow-alerts.db")
    store = Path(target).resolve()
    return store.with_name(f"{store.name}-alerts.db")


def rules_of(folders: tuple[Path, ...]) -> list[Rule]:
    """The rules of the option.

    Raises:
        ConfigError: one of them can't be used.
    """
    from vpcflow.alerts.rules import load_several

    return load_several(folders)
