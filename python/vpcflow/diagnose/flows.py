"""Asks flows: one engine, one period, and only for fields that the logs have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.answer import Engine, answer
from vpcflow.query.filters import Filter
from vpcflow.query.model import Group, Metric, Period, Query

__all__ = ["COUNT", "INTERFACE", "MOST", "PORT", "PROTOCOL", "SPAN", "Flows", "extent", "narrowed"]

INTERFACE = "aws.vpcflow.interface_id"
PORT = "destination.port"
PROTOCOL = "network.iana_number"
_NEEDED = ("aws.vpcflow.action", "source.ip", "destination.ip")
_OPTIONAL = (
    INTERFACE, PORT, "source.port", PROTOCOL, "network.direction", "aws.vpcflow.tcp_flags", "event.reason",
    "aws.vpcflow.subnet_id", "aws.vpcflow.security_groups", "cloud.account.id",
)  # fmt: skip
#: AWS's names of what the documents call otherwise.
_LOGGED = {
    "aws.vpcflow.action": "${action}", "source.ip": "${srcaddr}", "destination.ip": "${dstaddr}",
    INTERFACE: "${interface-id}", PORT: "${dstport}", "source.port": "${srcport}", PROTOCOL: "${protocol}",
}  # fmt: skip

#: Groups an answer: ES|QL has at most 10,000.
MOST = 9_999
COUNT = Metric("count", "flows")
SPAN = (COUNT, Metric("first", "first"), Metric("last", "last"))


class Flows:
    """What a period's flows say.

    Attributes:
        period: of the flows.
        count: how many records of it have addresses and an action.
        refused: how many of these were refused.
        first, last: when; None without any.
        lacking: fields that none of them has, by AWS's name.
    """

    def __init__(self, engine: Engine, period: Period) -> None:
        """Looks what is there.

        Raises:
            ConfigError: the flows lack a field without which nothing can be said.
        """
        self._engine = engine
        self.period = period
        there = {f"has {field}": Filter({f"{field}|exists": True}) for field in (*_NEEDED, *_OPTIONAL)}
        there["refused"] = Filter({"aws.vpcflow.action": "REJECT"})
        shares = tuple(Metric("share", name, filter=it) for name, it in there.items())
        logged = Query(Filter({"source.ip|exists": True}), metrics=(*SPAN, *shares))
        [row] = self._ask(logged)
        self._has = {field for field in (*_NEEDED, *_OPTIONAL) if row[f"has {field}"]}
        self.count: int = row["flows"]
        self.refused = round(self.count * (row["refused"] or 0))
        self.first: datetime | None = row["first"]
        self.last: datetime | None = row["last"]
        if self.count and (lack := [it for it in _NEEDED if it not in self._has]):
            raise ConfigError(
                f"none of the flows has {lack[0]}: the flow log's format lacks {_LOGGED[lack[0]]}, without "
                "which nothing can be said of refusals; transit gateway logs never have it"
            )
        self.lacking = tuple(_LOGGED[it] for it in _LOGGED if self.count and it not in self._has)

    def has(self, field: str) -> bool:
        """Whether any of the flows has a field."""
        return field in self._has

    def rows(
        self,
        condition: Filter,
        fields: Sequence[str],
        metrics: tuple[Metric, ...] = SPAN,
        *,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Groups with their numbers, the most flows first. A field that no flow has is None in all."""
        groups = tuple(Group(field) for field in fields if self.has(field))
        asked = Query(condition, groups, None, metrics, "-flows", limit)
        none: dict[str, Any] = dict.fromkeys(fields)
        return [none | row for row in self._ask(asked)]

    def _ask(self, query: Query) -> list[dict[str, Any]]:
        found = answer(query, self._engine, self.period)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def extent(engine: Engine) -> Period | None:
    """From the first flow that there is to the last; None without any."""
    asked = Query(Filter({"source.ip|exists": True}), metrics=SPAN[1:])
    [(first, last)] = answer(asked, engine, None).rows
    if last is None:
        return None
    # Whose clock is wrong must not hide the others.
    return Period(first, min(last, datetime.now(UTC)) + timedelta(milliseconds=1))


def narrowed(condition: Filter, values: Mapping[str, Iterable[Any]]) -> Filter:
    """The same for documents whose fields have one of these values; None among them is no value."""
    for field, several in values.items():
        keys = [(it,) for it in dict.fromkeys(several) if it is not None]
        condition = condition.narrowed((field,), keys) if keys else condition
    return condition
