"""Sends bulk requests until each document is stored or refused for good."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from vpcflow.elastic.client import explain, reason
from vpcflow.errors import SinkError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from vpcflow.sinks.elasticsearch.body import Body

__all__ = ["GIVE_UP_AFTER", "Delivery"]

_LOG = logging.getLogger(__name__)

#: Seconds that a server may go without taking anything. A node that restarts needs one or two minutes.
GIVE_UP_AFTER = 300.0

#: Statuses of a request or a document that are worth another try: overload, a node or a shard on the move.
_AGAIN = frozenset({429, 500, 502, 503, 504})

#: Statuses of a document that speak of the set-up, not of the document: all the others would get the same.
_SETUP = frozenset({401, 403, 404})

#: Seconds of the first pause, at most; each next one is twice as long, up to the last.
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 5.0

#: So many tries in vain are nothing to speak of.
_SILENT = 2

#: A request that is too much for a busy server may do in halves; one of so few documents is sent as it is.
_FEW = 100


class Delivery:
    """Delivers bodies into a data stream. Any number of threads may deliver at once.

    Args:
        client: connected.
        server: the client's URL, for messages.
        stream: name of the data stream.
        give_up_after: seconds without any document stored, on any thread, after which trying again ends.
    """

    def __init__(self, client: Elasticsearch, server: str, stream: str, give_up_after: float) -> None:
        # The body is compressed already, and which tries are worth it is decided here.
        self._client = client.options(headers={"content-encoding": "gzip"}, max_retries=0)
        self._server = server
        self._stream = stream
        self._name = f"{server}/{stream}"
        self._give_up_after = give_up_after
        self._taken_at: float | None = None  # when the server last took something
        self._waits = False  # it was said that the server takes nothing

    def __call__(self, body: Body, stopped: threading.Event) -> None:
        """Tells the writers of a body's documents what became of them.

        Raises:
            ConfigError, SinkError: the server refuses everything, or took nothing for too long.
        """
        queue = deque([body])
        attempt, begun = 0, time.monotonic()
        while queue:
            part = queue.popleft()
            try:
                rest, why = self._settle(part, self._request(part))
            except _BusyError as busy:
                rest, why = self._smaller(part, busy.status), str(busy)
                if busy.status == 413:  # nothing to wait for
                    why = ""
            else:
                if sum(again.documents for again in rest) < part.documents:
                    self._taken_at, attempt = time.monotonic(), 0
                    self._say_waits(None)
            queue.extendleft(reversed(rest))
            if why:
                self._pause(attempt, max(begun, self._taken_at or begun), why, stopped)
                attempt += len(rest) == 1  # smaller bites are no sign that the server needs longer

    def _smaller(self, body: Body, status: int | None) -> list[Body]:
        """What to send in the place of a request that the server did not take."""
        if body.documents > 1 and (status == 413 or (status == 429 and body.documents > _FEW)):
            return list(body.halves())
        if status == 413:
            body.tell({0: "too large for the server"}, [])
            return []
        return [body]

    def _pause(self, attempt: int, since: float, why: str, stopped: threading.Event) -> None:
        """Waits longer each time, and at random: who failed together must not come back together."""
        left = since + self._give_up_after - time.monotonic()
        if left <= 0:
            raise SinkError(
                f"{self._name} took nothing for {self._give_up_after:g} s ({why}); run again when it is well"
            )
        if attempt >= _SILENT:
            self._say_waits(f"{why}; trying again for {left:.0f} s")
        longest = min(_FIRST_PAUSE * 2**attempt, _LAST_PAUSE)
        if stopped.wait(min(random.uniform(0.5, 1) * longest, left)):  # noqa: S311
            raise SinkError(f"{self._name}: stopped while the server was busy ({why}); run again")

    def _say_waits(self, why: str | None) -> None:
        """Tells the user once when the server takes nothing, and when it does again."""
        if self._waits == (why is not None):
            return
        self._waits = why is not None
        _LOG.warning("%s takes %s", self._name, f"nothing for now: {why}" if why else "documents again")

    def _request(self, body: Body) -> list[dict[str, Any]]:
        """One bulk request: the status of each document, in order; nothing if all of them are stored."""
        from elasticsearch import ApiError, ConnectionTimeout, SSLError, TransportError
        from elasticsearch import ConnectionError as Unreachable

        operations: Any = body.data  # the client's types know only lists of actions
        try:
            answer = self._client.bulk(
                operations=operations,
                index=self._stream,
                require_data_stream=True,  # without its template the name would become an ordinary index
                filter_path="errors,items.*.status,items.*.error",
            )
        except ApiError as error:
            status = error.meta.status
            # A node that has just booted knows no user yet.
            unknown = status == 401 and self._taken_at is not None
            if status == 413 or status in _AGAIN or unknown:
                raise _BusyError(f"status {status}: {reason(error.body)}", status) from error
            raise explain(error, self._server) from error
        except TransportError as error:
            said = explain(error, self._server)
            if isinstance(error, (Unreachable, ConnectionTimeout)) and not isinstance(error, SSLError):
                raise _BusyError(str(said)) from error
            raise said from error
        items = answer["items"]
        answered = len(items) if answer["errors"] else items  # the client counts those of a good answer
        if answered != body.documents:
            raise SinkError(f"{self._name} answered for {answered} of {body.documents} documents; run again")
        return [item["create"] for item in items] if answer["errors"] else []

    def _settle(self, body: Body, items: list[dict[str, Any]]) -> tuple[list[Body], str]:
        """Tells the writers what was stored and what refused; returns what to send again, and why."""
        again: list[int] = []
        refused: dict[int, str] = {}
        why = ""
        for position, item in enumerate(items):
            status = item["status"]
            if status < 300 or status == 409:  # 409: it is there already, from an earlier run or request
                continue
            if status in _AGAIN:
                again.append(position)
                why = f"status {status}: {reason(item)}"
            elif status in _SETUP:
                raise SinkError(
                    f"{self._name} takes no documents ({status}): {reason(item)}; mend the set-up"
                )
            else:
                refused[position] = reason(item)
        body.tell(refused, again)
        return ([body.only(again)] if again else []), why


class _BusyError(Exception):
    """The server did not take a request this time."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status
