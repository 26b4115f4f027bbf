"""What an inventory knows: of the interface that logged a record, and of either end that is ours.

An inventory file that is replaced while a run goes on is read again. Why the fields have their names:
docs/decisions/0013-inventory.md.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vpcflow.errors import ConfigError
from vpcflow.inventory import Inventory, NetworkInterface, Subnet, load
from vpcflow.inventory.kinds import kind, owner

if TYPE_CHECKING:
    from vpcflow.enrich import Interface

__all__ = ["LABELS", "InventoryAddresses", "InventoryFiles", "InventoryInterfaces", "label", "tag_keys"]

_LOG = logging.getLogger(__name__)

#: So many tags become labels when none are chosen: each is a field of every document and column.
LABELS = 20
#: Seconds between two looks at a file's time.
_LOOK = 5.0
#: So many interfaces are told apart in the note at the end.
_COUNTED = 100_000

_OF_INTERFACE = (
    "aws.vpcflow.instance_id",
    "aws.vpcflow.interface.description",
    "aws.vpcflow.interface.name",
    "aws.vpcflow.interface.owner",
    "aws.vpcflow.interface.type",
    "aws.vpcflow.security_groups",
    "aws.vpcflow.subnet_id",
    "aws.vpcflow.vpc_id",
    "aws.vpcflow.vpc_name",
    "cloud.availability_zone",
    "cloud.image.id",
    "cloud.instance.id",
    "cloud.instance.name",
    "cloud.machine.type",
    "cloud.region",
    "host.name",
    "network.name",
)
_OF_SIDE = (
    "side.cloud.account.id",
    "side.cloud.availability_zone",
    "side.cloud.instance.id",
    "side.cloud.instance.name",
    "side.domain",
    "side.interface.id",
    "side.interface.type",
)


class InventoryFiles:
    """The inventory that some files are together.

    Attributes:
        name: of the files, for messages.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        """Reads the files.

        Raises:
            ConfigError: one can't be read, or they hold nothing.
        """
        self._paths = [Path(path) for path in paths]
        self.name = ", ".join(map(str, paths))
        self._signature = self._stat()
        self._inventory = self._read()
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._generation = 0

    @property
    def inventory(self) -> Inventory:
        """What the files held when `generation` was last asked for."""
        return self._inventory

    @property
    def generation(self) -> int:
        """Changes when a file was replaced. One that can't be read is logged once, and changes nothing."""
        if time.monotonic() - self._looked > _LOOK and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return self._generation

    def must_have(self, accounts: Iterable[str]) -> None:
        """Checks the inventory against the accounts that logs are known to be of, before they are read.

        Raises:
            ConfigError: it has nothing of any of them.
        """
        wanted, known = set(accounts), self._inventory.accounts
        if wanted and known and not wanted & known:
            raise ConfigError(
                f"{self.name}: is an inventory of {_accounts(known)}, and the logs are of "
                f"{_accounts(wanted)}; pull one there with `vpcflow inventory pull`, or leave it out"
            )

    def _look(self) -> None:
        self._looked = time.monotonic()
        signature = self._stat()
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._inventory = self._read()
        except ConfigError as error:
            _LOG.warning("%s; what it was before stays in force", error)
            return
        self._generation += 1
        _LOG.info("%s was replaced: %d interfaces", self.name, len(self._inventory.interfaces))

    def _read(self) -> Inventory:
        inventory = Inventory([load(path) for path in self._paths])
        if not inventory.things:
            raise ConfigError(f"{self.name}: nothing is in this inventory; pull it again, or leave it out")
        return inventory

    def _stat(self) -> list[tuple[int, int, int] | None]:
        found: list[tuple[int, int, int] | None] = []
        for path in self._paths:
            try:
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                found.append(None)
        return found


