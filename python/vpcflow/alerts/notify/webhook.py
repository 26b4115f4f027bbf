"""Tells a webhook: JSON, with the fields that Kibana's connector sends (title, level, text) and some more."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vpcflow.alerts.notify.letter import write
from vpcflow.alerts.notify.post import Post

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.connectors import Connector

__all__ = ["Webhook"]


class Webhook:
    """One request for each message. ``key`` is the same when a message is sent again."""

    def __init__(self, connector: Connector, settings: Settings) -> None:
        config = connector.config
        self.name = connector.name
        self._settings = settings
        self._method: str = config["method"].upper()
        self._headers: dict[str, str] = dict(config["headers"] or {})
        if secrets := connector.secrets:
            login = f"{secrets['user']}:{secrets['password']}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        parts = urlsplit(config["url"])
        name = f"{parts.scheme}://{parts.netloc}"  # the path may hold a token
        self._post = Post(config["url"], name, config.get("ca"))

    def recipients(self, notice: Notice) -> list[str]:
        return [self.name]

    def send(self, notice: Notice, recipient: str) -> None:
        letter = write(notice, self._settings)
        body = {
            "title": letter.title,
            "level": letter.level,
            "text": letter.text,
            "key": notice.key,
            "state": notice.state,
            "rule": notice.rule.id,
            "owner": notice.owner.name if notice.owner else None,
            "count": notice.count,
            "rows": [dict(zip(letter.columns, row, strict=True)) for row in letter.rows],
            "url": letter.url or None,
        }
        self._post.send(body, method=self._method, headers=self._headers)
