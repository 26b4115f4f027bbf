"""Asks EC2 what an account has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from vpcflow.aws.errors import code, explain
from vpcflow.aws.session import client, session
from vpcflow.errors import ConfigError
from vpcflow.inventory.model import Instance, NetworkInterface, Parts, Subnet, Vpc
from vpcflow.sources.base import SourceOptions

__all__ = ["pull"]

#: Things in an answer: the most that EC2 gives. Without it, EC2 tries to give all at once, and fails on many.
_PAGE = 1000


def pull(
    options: SourceOptions,
    regions: Sequence[str] = (),
    roles: Sequence[str] = (),
    *,
    told: Callable[[str], None] = lambda what: None,
) -> Parts:
    """Everything that some accounts have in some regions.

    Args:
        options: how to get at AWS; its region and role are used where no others are given.
        regions: empty: the one that boto3 is set up for.
        roles: ARNs of roles to assume, one for each account; empty: the credentials' own account.
        told: called with what is asked for next.

    Raises:
        ConfigError: AWS refuses it: credentials, permissions, regions.
        SourceError: AWS doesn't answer.
    """
    parts = Parts()
    assumed: Sequence[str | None] = roles or [options.role_arn]
    asked: Sequence[str | None] = list(dict.fromkeys(regions)) or [options.region]
    for role in assumed:
        shared = session(replace(options, role_arn=role))
        for region in asked:
            there = replace(options, role_arn=role, region=region)
            what = f"EC2 in {region or shared.region_name or 'no region'}{f' as {role}' if role else ''}"
            told(what)
            parts.add(_region(there, shared, what))
    return parts


def _region(options: SourceOptions, shared: Any, what: str) -> Parts:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with closing(client("ec2", options, shared=shared, region=options.region)) as ec2:
            region = ec2.meta.region_name
            zones: dict[str, str] = {}
            subnets = [_subnet(it, region, zones) for it in _all(ec2, "describe_subnets", "Subnets")]
            reservations = _all(ec2, "describe_instances", "Reservations")
            return Parts(
                vpcs=[_vpc(it, region) for it in _all(ec2, "describe_vpcs", "Vpcs")],
                subnets=subnets,
                instances=[
                    _instance(it, of, region) for of in reservations for it in of.get("Instances", [])
                ],
                interfaces=[
                    _interface(it, region, zones)
                    for it in _all(ec2, "describe_network_interfaces", "NetworkInterfaces")
                ],
            )
    except (BotoCoreError, ClientError) as error:
        if code(error) == "AuthFailure":
            raise ConfigError(
                f"{what}: AWS refuses these credentials there (AuthFailure); check them, and whether "
                "the region is enabled for the account"
            ) from error
        raise explain(error, what) from error


def _all(ec2: Any, operation: str, name: str) -> Iterable[dict[str, Any]]:
    pages = ec2.get_paginator(operation).paginate(PaginationConfig={"PageSize": _PAGE})
    return (thing for page in pages for thing in page.get(name, []))


def _vpc(said: dict[str, Any], region: str) -> Vpc:
    return Vpc(
        vpc_id=said["VpcId"], account_id=said.get("OwnerId"), region=region, tags=_tags(said.get("Tags"))
    )


def _subnet(said: dict[str, Any], region: str, zones: dict[str, str]) -> Subnet:
    """A subnet. It says what a zone's id is, as interfaces do only of late: `zones` remembers it by name."""
    name, zone = said.get("AvailabilityZone"), said.get("AvailabilityZoneId")
    if name and zone:
        zones[name] = zone
    more = [
        it["Ipv6CidrBlock"] for it in said.get("Ipv6CidrBlockAssociationSet", []) if it.get("Ipv6CidrBlock")
    ]
    return Subnet(
        subnet_id=said["SubnetId"],
        account_id=said.get("OwnerId"),
        region=region,
        availability_zone=zone or name,
        vpc_id=said.get("VpcId"),
        cidrs=tuple(it for it in (said.get("CidrBlock"), *more) if it),
        tags=_tags(said.get("Tags")),
    )


def _instance(said: dict[str, Any], reservation: dict[str, Any], region: str) -> Instance:
    return Instance(
        instance_id=said["InstanceId"],
        account_id=reservation.get("OwnerId"),
        region=region,
        instance_type=said.get("InstanceType"),
        image_id=said.get("ImageId"),
        tags=_tags(said.get("Tags")),
    )


def _interface(said: dict[str, Any], region: str, zones: dict[str, str]) -> NetworkInterface:
    name = said.get("AvailabilityZone") or ""
    private = said.get("PrivateIpAddresses", [])
    addresses = [
        said.get("PrivateIpAddress"),
        *(it.get("PrivateIpAddress") for it in private),
        *(it.get("Ipv6Address") for it in said.get("Ipv6Addresses", [])),
        *(it.get("Association", {}).get("PublicIp") for it in (said, *private)),
    ]
    return NetworkInterface(
        interface_id=said["NetworkInterfaceId"],
        account_id=said.get("OwnerId"),
        region=region,
        availability_zone=said.get("AvailabilityZoneId") or zones.get(name) or name or None,
        vpc_id=said.get("VpcId"),
        subnet_id=said.get("SubnetId"),
        instance_id=said.get("Attachment", {}).get("InstanceId"),
        interface_type=said.get("InterfaceType"),
        description=said.get("Description") or None,
        requester_id=said.get("RequesterId"),
        security_groups=tuple(it["GroupId"] for it in said.get("Groups", [])),
        addresses=tuple(dict.fromkeys(it for it in addresses if it)),
        prefixes=tuple(
            it[key]
            for key, several in (("Ipv4Prefix", "Ipv4Prefixes"), ("Ipv6Prefix", "Ipv6Prefixes"))
            for it in said.get(several, [])
        ),
        tags=_tags(said.get("TagSet")),
    )


def _tags(said: list[dict[str, str]] | None) -> dict[str, str]:
    return {it["Key"]: it.get("Value", "") for it in said or []}
