"""Tells a channel of Slack, through an incoming webhook. Its URL is the secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vpcflow.alerts.notify.letter import write
from vpcflow.alerts.notify.post import Post

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.connectors import Connector

__all__ = ["Slack"]


class Slack:
    """One message for each notice."""

    def __init__(self, connector: Connector, settings: Settings) -> None:
        self.name = connector.name
        self._settings = settings
        self._post = Post(connector.secrets["webhookUrl"], "Slack", connector.config.get("ca"))

    def recipients(self, notice: Notice) -> list[str]:
        return [self.name]

    def send(self, notice: Notice, recipient: str) -> None:
        letter = write(notice, self._settings)
        lines = [
            f"*{_escape(letter.subject)}*",
            _escape(letter.about),
            _escape(letter.found),
            "```\n" + _escape("\n".join(letter.table)).replace("`", "'") + "\n```",
        ]
        if letter.otherwise:
            lines.append(f"It may also be: {_escape('; '.join(letter.otherwise))}.")
        lines.append(
            f"<{_escape(letter.url)}|Open the dashboard>" if letter.url else f"`{_escape(letter.command)}`"
        )
        self._post.send({"text": "\n".join(lines)}, headers={})


def _escape(text: str) -> str:
    """Slack's own three: without them a value could make a link or call everybody (<!channel>)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
