"""What may be asked of a field: only what ES|QL, the query DSL, KQL and DuckDB all have words for."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.fields import has_several, kind

__all__ = ["check"]

_NUMBERS = ("long", "double")


def check(field: str, value: Any) -> None:  # noqa: PLR0912 - one for each type of value
    """Refuses a comparison that one of the languages can't make, or makes differently.

    Args:
        field: that is compared.
        value: pySigma's, modifiers included.

    Raises:
        ConfigError: there is no such field, or it can't be compared so.
    """
    from sigma import types

    of = kind(field)
    match value:
        case types.SigmaExists() | types.SigmaNull():
            return
        case types.SigmaCompareExpression():
            if of not in _NUMBERS:
                raise ConfigError(f"{field} is no number (but {of}): lt, lte, gt and gte can't compare it")
        case types.SigmaCIDRExpression():
            if of != "ip":
                raise ConfigError(f"{field} is no address (but {of}): cidr can't compare it")
            if has_several(field):
                raise ConfigError(
                    f"{field} has several values: only equal ones can be asked for, no networks"
                )
        case types.SigmaString():
            _check_text(field, of, value)
        case types.SigmaBool():
            if of != "boolean":
                raise ConfigError(f"{field} is {of}: it is never {str(value.boolean).lower()}")
        case types.SigmaTimestampPart():
            raise ConfigError(f"{field}: {_MODIFIERS}")
        case types.SigmaNumber():
            if of not in (*_NUMBERS, "keyword", "constant_keyword"):
                raise ConfigError(f"{field} is {of}: it is never {value.number}")
        case _:
            raise ConfigError(f"{field}: {_MODIFIERS}")


_MODIFIERS = (
    "this modifier is none of contains, startswith, endswith, lt, lte, gt, gte, cidr, exists, all, neq"
)


def _check_text(field: str, of: str, value: Any) -> None:
    from sigma.types import SpecialChars

    text = str(value)
    if of in _NUMBERS:
        raise ConfigError(f"{field} is a number: it is never {text!r}")
    if of in ("boolean", "date"):
        raise ConfigError(f"{field} is {of}: it can't be compared with {text!r}")
    if value.contains_special():
        if of == "ip":
            raise ConfigError(f"{field} is an address: write {field}|cidr: 10.0.0.0/8 in place of {text!r}")
        if has_several(field):
            raise ConfigError(
                f"{field} has several values: only equal ones can be asked for, no part of them"
            )
        if SpecialChars.WILDCARD_SINGLE in value.s:
            raise ConfigError(f"{field}: KQL has no ? for a single character; write \\? for the sign itself")
    elif of == "ip":
        try:
            ip_address(text)
        except ValueError:
            raise ConfigError(f"{field} is an address, {text!r} is none; networks are {field}|cidr") from None
