"""Filters in DuckDB's SQL, over the view ``flows``.

What is absent is NULL there, and so is each condition on it: ``not`` takes NULL for false. Networks are
compared as text: IPv4 by the beginnings of its addresses, IPv6 by its 32 digits (the macro ``ip_hex``).
"""

from __future__ import annotations

import re
from collections.abc import Container
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.fields import has_several, kind
from vpcflow.query.filters import Filter, plain
from vpcflow.query.quoted import identifier, literal

__all__ = ["column", "compile_filter"]

_COMPARE = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_TYPES = {"date": "TIMESTAMPTZ", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN"}


def compile_filter(condition: Filter, columns: Container[str]) -> str:
    """The filter as a condition of ``WHERE``, empty for all flows.

    Args:
        condition: the filter.
        columns: those that the view has; the others are NULL.
    """
    return "" if condition.tree is None else _node(condition.tree, columns)


def column(field: str, columns: Container[str]) -> str:
    """A field as SQL has it: of its type whether the view has it or not."""
    name = identifier(field)
    if has_several(field):
        return f"CAST({name if field in columns else 'NULL'} AS VARCHAR[])"
    return name if field in columns else f"CAST(NULL AS {_TYPES.get(kind(field), 'VARCHAR')})"


def _node(node: Any, columns: Container[str]) -> str:
    from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR

    if isinstance(node, ConditionNOT):
        return f"NOT coalesce({_node(node.args[0], columns)}, false)"
    if isinstance(node, ConditionAND | ConditionOR):
        word = " AND " if isinstance(node, ConditionAND) else " OR "
        return "(" + word.join(_node(part, columns) for part in node.args) + ")"
    return _comparison(node.field, node.value, columns)


def _comparison(field: str, value: Any, columns: Container[str]) -> str:
    from sigma import types

    left = column(field, columns)
    match value:
        case types.SigmaExists() | types.SigmaNull():
            return f"{left} IS {'NOT ' if getattr(value, 'exists', False) else ''}NULL"
        case types.SigmaCompareExpression():
            return f"{left} {_COMPARE[value.op.name]} {value.number}"
        case types.SigmaCIDRExpression():
            return _network(left, value.cidr)
        case types.SigmaString() if value.contains_special():
            return f"{left} LIKE {literal(_like(value))} ESCAPE '\\'"
        case types.SigmaString() | types.SigmaNumber() | types.SigmaBool():
            right = _value(field, value)
            return f"list_contains({left}, {right})" if has_several(field) else f"{left} = {right}"
    raise ConfigError(f"DuckDB has no words for {type(value).__name__.removeprefix('Sigma')} of {field}")


def _value(field: str, value: Any) -> str:
    text = plain(value)
    of = kind(field)
    if of in ("long", "double"):
        return text
    if of == "boolean":
        return text.lower()
    return literal(ip_address(text) if of == "ip" else text)


def _like(value: Any) -> str:
    return "".join(re.sub(r"([\\%_])", r"\\\1", part) if isinstance(part, str) else "%" for part in value.s)


def _network(left: str, cidr: str) -> str:
    network = ip_network(cidr)
    if not isinstance(network, IPv4Network):
        return _network_of_ipv6(left, network)
    if network.prefixlen == 0:
        return f"contains({left}, '.')"
    if network.prefixlen == 32:
        return f"{left} = '{network[0]}'"
    octets = -(-network.prefixlen // 8)
    parts = [str(one.network_address).split(".")[:octets] for one in network.subnets(new_prefix=8 * octets)]
    if len(parts) == 1:
        return f"starts_with({left}, '{'.'.join(parts[0])}.')"
    common = "".join(rf"{octet}\." for octet in parts[0][:-1])
    match = rf"regexp_matches({left}, '^{common}({'|'.join(part[-1] for part in parts)})(\.|$)')"
    # To compare beginnings takes a fraction of the time.
    return f"(starts_with({left}, '{'.'.join(parts[0][:-1])}.') AND {match})" if common else match


def _network_of_ipv6(left: str, network: IPv6Network) -> str:
    low, high = (f"{int(network[end]):032x}" for end in (0, -1))
    if int(network[0]) == 0 and network.prefixlen <= 80:  # IPv4 is ::ffff:0:0/96, as in Elasticsearch
        return f"ip_hex({left}) BETWEEN '{low}' AND '{high}'"
    if network.prefixlen <= 16 and low[0] != "0":
        return f"(contains({left}, ':') AND regexp_matches({left}, '^{_first_group(low, high)}:'))"
    return f"CASE WHEN contains({left}, ':') THEN ip_hex({left}) BETWEEN '{low}' AND '{high}' ELSE false END"


def _first_group(low: str, high: str) -> str:
    """A pattern for the first group of IPv6 addresses, whose digits are all written: it begins with no 0.

    The 32 digits that `ip_hex` compares take twenty times as long.
    """
    digits = "0123456789abcdef"
    pairs = zip(low[:4], high[:4], strict=True)
    return "".join(
        one if one == other else f"[{digits[digits.index(one) : digits.index(other) + 1]}]"
        for one, other in pairs
    )
