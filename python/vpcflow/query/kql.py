"""Filters in KQL, for Kibana.

Values of a list are written out one by one: Elasticsearch's parser of the language, which is not Kibana's,
takes no quoted values in brackets.
"""

from __future__ import annotations

import re
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.filters import Filter, plain

__all__ = ["compile_filter"]

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_WORDS = {"and", "or", "not"}
_SPECIAL = re.compile(r'([\\():<>"*{}])')
_COMPARE = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}


def compile_filter(condition: Filter | None) -> str:
    """The filter in KQL, empty for all documents.

    Raises:
        ConfigError: KQL has no words for it.
    """
    return "" if condition is None or condition.tree is None else _node(condition.tree, outermost=True)


def _node(node: Any, *, outermost: bool = False) -> str:
    from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR

    if isinstance(node, ConditionNOT):
        return f"not {_node(node.args[0])}"
    if isinstance(node, ConditionAND | ConditionOR):
        word = " and " if isinstance(node, ConditionAND) else " or "
        parts = [_node(part) for part in node.args]
        text = word.join(parts)
        return text if outermost or len(parts) == 1 else f"({text})"
    return _comparison(node.field, node.value)


def _comparison(field: str, value: Any) -> str:
    from sigma import types

    match value:
        case types.SigmaExists() | types.SigmaNull():
            text = f"{field}: *" if getattr(value, "exists", False) else f"not {field}: *"
        case types.SigmaCompareExpression():
            text = f"{field} {_COMPARE[value.op.name]} {value.number}"
        case types.SigmaCIDRExpression():
            text = f'{field}: "{value.cidr}"'
        case types.SigmaNumber():
            text = f"{field}: {value.number}"
        case types.SigmaBool():
            text = f"{field}: {str(value.boolean).lower()}"
        case types.SigmaString():
            text = f"{field}: {_text(value)}"
        case _:
            what = type(value).__name__.removeprefix("Sigma")
            raise ConfigError(f"KQL has no words for {what} of {field}")
    return text


def _text(value: Any) -> str:
    """A text; one with wildcards can't stand in quotes, so what is special in it is escaped."""
    from sigma.types import SpecialChars

    if not value.contains_special():
        text = plain(value)
        if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
            return text
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    parts = []
    for part in value.s:
        if part == SpecialChars.WILDCARD_MULTI:
            parts.append("*")
        elif isinstance(part, str):
            parts.append(_SPECIAL.sub(r"\\\1", part).replace(" ", r"\ "))
        else:
            raise ConfigError("KQL has no wildcard for a single character")
    return "".join(parts)
