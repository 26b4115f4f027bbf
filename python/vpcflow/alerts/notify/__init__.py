"""Who is told of alerts, and how."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice

__all__ = ["Channel", "channels"]


class Channel(Protocol):
    """A way to tell. What couldn't be told is kept and told again later, for each recipient by itself."""

    name: str

    def recipients(self, notice: Notice) -> list[str]:
        """Who is to be told: addresses for e-mail, one name for what has no recipients; empty is nobody."""
        ...

    def send(self, notice: Notice, recipient: str) -> None:
        """Tells one recipient.

        Raises:
            SinkError: it could not be told now; trying again makes sense.
            ConfigError: it can't be told, and trying again is of no use; the message says why.
        """
        ...


def channels(config: str | os.PathLike[str] | None = None) -> list[Channel]:
    """The channels that a ``vpcflow.toml`` names; standard output when it names none."""
    return [_Print()]


class _Print:
    name = "stdout"

    def recipients(self, notice: Notice) -> list[str]:
        return ["standard output"]

    def send(self, notice: Notice, recipient: str) -> None:
        whose = f" ({notice.owner.name})" if notice.owner else ""
        state = "over: " if notice.state == "over" else ""
        sys.stdout.write(f"{state}[{notice.rule.level}] {notice.rule.title}: {notice.count}{whose}\n")
        for row in notice.rows:
            named = ", ".join(
                f"{name} {value}" for name, value in zip(notice.rule.groups, row.groups, strict=True)
            )
            sys.stdout.write(
                f"  {named}, {notice.rule.value} {row.value:,.0f}, since {row.since:%Y-%m-%d %H:%M} UTC\n"
            )
        sys.stdout.flush()
