"""Options that the commands of `vpcflow alerts` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vpcflow.cli.options import ca_option, options
from vpcflow.errors import ConfigError
from vpcflow.sinks import DEFAULT_TARGET

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule

__all__ = ["rules_of", "rules_option", "target_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


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


def target_options(*, required: bool = True) -> Callable[[_Command], _Command]:
    """``--from``, ``--namespace`` and ``--ca``: where the flows are."""
    where = click.option(
        "--from",
        "target",
        metavar="TARGET",
        default=DEFAULT_TARGET if required else None,
        show_default=required,
        help="Where the flows are: folder of a Parquet store; https://host:9200, or cloud: and a Cloud ID, "
        "is Elasticsearch.",
    )
    namespace = click.option(
        "--namespace", metavar="NAME", help="Elasticsearch: of the data stream. [default: all of them]"
    )
    return options(where, namespace, ca_option)
