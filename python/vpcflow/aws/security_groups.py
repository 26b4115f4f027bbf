"""Asks EC2 for security groups, network ACLs and prefix lists, as `vpcflow.diagnose.groups` reads them."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from vpcflow.aws.errors import explain
from vpcflow.aws.session import client, session
from vpcflow.sources.base import SourceOptions

__all__ = ["describe"]

_PAGE = 1000


def describe(options: SourceOptions, *, groups: bool, acls: bool) -> dict[str, list[dict[str, Any]]]:
    """What an account has in a region, under ``SecurityGroups``, ``NetworkAcls`` and ``PrefixLists``.

    Args:
        options: how to get at AWS.
        groups: security groups, and the prefix lists that their rules name.
        acls: network ACLs.

    Raises:
        ConfigError: AWS refuses it: credentials, permissions, region.
        SourceError: AWS doesn't answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    shared = session(options)
    what = f"EC2 in {options.region or shared.region_name or 'no region'}"
    found: dict[str, list[dict[str, Any]]] = {}
    try:
        with closing(client("ec2", options, shared=shared)) as ec2:
            if groups:
                found["SecurityGroups"] = _all(ec2, "describe_security_groups", "SecurityGroups")
                found["PrefixLists"] = _prefix_lists(ec2, found["SecurityGroups"])
            if acls:
                found["NetworkAcls"] = _all(ec2, "describe_network_acls", "NetworkAcls")
    except (BotoCoreError, ClientError) as error:
        raise explain(error, what) from error
    return found


def _prefix_lists(ec2: Any, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that rules name, as describe-prefix-lists would print them: it knows AWS's own alone."""
    named = {
        it["PrefixListId"]
        for group in groups
        for key in ("IpPermissions", "IpPermissionsEgress")
        for permission in group.get(key, [])
        for it in permission.get("PrefixListIds", [])
    }
    entries = {it: _all(ec2, _ENTRIES, "Entries", PrefixListId=it) for it in sorted(named)}
    return [{"PrefixListId": it, "Cidrs": [one["Cidr"] for one in entries[it]]} for it in entries]


_ENTRIES = "get_managed_prefix_list_entries"


def _all(ec2: Any, operation: str, name: str, **arguments: Any) -> list[dict[str, Any]]:
    size = 100 if operation == _ENTRIES else _PAGE
    pages = ec2.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": size})
    return [thing for page in pages for thing in page.get(name, [])]
