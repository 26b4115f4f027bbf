"""Tells an index of Elasticsearch: the document that Kibana's connector writes, under the notice's key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vpcflow.alerts.document import document
from vpcflow.alerts.notify.letter import name_of, write
from vpcflow.errors import ConfigError, SinkError, VpcflowError

if TYPE_CHECKING:
    from vpcflow.alerts.notice import Notice
    from vpcflow.alerts.notify.config import Settings
    from vpcflow.connectors import Connector

__all__ = ["Index"]

_TIMEOUT = 30.0


class Index:
    """Creates a document for each notice; one that is there is left as it is."""

    def __init__(self, connector: Connector, settings: Settings) -> None:
        self.name = connector.name
        self._config = connector.config
        self._settings = settings
        url = connector.config.get("url") or settings.elasticsearch
        if url is None:
            raise ConfigError(
                f"channel {self.name}: nobody says where the index {self._config['index']} is; set "
                f"ELASTICSEARCH_URL, or url in [alerts.channels.{self.name}]"
            )
        self._url: str = url

    def recipients(self, notice: Notice) -> list[str]:
        return [self.name]

    def send(self, notice: Notice, recipient: str) -> None:
        from elasticsearch import ApiError, ConflictError, TransportError
        from vpcflow.elastic.client import connect, explain, public_url

        try:
            client = connect(self._url, ca=self._config.get("ca"), timeout=_TIMEOUT)
        except ConfigError as error:
            raise SinkError(str(error)) from error  # of the set-up: the message itself is good
        try:
            client.index(
                index=self._config["index"],
                id=notice.key,
                op_type="create",
                document=self._document(notice),
                refresh=self._config["refresh"],
            )
        except ConflictError:
            pass  # a repeat of one that was taken
        except (ApiError, TransportError) as error:
            # Of all that is answered with 400, the index's name is of the set-up, the rest of the document.
            kind: type[VpcflowError] = SinkError
            if isinstance(error, ApiError) and error.meta.status == 400:
                kind = SinkError if "invalid_index_name" in str(error.body) else ConfigError
            raise kind(str(explain(error, public_url(self._url)))) from error
        finally:
            client.close()

    def _document(self, notice: Notice) -> dict[str, object]:
        letter = write(notice, self._settings)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows = [dict(zip(letter.columns, row, strict=True)) for row in letter.rows]
        told = document(
            notice.rule,
            notice.owner,
            time=now,
            name=name_of(notice, self._settings),
            state=notice.state,
            value=str(notice.count),
            hits=json.dumps(rows, ensure_ascii=False),
        )
        span = {"event.start": notice.start.isoformat(), "event.end": notice.end.isoformat()}
        field = self._config["executionTimeField"]
        return told | span | ({field: now} if field else {})
