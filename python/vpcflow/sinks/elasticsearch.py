"""Elasticsearch as a target: bulk requests into the data stream ``logs-aws.vpcflow-<namespace>``."""

from __future__ import annotations

import gzip
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from vpcflow.elastic.client import connect, explain, public_url, reason
from vpcflow.elastic.template import data_stream, put_template
from vpcflow.errors import SinkError
from vpcflow.sinks.base import Refusal, Written

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from vpcflow._core import Batch
    from vpcflow.sources.base import Item

__all__ = ["ElasticsearchSink"]

#: Statuses of a request or a document that are worth another try: overload, a node or a shard on the move.
_AGAIN = frozenset({429, 500, 502, 503, 504})

#: Statuses of a document that speak of the set-up, not of the document: all the others would get the same.
_SETUP = frozenset({401, 403, 404})


class ElasticsearchSink:
    """Writes into a data stream, after making sure that its index template is there.

    Every document arrives at least once. With ``ids="digest"`` it is in the index once, however often it is
    sent; with ``ids="auto"`` a request whose answer got lost is sent again and leaves its documents twice.

    Args:
        url: ``http[s]://host:port``; for credentials see `vpcflow.elastic.client.connect`.
        namespace: last part of the data stream's name.
        ids, preserve_original, tags: as for `Batch.to_bulk`.
        ca: file with the certificates to trust.
        patience: seconds that the server may go without taking anything before that is an error.

    Attributes:
        name: URL and data stream, without credentials.
        notes: what the user should know about the set-up, a line each.

    Raises:
        ConfigError: from the constructor, when URL, credentials, certificate or namespace won't do.
        SinkError: from the constructor, when the server can't be reached; from writing, when it takes nothing
            for too long, or refuses documents for what is no fault of theirs.
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
        patience: float = 120,
    ) -> None:
        from elasticsearch import ApiError, AuthorizationException, TransportError

        self.notes: list[str] = []
        self._stream = data_stream(namespace)
        self._server = public_url(url)
        self.name = f"{self._server}/{self._stream}"
        self._patience = patience
        self._encoding: dict[str, Any] = {
            "ids": ids,
            "namespace": namespace,
            "preserve_original": preserve_original,
            "tags": tuple(tags),
            "compression": "gzip",
        }
        self._stopped = threading.Event()
        self._client = connect(url, ca=ca)
        try:
            self.notes += put_template(self._client)
        except AuthorizationException:
            # A key for writing only is good practice; whoever made it is taken to have set the template up.
            self.notes.append("the credentials don't reach the index template: it is taken as set up")
        except (ApiError, TransportError) as error:
            self._client.close()
            raise explain(error, self._server) from error

    def open(self, item: Item) -> _Writer:
        return _Writer(self)

    def close(self) -> None:
        self._client.close()

    def abort(self) -> None:
        self._stopped.set()
        self._client.close()

    def encode(self, batch: Batch) -> _Bulk:
        return _Bulk(batch.to_bulk(**self._encoding), len(batch))

    def send(self, bulk: _Bulk) -> Written:
        """Sends documents until each of them is stored or refused for good."""
        written = Written(0, len(bulk.body))
        queue = deque([bulk] if bulk.documents else [])
        attempt, deadline = 0, time.monotonic() + self._patience
        while queue:
            part = queue.popleft()
            try:
                again, why = self._settle(part, self._request(part), written)
            except _BusyError as busy:
                again, why = [part], str(busy)
                if busy.status in {413, 429} and part.documents > 1:  # it may do in smaller bites
                    again, attempt = list(part.halves()), 0
                elif busy.status == 413:
                    written.refused.append(
                        Refusal(part.document(part.lines(), 0), "too large for the server")
                    )
                    again = []
                if busy.status == 413:
                    why = ""
            else:
                if sum(rest.documents for rest in again) < part.documents:
                    attempt, deadline = 0, time.monotonic() + self._patience
            queue.extendleft(reversed(again))
            if why:
                self._pause(attempt, deadline, why)
                attempt += 1
        return written

    def _pause(self, attempt: int, deadline: float, why: str) -> None:
        """Waits longer each time, and at random: writers that failed together must not come back together."""
        if time.monotonic() > deadline:
            raise SinkError(f"{self.name} took nothing for {self._patience:g} s ({why}); run again later")
        longest = min(0.5 * 2**attempt, self._patience / 8)
        if self._stopped.wait(random.uniform(0.5, 1) * longest):  # noqa: S311
            raise SinkError(f"{self.name}: stopped while the server was busy ({why})")

    def _request(self, bulk: _Bulk) -> list[dict[str, Any]]:
        """One bulk request: the status of each document, in order."""
        from elasticsearch import ApiError, ConnectionTimeout, SSLError, TransportError
        from elasticsearch import ConnectionError as Unreachable

        body: Any = bulk.body  # the client's types know only lists of actions
        client = self._client.options(headers={"content-encoding": "gzip"}, max_retries=0)
        try:
            answer = client.bulk(
                operations=body,
                index=self._stream,
                require_data_stream=True,  # without its template the name would become an ordinary index
                filter_path="errors,items.*.status,items.*.error",
            )
        except ApiError as error:
            status = error.meta.status
            if status == 413 or status in _AGAIN:
                raise _BusyError(f"status {status}: {reason(error.body)}", status) from error
            raise explain(error, self._server) from error
        except TransportError as error:
            said = explain(error, self._server)
            if isinstance(error, (Unreachable, ConnectionTimeout)) and not isinstance(error, SSLError):
                raise _BusyError(str(said)) from error
            raise said from error
        items: list[dict[str, Any]] = [item["create"] for item in answer["items"]]
        if len(items) != bulk.documents:
            raise SinkError(f"{self.name} answered for {len(items)} of {bulk.documents} documents; run again")
        return items

    def _settle(self, bulk: _Bulk, items: list[dict[str, Any]], written: Written) -> tuple[list[_Bulk], str]:
        """Counts what was stored and notes what was refused; returns what to send again, and why."""
        again: list[int] = []
        refused: list[int] = []
        why = ""
        for position, item in enumerate(items):
            status = item["status"]
            if status < 300 or status == 409:  # 409: it is there already, from an earlier run or request
                written.documents += 1
            elif status in _AGAIN:
                again.append(position)
                why = f"status {status}: {reason(item)}"
            elif status in _SETUP:
                raise SinkError(f"{self.name} takes no documents ({status}): {reason(item)}; mend the set-up")
            else:
                refused.append(position)
        if refused:
            lines = bulk.lines()
            written.refused += [Refusal(bulk.document(lines, i), reason(items[i])) for i in refused]
        return ([bulk.only(again)] if again else []), why


class _Writer:
    """One item's way into the sink: each batch is a request, stored when `write` returns."""

    def __init__(self, sink: ElasticsearchSink) -> None:
        self._sink = sink

    def encode(self, batch: Batch) -> _Bulk:
        return self._sink.encode(batch)

    def write(self, encoded: _Bulk) -> Written:
        return self._sink.send(encoded)

    def commit(self) -> Written:
        return Written(0, 0)

    def abort(self) -> None:
        """Leaves what was stored: with ``ids="digest"`` a second run adds only the rest."""


@dataclass(frozen=True, slots=True)
class _Bulk:
    """The body of a bulk request, compressed, and how many documents it holds."""

    body: bytes
    documents: int

    def lines(self) -> list[bytes]:
        """An action and a document, in turns."""
        return gzip.decompress(self.body).split(b"\n")

    @staticmethod
    def document(lines: list[bytes], position: int) -> str:
        return lines[2 * position + 1].decode()

    def only(self, positions: Iterable[int]) -> _Bulk:
        """The request with some of its documents."""
        lines = self.lines()
        kept = [line for i in positions for line in (lines[2 * i], lines[2 * i + 1])]
        return _Bulk(gzip.compress(b"\n".join([*kept, b""]), 1), len(kept) // 2)

    def halves(self) -> tuple[_Bulk, _Bulk]:
        half = self.documents // 2
        return self.only(range(half)), self.only(range(half, self.documents))


class _BusyError(Exception):
    """The server did not take a request this time."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status
