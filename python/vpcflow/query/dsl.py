"""Filters in Elasticsearch's query DSL."""

from __future__ import annotations

from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.filters import Filter, pattern, plain

__all__ = ["compile_filter"]


def compile_filter(condition: Filter) -> dict[str, Any]:
    """The filter as a query.

    Raises:
        ConfigError: the DSL has no words for it.
    """
    return {"match_all": {}} if condition.tree is None else _node(condition.tree)


def _node(node: Any) -> dict[str, Any]:
    from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR

    if isinstance(node, ConditionNOT):
        return {"bool": {"must_not": [_node(node.args[0])]}}
    if isinstance(node, ConditionAND):
        return {"bool": {"filter": [_node(part) for part in node.args]}}
    if isinstance(node, ConditionOR):
        return {"bool": {"should": [_node(part) for part in node.args], "minimum_should_match": 1}}
    return _comparison(node.field, node.value)


def _comparison(field: str, value: Any) -> dict[str, Any]:
    from sigma import types

    match value:
        case types.SigmaExists() | types.SigmaNull():
            there = {"exists": {"field": field}}
            return there if getattr(value, "exists", False) else {"bool": {"must_not": [there]}}
        case types.SigmaCompareExpression():
            return {"range": {field: {value.op.name.lower(): value.number.number}}}
        case types.SigmaString() if value.contains_special():
            return {"wildcard": {field: pattern(value)}}
        case types.SigmaString() | types.SigmaNumber() | types.SigmaBool() | types.SigmaCIDRExpression():
            other = getattr(value, "number", getattr(value, "boolean", getattr(value, "cidr", None)))
            return {"term": {field: plain(value) if other is None else other}}
    what = type(value).__name__.removeprefix("Sigma")
    raise ConfigError(f"the query DSL has no words for {what} of {field}")
