"""What is ours and whose: the enrichers of an inventory and of owners, in the order in which they count."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vpcflow.enrich.inventory import InventoryAddresses, InventoryFiles, InventoryInterfaces
from vpcflow.enrich.owners import FIELDS, OwnersByAddress, OwnersByInterface

if TYPE_CHECKING:
    from vpcflow.enrich import Enricher
    from vpcflow.owners import Owner

__all__ = ["accounts_of", "enrichers"]

#: How AWS's folders and file names tell the account.
_ACCOUNT = re.compile(
    r"AWSLogs/(?:o-[a-z0-9]+/)?(\d{12})(?:/|$)|aws-account-id=(\d{12})(?:/|$)|(?:^|/)(\d{12})_vpcflowlogs_"
)


def enrichers(
    inventory: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    tags: Sequence[str] | None = None,
    owners: Sequence[Owner] = (),
    accounts: Iterable[str] = (),
) -> list[Enricher]:
    """The enrichers of inventory files and of owners, for ``vpcflow.index(..., enrich=[...])``.

    Args:
        inventory: files as `vpcflow inventory pull` writes them, or CSV.
        tags: keys of those that become ``labels.*``; None is the twenty that most things have.
        owners: as `vpcflow.config.load_owners` reads them; then ``labels.owner`` and ``labels.team`` are
            theirs, and not made of tags.
        accounts: that the logs are known to be of: an inventory with nothing of them is refused.

    Raises:
        ConfigError: a file can't be read, is of other accounts, or owners need one and there is none.
    """
    paths = [inventory] if isinstance(inventory, str | os.PathLike) else list(inventory)
    files = InventoryFiles(paths) if paths else None
    found: list[Enricher] = []
    if owners:
        found += [OwnersByInterface(owners, files), OwnersByAddress(owners)]
    if files is not None:
        files.must_have(accounts)
        # With owners these labels are theirs: a tag's would be of another's team.
        taken = FIELDS.keys() if owners else set()
        found += [InventoryInterfaces(files, tags, without=taken), InventoryAddresses(files)]
    return found


def accounts_of(sources: Iterable[object]) -> set[str]:
    """The accounts that sources are of, by AWS's names of folders and files; none where one doesn't tell."""
    told = [_ACCOUNT.search(os.fspath(it)) if isinstance(it, str | os.PathLike) else None for it in sources]
    return {next(filter(None, found.groups())) for found in told if found} if all(told) else set()
