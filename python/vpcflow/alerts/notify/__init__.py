"""Who is told of alerts, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice

__all__ = ["Channel"]


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
