"""The option that the commands of `vpcflow alerts` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule

__all__ = ["rules_of", "rules_option"]


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


def rules_of(folders: tuple[Path, ...]) -> list[Rule]:
    """The rules of the option.

    Raises:
        ConfigError: one of them can't be used.
    """
    from vpcflow.alerts.rules import load_several

    return load_several(folders)
