"""Filters, written as Sigma detections: ``{aws.vpcflow.action: REJECT, destination.port|lt: 1024}``.

All keys of a mapping must hold; of a list of values, or of mappings, one must. Several mappings have names
and a ``condition``: ``{selection: {…}, internal: {…}, condition: selection and not internal}``. pySigma
parses them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.checks import check

__all__ = ["Filter", "pattern", "plain"]

_NAME = "selection"


class Filter:
    """A condition on documents. Equal when written equally.

    Attributes:
        source: as it was written.
        tree: pySigma's conditions, `None` for all documents.
        base: the filter before it was narrowed, None if it was not.
        narrowing: what it was narrowed by.
    """

    __slots__ = ("base", "narrowing", "source", "tree")

    def __init__(self, source: Any = None) -> None:
        """Parses a filter.

        Raises:
            ConfigError: it is none, names a field that no document has, or compares it in a way that one of
                the languages can't; or pySigma is not installed.
        """
        self.source = source
        self.tree = _parse(source) if source else None
        self.base: Filter | None = None
        self.narrowing: Filter | None = None
        for field, value in _comparisons(self.tree):
            check(field, value)

    def fields(self) -> list[str]:
        """The fields that it asks for, each once."""
        return list(dict.fromkeys(field for field, _ in _comparisons(self.tree)))

    def narrowed(self, fields: Sequence[str], keys: Sequence[Sequence[Any]]) -> Filter:
        """The same for documents that are in one of some groups.

        Args:
            fields: that the groups are of.
            keys: of each group its values, in the order of the fields.
        """
        from sigma.conditions import ConditionAND

        groups = [{field: _plain(value) for field, value in zip(fields, key, strict=True)} for key in keys]
        both, narrowing = Filter(groups), Filter(groups)
        if self.tree is not None:
            both.tree = ConditionAND([self.tree, both.tree])
            both.source = {"these": self.source, "groups": groups, "condition": "these and groups"}
        if self.narrowing is not None:
            narrowing.tree = ConditionAND([self.narrowing.tree, narrowing.tree])
        both.base, both.narrowing = self.base or self, narrowing
        return both

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.source == other.source

    def __hash__(self) -> int:
        return hash(repr(self.source))

    def __repr__(self) -> str:
        return f"Filter({self.source!r})"


def _parse(source: Any) -> Any:
    try:
        from sigma.exceptions import SigmaError
        from sigma.rule import SigmaDetections
    except ImportError as error:
        raise ConfigError("filters need the package pysigma: pip install 'vpcflow[rules]'") from error

    named = isinstance(source, Mapping) and "condition" in source
    detections = dict(source) if named else {_NAME: source, "condition": _NAME}
    try:
        return SigmaDetections.from_dict(detections).parsed_condition[0].parsed
    except SigmaError as error:
        raise ConfigError(f"the filter is none: {error}") from error
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise ConfigError(
            f"the filter {source!r} is none: it must be a mapping of fields to values"
        ) from error


def _comparisons(node: Any) -> Iterator[tuple[str, Any]]:
    if node is None:
        return
    if (name := getattr(node, "field", None)) is not None:
        yield name, node.value
    elif not hasattr(node, "args"):
        raise ConfigError(f"the filter looks for {getattr(node, 'value', node)} in no field; name one")
    for part in getattr(node, "args", []):
        yield from _comparisons(part)


def _plain(value: Any) -> Any:
    """A value that stands for itself: signs that Sigma takes for wildcards get a backslash."""
    return re.sub(r"([\\*?])", r"\\\1", value) if isinstance(value, str) else value


def plain(value: Any) -> str:
    """What a value of pySigma's without wildcards is equal to, as text; its own `str` escapes ``*`` again."""
    if hasattr(value, "s"):
        return "".join(value.s)
    return str(getattr(value, "number", getattr(value, "boolean", value)))


def pattern(value: Any) -> str:
    """A text of pySigma's with ``*`` and ``?`` for its wildcards, and a backslash before others."""
    from sigma.types import SpecialChars

    wild = {SpecialChars.WILDCARD_MULTI: "*", SpecialChars.WILDCARD_SINGLE: "?"}
    return "".join(
        re.sub(r"([\\*?])", r"\\\1", part) if isinstance(part, str) else wild[part] for part in value.s
    )
