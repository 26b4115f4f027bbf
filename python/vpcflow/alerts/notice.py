"""What there is to tell of an alert: the running part makes it, the channels tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.owners import Owner

__all__ = ["Notice", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One group that a rule has something to say of.

    Attributes:
        groups: values of the rule's groups, in their order; empty when it has none.
        value: the number that reached the threshold.
        since: begin of the piece of time, with a zone; of a rule about a change, its first flow or its last.
    """

    groups: tuple[object, ...]
    value: float
    since: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one owner about one rule.

    Attributes:
        key: the same for the same message, also when it is sent again: ASCII letters, digits and hyphens.
        state: ``fired``, or ``over`` when nothing of it has been seen any more.
        rule: what was watched for.
        owner: whose flows; None is for those without an owner.
        rows: the largest first, five at most.
        count: of all rows.
        start: of the time that was looked at, with a zone.
        end: of it, not included.
        history: the number over the pieces of time before, oldest first, for a chart; can be empty.
    """

    key: str
    state: Literal["fired", "over"]
    rule: Rule
    owner: Owner | None
    rows: tuple[Row, ...]
    count: int
    start: datetime
    end: datetime
    history: tuple[tuple[datetime, float], ...] = ()
