"""Whose job a flow is: ``labels.owner`` and ``labels.team`` from the ``[[owners]]`` of a vpcflow.toml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Literal

from vpcflow.errors import ConfigError
from vpcflow.inventory import Inventory
from vpcflow.inventory.model import canonical
from vpcflow.networks import Networks

if TYPE_CHECKING:
    from vpcflow.enrich import Interface
    from vpcflow.enrich.inventory import InventoryFiles
    from vpcflow.owners import Owner

__all__ = ["FIELDS", "OwnersByAddress", "OwnersByInterface"]

FIELDS = {"labels.owner": "keyword", "labels.team": "keyword"}


class OwnersByInterface:
    """An enricher: whose the interface is that logged a record.

    With an inventory, its VPC and subnet need not be in the log, its tags count, and CIDRs count for its own
    addresses.
    """

    name = "owners"
    key: Literal["interface"] = "interface"
    fields: Mapping[str, str] = FIELDS

    def __init__(self, owners: Sequence[Owner], files: InventoryFiles | None = None) -> None:
        """Takes the owners, the first of which goes before the others.

        Raises:
            ConfigError: there are tags to match and no inventory to know tags from.
        """
        if files is None and (owner := next((owner for owner in owners if owner.match.tags), None)):
            raise ConfigError(
                f"[[owners]] {owner.name}: tags are known from an inventory; give --inventory FILE, or "
                "[enrich.inventory] files in vpcflow.toml"
            )
        self._files = files
        self._answers = [_answer(owner) for owner in owners]
        self._ids: dict[str, int] = {}
        self._tags: dict[str, int] = {}
        for number, owner in enumerate(owners):
            # Ids of different kinds can't be mistaken for each other.
            match = owner.match
            for identity in (*match.accounts, *match.vpcs, *match.subnets, *match.interfaces):
                self._ids.setdefault(identity, number)
            for tag in match.tags:
                self._tags.setdefault(tag, number)
        self._networks = _networks(owners)

    @property
    def generation(self) -> int:
        return self._files.generation if self._files is not None else 0

    def look_up(self, value: Interface, /) -> Mapping[str, object] | None:
        numbers = self._matching(value, self._files.inventory if self._files is not None else None)
        number = min(numbers, default=None)
        return self._answers[number] if number is not None else None

    def _matching(self, value: Interface, inventory: Inventory | None) -> Iterator[int]:
        known = inventory.interface(value.interface_id) if inventory is not None else None
        subnet_id = value.subnet_id or (known.subnet_id if known else None)
        vpc_id = value.vpc_id or (known.vpc_id if known else None)
        account_id = value.account_id
        if known is not None and (account_id is None or account_id == "unknown"):
            account_id = known.account_id
        for identity in (value.interface_id, subnet_id, vpc_id, account_id):
            if identity in self._ids:
                yield self._ids[identity]
        if inventory is None:
            return
        if self._tags:
            for tags in inventory.tags_of(known, subnet_id, vpc_id):
                for key, text in tags.items():
                    if (tag := f"{key}={text}") in self._tags:
                        yield self._tags[tag]
        for address in known.addresses if known is not None else ():
            yield from self._networks.containing(ip_address(address))


class OwnersByAddress:
    """An enricher: whose network an address is in."""

    name = "owners"
    key: Literal["address"] = "address"
    fields: Mapping[str, str] = FIELDS

    def __init__(self, owners: Sequence[Owner]) -> None:
        self._answers = [_answer(owner) for owner in owners]
        self._networks = _networks(owners)

    def look_up(self, value: str, /) -> Mapping[str, object] | None:
        text = canonical(value)
        if text is None:
            return None
        number = min(self._networks.containing(ip_address(text)), default=None)
        return self._answers[number] if number is not None else None


def _answer(owner: Owner) -> Mapping[str, object]:
    # Always both: else the interface's owner would get the team of an address's.
    return {"labels.owner": owner.name, "labels.team": owner.team or owner.name}


def _networks(owners: Sequence[Owner]) -> Networks[int]:
    """The number of the first owner that names a network."""
    first: dict[IPv4Network | IPv6Network, int] = {}
    for number, owner in enumerate(owners):
        for network in owner.match.cidrs:
            first.setdefault(network, number)
    networks: Networks[int] = Networks()
    for network, number in first.items():
        networks.put(network, number)
    return networks
