"""Who is told of alerts, and how."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.connectors import Connector

__all__ = ["Channel", "channels"]


class Channel(Protocol):
    """A way to tell. What couldn't be told is kept and told again later, for each recipient by itself."""

    name: str

    def recipients(self, notice: Notice) -> list[str]:
        """Who is to be told: addresses for e-mail, one name for what has no recipients; empty is nobody."""
        ...

    def send(self, notice: Notice, recipient: str) -> None:
        """Tells one recipient.

        The messages of errors say which server it is, and not the channel's name.

        Raises:
            SinkError: it could not be told now; trying again makes sense.
            ConfigError: it can't be told, and trying again is of no use; the message says why.
        """
        ...


def channels(
    config: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    flows: str | None = None,
) -> list[Channel]:
    """The channels of a configuration file. Connects to nobody.

    Args:
        config: a ``vpcflow.toml``: its ``[alerts.channels]``, else its ``[kibana.connectors]``. Without a
            file, or when it has neither, standard output is told.
        environ: where secrets are; by default ``os.environ``.
        flows: where the flows are, a store or an Elasticsearch: messages name it in commands.

    Raises:
        ConfigError: the file can't be used, or a secret is missing.
    """
    from vpcflow.alerts.notify import email, index, slack, stdout, webhook
    from vpcflow.alerts.notify.config import read_settings

    kinds: dict[str, Callable[[Connector, Settings], Channel]] = {
        "email": email.Email,
        "index": index.Index,
        "slack": slack.Slack,
        "stdout": stdout.Stdout,
        "webhook": webhook.Webhook,
    }
    settings = read_settings(config, os.environ if environ is None else environ, flows)
    return [kinds[one.type](one, settings) for one in settings.connectors]
