"""TEMPORARY: until the query model of the other room is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vpcflow.errors import ConfigError


@dataclass(frozen=True)
class Group:
    field: str
    limit: int | None = None


@dataclass(frozen=True)
class Metric:
    kind: str
    name: str
    field: str | None = None
    filter: Any = None


@dataclass(frozen=True)
class Query:
    filter: Any = None
    group_by: tuple[Group, ...] = ()
    bucket: str | None = None
    metrics: tuple[Metric, ...] = ()
    order_by: str | None = None
    limit: int | None = None

    @classmethod
    def parse(cls, content: Any) -> Query:
        from vpcflow.query.fields import kind

        groups = tuple(
            Group(g) if isinstance(g, str) else Group(g["field"], g.get("limit"))
            for g in content.get("group_by", [])
        )
        metrics = []
        for m in content["metrics"]:
            (k, v), name = next((k, v) for k, v in m.items() if k != "as"), m.get("as")
        metrics = [_metric(m) for m in content["metrics"]]
        q = cls(
            content.get("filter"),
            groups,
            content.get("bucket"),
            tuple(metrics),
            content.get("order_by"),
            content.get("limit"),
        )
        for f in q.fields():
            kind(f)
        return q

    def fields(self) -> list[str]:
        from vpcflow.query.kql import names

        out = names(self.filter)
        out += [g.field for g in self.group_by]
        for m in self.metrics:
            out += [m.field] if m.field else names(m.filter)
        return out


def _metric(m: dict) -> Metric:
    for k in ("count", "sum", "distinct", "share"):
        if k in m:
            if k == "count":
                return Metric(k, m["count"])
            if k == "share":
                return Metric(k, m["as"], None, m[k])
            return Metric(k, m.get("as", m[k]), m[k])
    raise ConfigError(f"{m} is no metric")