class InventoryInterfaces:
    """An enricher: what is known of the interface that logged a record.

    Attributes:
        notes: what there is to say at the end of a run.
    """

    name = "inventory"
    key: Literal["interface"] = "interface"

    def __init__(
        self, files: InventoryFiles, tags: Sequence[str] | None = None, *, without: Container[str] = ()
    ) -> None:
        """Takes the tags that become labels; None chooses: see `tag_keys`. `without` are fields of others.

        Raises:
            ConfigError: of a tag's key no name can be made.
        """
        self._files = files
        chosen = tag_keys(files.inventory)[:LABELS] if tags is None else tags
        if nameless := [key for key in chosen if not label(key)]:
            raise ConfigError(
                f'no label can be named by the tag "{nameless[0]}": it has no letter and no digit'
            )
        labels = {key: f"labels.{label(key)}" for key in chosen}
        self._labels = {key: field for key, field in labels.items() if field not in without}
        self.fields: Mapping[str, str] = {
            **dict.fromkeys((*_OF_INTERFACE, *self._labels.values()), "keyword"),
            "aws.vpcflow.security_groups": "keyword[]",
        }
        self._found: set[str] = set()
        self._missing: dict[str, str | None] = {}

    @property
    def generation(self) -> int:
        return self._files.generation

    @property
    def addresses(self) -> Mapping[str, Sequence[str]]:
        """The addresses of each interface: with them, the direction of its flows need not be learned."""
        known = self._files.inventory.interfaces
        return {it.interface_id: it.addresses for it in known if it.interface_id and it.addresses}

    def look_up(self, value: Interface, /) -> Mapping[str, object] | None:
        inventory = self._files.inventory
        interface = inventory.interface(value.interface_id)
        self._count(value, interface)
        known = interface or NetworkInterface()
        instance_id = value.instance_id or known.instance_id
        instance = inventory.instances.get(instance_id) if instance_id else None
        subnet_id = value.subnet_id or known.subnet_id
        subnet = inventory.subnets.get(subnet_id) if subnet_id else None
        vpc_id = value.vpc_id or known.vpc_id or (subnet.vpc_id if subnet else None)
        vpc = inventory.vpcs.get(vpc_id) if vpc_id else None
        if not (interface or instance or subnet or vpc):
            return None
        name = instance.tags.get("Name") if instance else None
        answer: dict[str, object | None] = {
            "aws.vpcflow.instance_id": instance_id,
            "aws.vpcflow.interface.description": known.description,
            "aws.vpcflow.interface.name": known.tags.get("Name"),
            "aws.vpcflow.interface.owner": owner(known),
            "aws.vpcflow.interface.type": kind(known),
            "aws.vpcflow.security_groups": list(known.security_groups),
            "aws.vpcflow.subnet_id": subnet_id,
            "aws.vpcflow.vpc_id": vpc_id,
            "aws.vpcflow.vpc_name": vpc.tags.get("Name") if vpc else None,
            "cloud.availability_zone": known.availability_zone
            or (subnet.availability_zone if subnet else None),
            "cloud.image.id": instance.image_id if instance else None,
            "cloud.instance.id": instance_id,
            "cloud.instance.name": name,
            "cloud.machine.type": instance.instance_type if instance else None,
            "cloud.region": known.region or (subnet.region if subnet else None),
            "host.name": name or instance_id,
            "network.name": subnet.tags.get("Name") if subnet else None,
        }
        for tags in (known.tags, *(it.tags for it in (instance, subnet, vpc) if it)):
            for key, field in self._labels.items():
                if key in tags:
                    answer.setdefault(field, tags[key])
        return {field: text for field, text in answer.items() if text}

    def _count(self, value: Interface, interface: NetworkInterface | None) -> None:
        if value.interface_id is None or len(self._found) + len(self._missing) >= _COUNTED:
            return
        if interface is not None:
            self._found.add(value.interface_id)
        else:
            self._missing[value.interface_id] = value.account_id

    @property
    def notes(self) -> tuple[str, ...]:
        missing = {it: account for it, account in self._missing.items() if it not in self._found}
        if not missing:
            return ()
        total = len(missing) + len(self._found)
        known = self._files.inventory.accounts
        elsewhere = Counter(
            account for account in missing.values() if known and account and account not in known
        )
        elsewhere.pop("unknown", None)
        told = ", ".join(f"{number:,} of account {account}" for account, number in elsewhere.most_common(5))
        why = f": {told}, of which it has nothing" if told else "; pull it again if they are newer"
        one = "interface that logged is" if total == 1 else "interfaces that logged are"
        return (f"{self._files.name}: {len(missing):,} of {total:,} {one} not in it{why}",)


class InventoryAddresses:
    """An enricher: which of our things an address belongs to, on either side of a flow."""

    name = "inventory"
    key: Literal["address"] = "address"
    fields: Mapping[str, str] = dict.fromkeys(_OF_SIDE, "keyword")

    def __init__(self, files: InventoryFiles) -> None:
        self._files = files

    @property
    def generation(self) -> int:
        return self._files.generation

    def look_up(self, value: str, /) -> Mapping[str, object] | None:
        inventory = self._files.inventory
        found = inventory.at(value)
        if found is None:
            return None
        answer: dict[str, str | None] = {
            "side.cloud.account.id": found.account_id,
            "side.cloud.availability_zone": found.availability_zone,
        }
        if not isinstance(found, Subnet):
            instance = inventory.instance_of(found)
            name = instance.tags.get("Name") if instance else None
            answer |= {
                "side.cloud.availability_zone": found.availability_zone or _zone(inventory, found),
                "side.cloud.instance.id": found.instance_id,
                "side.cloud.instance.name": name,
                "side.domain": name or found.tags.get("Name") or owner(found),
                "side.interface.id": found.interface_id,
                "side.interface.type": kind(found),
            }
        return {field: text for field, text in answer.items() if text}


def tag_keys(inventory: Inventory) -> list[str]:
    """The keys that people gave, those that most things have first.

    ``Name`` is a field of its own. Keys with a colon or a slash (``aws:autoscaling:groupName``,
    ``kubernetes.io/cluster/…``) are made by machines for machines.
    """
    used = Counter(
        key
        for thing in inventory.things
        for key in thing.tags
        if key != "Name" and ":" not in key and "/" not in key and label(key)
    )
    return sorted(used, key=lambda key: (-used[key], key))


def label(key: str) -> str:
    """A tag's key as the name of a label: small letters, digits, and ``_`` for the rest."""
    return re.sub(r"[\W_]+", "_", key.lower()).strip("_")


def _zone(inventory: Inventory, interface: NetworkInterface) -> str | None:
    subnet = inventory.subnets.get(interface.subnet_id or "")
    return subnet.availability_zone if subnet else None


def _accounts(accounts: Iterable[str]) -> str:
    several = sorted(accounts)
    shown = ", ".join(several[:3]) + (f" and {len(several) - 3} more" if len(several) > 3 else "")
    return f"account{'s' if len(several) > 1 else ''} {shown}"
