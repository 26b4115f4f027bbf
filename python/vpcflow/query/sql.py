"""Filters in DuckDB's SQL, over the view ``flows``.

What is absent is NULL there, and so is each condition on it: ``not`` takes NULL for false. Networks are
compared as text: IPv4 by the beginnings of its addresses, IPv6 by its 32 digits (the macro ``ip_hex``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.fields import has_several, kind
from vpcflow.query.filters import Filter, plain
from vpcflow.query.quoted import identifier, literal

__all__ = ["Columns", "any_of", "compile_filter"]

_COMPARE = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_TYPES = {"date": "TIMESTAMPTZ", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN"}


class Columns:
    """A table whose columns are the fields, under their names and with their values.

    Attributes:
        moment: the time of a flow, milliseconds since 1970.
    """

    moment = 'epoch_ms("@timestamp")'

    def __init__(self, names: Collection[str]) -> None:
        """Args: names: of the fields that the table has; the others are NULL in every row."""
        self._names = names

    def __contains__(self, field: str) -> bool:
        return field in self._names

    def of(self, field: str) -> str:
        """A field, of its type whether the table has it or not."""
        name = identifier(field)
        if has_several(field):
            return f"CAST({name if field in self else 'NULL'} AS VARCHAR[])"
        return name if field in self else f"CAST(NULL AS {_TYPES.get(kind(field), 'VARCHAR')})"

    def compare(self, field: str, values: Sequence[Any]) -> str:
        """Whether one of pySigma's values holds for a field."""
        left, several = self.of(field), [value for value in values if _is_plain(field, value)]
        if len(several) > 1:
            rest = [_comparison(field, left, value) for value in values if value not in several]
            return any_of([f"{left} IN ({', '.join(_value(field, value) for value in several)})", *rest])
        return any_of(_comparison(field, left, value) for value in values)

    def order(self, field: str, name: str) -> str:
        """What sorts as the values of a field do, which are in a column of this name."""
        return f"ip_hex({name})" if kind(field) == "ip" else name

    def stands_for(self, field: str) -> Sequence[Any] | None:
        """What the numbers in place of a field's values stand for, by number; None if it has its values."""
        return None


def compile_filter(condition: Filter, columns: Columns) -> str:
    """The filter as a condition of ``WHERE``, empty for all flows."""
    return "" if condition.tree is None else _node(condition.tree, columns)


def _node(node: Any, columns: Columns) -> str:
    from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR

    if isinstance(node, ConditionNOT):
        return f"NOT coalesce({_node(node.args[0], columns)}, false)"
    if isinstance(node, ConditionAND):
        return "(" + " AND ".join(_node(part, columns) for part in node.args) + ")"
    if isinstance(node, ConditionOR):
        parts: list[Any] = list(node.args)
        if len(fields := {getattr(part, "field", None) for part in parts}) == 1 and (field := fields.pop()):
            return columns.compare(field, [part.value for part in parts])
        return any_of(_node(part, columns) for part in node.args)
    return columns.compare(node.field, [node.value])


def any_of(conditions: Iterable[str]) -> str:
    """Whether one of some conditions holds, empty for none of them."""
    several = list(conditions)
    return f"({' OR '.join(several)})" if len(several) > 1 else "".join(several)


def _comparison(field: str, left: str, value: Any) -> str:
    from sigma import types

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


def _is_plain(field: str, value: Any) -> bool:
    """Whether a field is compared with one value that it can be equal to."""
    from sigma import types

    if has_several(field) or (isinstance(value, types.SigmaString) and value.contains_special()):
        return False
    return isinstance(value, types.SigmaString | types.SigmaNumber | types.SigmaBool)


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
