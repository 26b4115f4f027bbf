"""Filters in ES|QL.

A condition on a field that a document lacks is null there, and so is its negation: ``not`` takes it for
false, as KQL and the query DSL do.
"""

from __future__ import annotations

import re
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.fields import has_several, kind
from vpcflow.query.filters import Filter, pattern, plain

__all__ = ["compile_filter", "name", "text"]

_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_.]*")
_COMPARE = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}


def compile_filter(condition: Filter) -> str:
    """The filter as a condition of ``WHERE``, empty for all documents.

    Raises:
        ConfigError: ES|QL has no words for it.
    """
    return "" if condition.tree is None else _node(condition.tree, outermost=True)


def name(field: str) -> str:
    """A field as ES|QL has it."""
    return field if _NAME.fullmatch(field) else f"`{field.replace('`', '``')}`"


def text(value: str) -> str:
    """A text as ES|QL has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return f'"{escaped}"'


def _node(node: Any, *, outermost: bool = False) -> str:
    from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR

    if isinstance(node, ConditionNOT):
        return f"NOT COALESCE({_node(node.args[0], outermost=True)}, false)"
    if isinstance(node, ConditionAND | ConditionOR):
        parts = [_node(part) for part in node.args]
        joined = (" AND " if isinstance(node, ConditionAND) else " OR ").join(parts)
        return joined if outermost or len(parts) == 1 else f"({joined})"
    return _comparison(node.field, node.value)


def _comparison(field: str, value: Any) -> str:
    from sigma import types

    left = name(field)
    match value:
        case types.SigmaExists() | types.SigmaNull():
            return f"{left} IS NOT NULL" if getattr(value, "exists", False) else f"{left} IS NULL"
        case types.SigmaCompareExpression():
            return f"{left} {_COMPARE[value.op.name]} {value.number}"
        case types.SigmaCIDRExpression():
            return f"CIDR_MATCH({left}, {text(value.cidr)})"
        case types.SigmaString() if value.contains_special():
            return f"{left} LIKE {text(pattern(value))}"
        case types.SigmaString() | types.SigmaNumber() | types.SigmaBool():
            right = _value(field, value)
            if has_several(field):  # == is null on several values; one is among them if adding it adds none
                return f"MV_COUNT(MV_DEDUPE(MV_APPEND({left}, {right}))) == MV_COUNT(MV_DEDUPE({left}))"
            return f"{left} == {right}"
    raise ConfigError(f"ES|QL has no words for {type(value).__name__.removeprefix('Sigma')} of {field}")


def _value(field: str, value: Any) -> str:
    written = plain(value)
    match kind(field):
        case "ip":
            return f"TO_IP({text(written)})"
        case "long" | "double":
            return written
        case "boolean":
            return written.lower()
    return text(written)
