"""Values by network: what is known of an address from the CIDRs that it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Generic, TypeVar

__all__ = ["Networks"]

_Value = TypeVar("_Value")


class Networks(Generic[_Value]):
    """A table from networks of both families to values. A look-up costs a probe a prefix length in use."""

    def __init__(self) -> None:
        # By version and prefix length, the longest first; in each the networks by their bits.
        self._tables: dict[tuple[int, int], dict[int, _Value]] = {}

    def put(self, network: IPv4Network | IPv6Network, value: _Value) -> None:
        key = (network.version, network.prefixlen)
        if key not in self._tables:
            self._tables[key] = {}
            self._tables = dict(sorted(self._tables.items(), reverse=True))
        self._tables[key][_bits(network.network_address, network.prefixlen)] = value

    def containing(self, address: IPv4Address | IPv6Address) -> Iterator[_Value]:
        """The values of the networks that hold an address, the smallest network first."""
        for (version, length), table in self._tables.items():
            if version == address.version:
                bits = _bits(address, length)
                if bits in table:
                    yield table[bits]


def _bits(address: IPv4Address | IPv6Address, length: int) -> int:
    return int(address) >> (address.max_prefixlen - length)
