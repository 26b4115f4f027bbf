"""What an account has: network interfaces, instances, subnets and VPCs, from files that hold them.

`vpcflow inventory pull` writes such a file; `load` reads it, or a CSV file from anywhere.
"""

from __future__ import annotations

from vpcflow.inventory.files import load, write
from vpcflow.inventory.model import Instance, Inventory, NetworkInterface, Parts, Subnet, Vpc

__all__ = ["Instance", "Inventory", "NetworkInterface", "Parts", "Subnet", "Vpc", "load", "write"]
