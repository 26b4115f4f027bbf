"""What an interface belongs to that AWS made for one of its services.

EC2 says a type for some (``nat_gateway``), and ``interface`` for the others; then the description tells.
Sources: "Requester-managed network interfaces" in the EC2 user guide, the values of InterfaceType in EC2's
API, and descriptions as EC2 gives them.
"""

from __future__ import annotations

import re

from vpcflow.inventory.model import NetworkInterface

__all__ = ["kind", "owner"]

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

#: Descriptions, and in their group the thing that has the interface, where they say it.
_DESCRIPTIONS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"ELB app/([^/]+)/[0-9a-f]+", "application_load_balancer"),
        (r"ELB net/([^/]+)/[0-9a-f]+", "network_load_balancer"),
        (r"ELB gwy/([^/]+)/[0-9a-f]+", "gateway_load_balancer"),
        (r"ELB ([A-Za-z0-9-]+)", "classic_load_balancer"),
        (r"Interface for NAT Gateway (nat-[0-9a-f]+)", "nat_gateway"),
        (r"VPC Endpoint Interface:? (vpce-[0-9a-f]+)", "vpc_endpoint"),
        (r"Resource Gateway Interface (rgw-[0-9a-f]+)", "resource_gateway"),
        (r"Network Interface for Transit Gateway Attachment (tgw-attach-[0-9a-f]+)", "transit_gateway"),
        (rf"AWS Lambda VPC ENI[-:] ?(.+?)(?:-{_UUID})?", "lambda"),
        (r"EFS mount target for (fs-[0-9a-f]+)(?: .*)?", "efs"),
        (r"RDSNetworkInterface()", "rds"),
        (r"Network interface for DBProxy()", "rds_proxy"),
        (r"RedshiftNetworkInterface()", "redshift"),
        (r"DMSNetworkInterface()", "dms"),
        (r"ElastiCache[ +](.+)", "elasticache"),
        (r"DAX (.+)", "dax"),
        (r"Amazon EKS (.+)", "eks"),
        (r"arn:[\w-]+:ecs:[\w-]+:\d+:attachment/()" + _UUID, "ecs_task"),
        (r"Route 53 Resolver: (rslvr-[\w-]+):.*", "route53_resolver"),
        (r"AWS created network interface for directory (d-[0-9a-f]+)", "directory"),
    )
)  # fmt: skip
#: The aliases of services under RequesterId.
_ALIAS = "amazon-"


def kind(interface: NetworkInterface) -> str | None:
    """EC2's type, as flow logs spell it; where that is only ``interface``, the service's.

    None where nothing tells.
    """
    told = interface.interface_type
    if told is not None and told != "interface":
        # The one value of EC2's that isn't spelled as the others.
        return "nat_gateway" if told == "natGateway" else told
    if (found := _described(interface)) is not None:
        return found[0]
    if interface.instance_id is None and (alias := _alias(interface)):
        return alias.removeprefix(_ALIAS)
    return told


def owner(interface: NetworkInterface) -> str | None:
    """The thing that a service's interface is for, by name or id; else the service's alias."""
    found = _described(interface)
    return (found[1] if found is not None else None) or (
        _alias(interface) if interface.instance_id is None else None
    )


def _described(interface: NetworkInterface) -> tuple[str, str | None] | None:
    # An instance's is the user's own, and so is what it is called.
    if interface.description is None or interface.instance_id is not None:
        return None
    for pattern, name in _DESCRIPTIONS:
        if matched := pattern.fullmatch(interface.description):
            return name, matched[1] or None
    return None


def _alias(interface: NetworkInterface) -> str | None:
    requester = interface.requester_id or ""
    return requester if requester.startswith(_ALIAS) else None
