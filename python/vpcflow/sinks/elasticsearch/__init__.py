"""Elasticsearch as a target: bulk requests into the data stream ``logs-aws.vpcflow-<namespace>``.

A batch becomes a piece of a request's body on the thread that parsed it (body.py). Its writer (writer.py)
puts it into the outbox (outbox.py), whose threads send it, and try again (delivery.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from vpcflow.elastic.client import connect, explain, public_url
from vpcflow.elastic.setup import put_template
from vpcflow.elastic.template import data_stream
from vpcflow.sinks.elasticsearch.body import Encoded
from vpcflow.sinks.elasticsearch.delivery import GIVE_UP_AFTER, Delivery
from vpcflow.sinks.elasticsearch.outbox import Outbox
from vpcflow.sinks.elasticsearch.writer import Writer

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from vpcflow._core import Batch
    from vpcflow.sources.base import Item

__all__ = ["GIVE_UP_AFTER", "ElasticsearchSink"]

#: Documents from which on a batch is a request of its own: some 2 MB, 6 MB in a full batch.
_WHOLE = 1500


class ElasticsearchSink:
    """Writes into a data stream, after making sure that its index template is there.

    Every document arrives at least once. With ``ids="digest"`` it is in the index once, however often it is
    sent; with ``ids="auto"`` a request whose answer got lost is sent again and leaves its documents twice.

    Args:
        url: ``http[s]://host:port``, or ``cloud:`` and a Cloud ID; for credentials see
            `vpcflow.elastic.client.connect`.
        namespace: last part of the data stream's name.
        ids, preserve_original, tags: as for `Batch.to_bulk`.
        ca: file with the certificates to trust.
        give_up_after: seconds that the server may go without taking anything before that is an error.

    Attributes:
        name: URL and data stream, without credentials.
        notes: what the user should know about the set-up, a line each.

    Raises:
        ConfigError: from the constructor, when URL, credentials, certificate or namespace won't do.
        SinkError: from the constructor, when the server can't be reached; from writing and from a commit's
            future, when it takes nothing for too long, or refuses documents for what is no fault of theirs.
    """

    def __init__(
        self,
        url: str,
        namespace: str = "default",
        ids: Literal["auto", "digest"] = "auto",
        preserve_original: bool = False,
        tags: Sequence[str] = (),
        *,
        ca: str | os.PathLike[str] | None = None,
        give_up_after: float = GIVE_UP_AFTER,
    ) -> None:
        from elasticsearch import ApiError, AuthorizationException, TransportError

        self.notes: list[str] = []
        server, stream = public_url(url), data_stream(namespace)
        self.name = f"{server}/{stream}"
        self._encoding: dict[str, Any] = {
            "ids": ids,
            "namespace": namespace,
            "preserve_original": preserve_original,
            "tags": tuple(tags),
        }
        self._client = connect(url, ca=ca)
        try:
            self.notes += put_template(self._client, namespace)
        except AuthorizationException:
            # A key for writing only is good practice; whoever made it is taken to have set the template up.
            self.notes.append("the credentials don't reach the index template: it is taken as set up")
        except (ApiError, TransportError) as error:
            self._client.close()
            raise explain(error, server) from error
        delivery = Delivery(self._client, server, stream, give_up_after)
        self._outbox = Outbox(self.name, delivery)

    def open(self, item: Item) -> Writer:
        return Writer(self._outbox, self._encode)

    def close(self) -> None:
        self._outbox.close()
        self._client.close()

    def abort(self) -> None:
        self._outbox.abort()
        self._client.close()

    def _encode(self, batch: Batch) -> Encoded:
        whole = len(batch) >= _WHOLE
        body = batch.to_bulk(**self._encoding, compression="gzip" if whole else None)
        return Encoded(body, len(batch), whole)
