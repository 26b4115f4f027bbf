"""Tells on standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vpcflow.alerts.notify.letter import write
from vpcflow.errors import SinkError

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.connectors import Connector

__all__ = ["Stdout"]


class Stdout:
    """Writes subject and text of each message, with an empty line after it."""

    def __init__(self, connector: Connector, settings: Settings) -> None:
        self.name = connector.name
        self._settings = settings

    def recipients(self, notice: Notice) -> list[str]:
        return [self.name]

    def send(self, notice: Notice, recipient: str) -> None:
        letter = write(notice, self._settings)
        try:
            sys.stdout.write(f"{letter.subject}\n\n{letter.text}\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # whoever reads has gone: the command ends as others do
        except OSError as error:
            raise SinkError(f"standard output: {error.strerror}") from error
