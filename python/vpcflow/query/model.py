"""What is asked of flows, in no language: filter, groups, numbers, time buckets.

As people write it (YAML)::

    filter: {aws.vpcflow.action: REJECT, destination.port|lt: 1024}
    group_by: [source.ip, {field: destination.port, limit: 5}]
    bucket: auto                      # or a length, 1h; by @timestamp
    metrics: [{count: flows}, {sum: network.bytes, as: bytes}, {distinct: destination.ip, as: hosts},
              {share: {aws.vpcflow.action: REJECT}, as: rejected}]
    order_by: -bytes                  # a number's name; with - the largest first, as without order_by
    limit: 10

What it means, in every language alike:

* A condition on a field that a document lacks is false, and ``not`` makes it true. Values compare by case.
  Of a field with several values, such as ``related.ip``, one must be equal.
* Groups are of documents that have all their fields. A document with several values is in several groups.
* Groups without a limit of their own are ranked together and `limit` of them stay; each with a limit is
  ranked within those before it. The rank is that of the whole group, over all its time; equal ones go by
  their values.
* Time buckets begin at multiples of their length in UTC, split what has stayed, and are left out when empty.
* A sum of nothing is 0; a share of nothing is None. Different values are exact up to 40,000 a group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from vpcflow.errors import ConfigError
from vpcflow.query.fields import kind
from vpcflow.query.filters import Filter

__all__ = ["Group", "Having", "Metric", "Period", "Query"]

_KEYS = ("filter", "group_by", "bucket", "metrics", "order_by", "limit")
_BUCKET = re.compile(r"auto|[1-9]\d*[smhd]")
_NUMBERS = ("long", "double")


class Period(NamedTuple):
    """From `start` on and before `end`, both with a zone."""

    start: datetime
    end: datetime


class Having(NamedTuple):
    """What a number must be for its group to be there: ``Having("flows", ">=", 50)``."""

    name: str
    operator: Literal[">", ">=", "<", "<="]
    value: int | float | datetime


@dataclass(frozen=True, slots=True)
class Group:
    """A field to group by; with a limit, so many groups within each of those before."""

    field: str
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of each group.

    Attributes:
        kind: ``share`` is the part of the documents that `filter` holds for, from 0 to 1; ``first``
            and ``last`` are the times of the first document and the last, for rules alone.
        name: of the number.
        field: of ``sum`` and ``distinct``.
        filter: of ``share``.
    """

    kind: Literal["count", "sum", "distinct", "share", "first", "last"]
    name: str
    field: str | None = None
    filter: Filter | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A question.

    Attributes:
        group_by: the ones without a limit of their own make one group together, `limit` of them.
        bucket: length of time buckets, ``auto`` for what suits the period; None for no buckets.
        order_by: name of a number, ``-`` before it for the largest first; by default the first number, so.
        having: what numbers must be.
    """

    filter: Filter
    group_by: tuple[Group, ...] = ()
    bucket: str | None = None
    metrics: tuple[Metric, ...] = ()
    order_by: str | None = None
    limit: int | None = None
    having: tuple[Having, ...] = ()

    @classmethod
    def parse(cls, content: Any) -> Query:
        """A query from its short form.

        Raises:
            ConfigError: it means nothing; the message says which key and why.
        """
        if not isinstance(content, Mapping):
            raise ConfigError("the query must have keys and values")
        for key in content:
            if key not in _KEYS:
                raise ConfigError(f"the query has no {key}; there are {', '.join(_KEYS)}")
        metrics = tuple(_metric(one) for one in _list(content, "metrics"))
        if not metrics:
            raise ConfigError("the query asks for no numbers; give metrics: [{count: flows}]")
        bucket, order_by, limit = (content.get(key) for key in ("bucket", "order_by", "limit"))
        if bucket is not None and not _BUCKET.fullmatch(str(bucket)):
            raise ConfigError(f"bucket {bucket!r} is neither auto nor a length such as 5m or 1h")
        names = [metric.name for metric in metrics]
        if len(set(names)) < len(names):
            raise ConfigError(
                f"metrics: two numbers have the same name ({', '.join(names)}); give them others with as"
            )
        if order_by is not None and str(order_by).removeprefix("-") not in names:
            raise ConfigError(f"order_by {order_by!r} is none of {', '.join(names)}")
        groups = tuple(_group(one) for one in _list(content, "group_by"))
        return cls(Filter(content.get("filter")), groups, bucket, metrics, order_by, _limit(limit))

    def fields(self) -> list[str]:
        """Every field that is needed for an answer, each once."""
        names = [*self.filter.fields(), *(group.field for group in self.group_by)]
        for metric in self.metrics:
            names += [metric.field] if metric.field else []
            names += metric.filter.fields() if metric.filter else []
        return list(dict.fromkeys(names))


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise ConfigError(f"{key} must be a list")
    return value


def _group(content: Any) -> Group:
    entry = {"field": content} if isinstance(content, str) else content
    if not isinstance(entry, Mapping) or "field" not in entry or entry.keys() - {"field", "limit"}:
        raise ConfigError(f"group_by {content!r} is neither a field nor {{field: …, limit: …}}")
    kind(str(entry["field"]))
    return Group(str(entry["field"]), _limit(entry.get("limit")))


def _metric(content: Any) -> Metric:
    if not isinstance(content, Mapping):
        raise ConfigError(
            f"metrics: {content!r} is no number; it looks like {{sum: network.bytes, as: bytes}}"
        )
    match dict(content):
        case {"count": str(name), **rest} if not rest:
            return Metric("count", name)
        case {"sum": str(field), **rest} if not rest.keys() - {"as"}:
            if kind(field) not in _NUMBERS:
                raise ConfigError(f"sum of {field}: it is no number")
            return Metric("sum", str(rest.get("as", field)), field)
        case {"distinct": str(field), **rest} if not rest.keys() - {"as"}:
            kind(field)
            return Metric("distinct", str(rest.get("as", field)), field)
        case {"share": part, "as": str(name), **rest} if not rest:
            return Metric("share", name, filter=Filter(part))
    raise ConfigError(
        f"metrics: {dict(content)!r} is none of {{count: NAME}}, {{sum: FIELD, as: NAME}}, "
        "{distinct: FIELD, as: NAME}, {share: FILTER, as: NAME}"
    )


def _limit(value: Any) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise ConfigError(f"limit {value!r} is no number above 0")
