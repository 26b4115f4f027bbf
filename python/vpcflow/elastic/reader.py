"""Reads from Elasticsearch with ES|QL: a query and its parameters in, columns and rows of Python values out.

https://www.elastic.co/docs/reference/query-languages/esql/esql-rest
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

from vpcflow.elastic.client import connect, explain, public_url, reason
from vpcflow.errors import ConfigError, QueryError, SinkError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from elastic_transport import ObjectApiResponse

    from elasticsearch import ApiError

__all__ = ["MAX_ROWS", "MissingIndexError", "Parameter", "Reader", "Table"]

#: As many rows as a server gives by itself. An answer that has as many may be cut, and is an error.
MAX_ROWS = 10_000

#: What a parameter of a query can be.
Parameter = str | int | float | bool | datetime | IPv4Address | IPv6Address | IPv4Network | IPv6Network | None

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class MissingIndexError(QueryError):
    """The query names an index or data stream that isn't there, or that the credentials may not see."""


@dataclass(frozen=True, slots=True)
class Table:
    """The answer to a query.

    Attributes:
        columns: the names, in the order of the query.
        types: Elasticsearch's type of each column: ``ip``, ``keyword``, ``long``, ``date`` …
        rows: the values. Whole numbers are int, doubles float, booleans bool, dates datetime in UTC (to the
            microsecond); all else is str: addresses, keywords, points. None is no value, a list several ones.
        warnings: what the server had to say about it, a line each: a value that could not be computed, say.
    """

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    warnings: list[str]


class Reader:
    """Asks one server, any number of times, from any thread.

    Args:
        url, ca, environ: as for `vpcflow.elastic.client.connect`.
        timeout: seconds that a query may take; the server gives up with us.

    Raises:
        ConfigError: from the constructor, when URL, certificate or credentials won't do.
        SinkError: from the constructor, when the server can't be reached.
    """

    def __init__(
        self,
        url: str,
        *,
        ca: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> None:
        self.name = public_url(url)
        # Reads do no harm twice: a lost connection or a busy server is asked again, at most three times.
        self._client = connect(url, ca=ca, environ=environ, timeout=timeout).options(
            max_retries=3, retry_on_status=(429, 502, 503, 504)
        )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def query(self, esql: str, params: Sequence[Parameter] = ()) -> Table:
        """Runs an ES|QL query.

        Args:
            esql: the query, with ``?`` where a parameter goes. Where the first rows are enough, end it with
                ``LIMIT``, of less than 10,000.
            params: the values, in order. Never write one into the query: here nothing has to be escaped.

        Raises:
            QueryError: the server doesn't understand the query (the message has the place, line:column), or
                the answer is not complete: too many rows, or a part of the data can't be read just now.
            MissingIndexError: what it reads from isn't there: nothing has been indexed yet, perhaps.
            ConfigError: the credentials may not read, or the server has no ES|QL (it came with 8.11).
            SinkError: the server can't be reached, or is not able to answer in time.
        """
        answer = self._ask(esql, params)
        if answer.get("is_partial"):
            why = "".join(f" ({text})" for text in _failures(answer)[:1])
            raise QueryError(f"{self.name} could read a part of the data only{why}; mend it, or try again")
        columns, values = answer["columns"], answer["values"]
        rows = len(values[0]) if values else 0
        if rows > 1 and rows >= self._most:
            raise QueryError(
                f"the answer is cut at {rows:,} rows, as many as {self.name} gives; group or filter, or end "
                "the query with a smaller LIMIT if the first ones are enough"
            )
        types = [column["type"] for column in columns]
        return Table(
            [column["name"] for column in columns],
            types,
            list(zip(*map(_column, types, values), strict=True)),
            _WARNING.findall(answer.meta.headers.get("warning") or ""),
        )

    @cached_property
    def _most(self) -> int:
        """How many rows the server gives, tried out.

        The setting, esql.query.result_truncation_max_size, takes a privilege on the cluster to read.
        """
        digits = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
        answer = self._ask(
            f"ROW a = {digits}, b = {digits}, c = {digits}, d = {digits} "
            "| MV_EXPAND a | MV_EXPAND b | MV_EXPAND c | MV_EXPAND d | KEEP a",
            (),
        )
        return len(answer["values"][0])

    def _ask(self, esql: str, params: Sequence[Parameter]) -> ObjectApiResponse[Any]:
        from elasticsearch import ApiError, ElasticsearchWarning, TransportError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ElasticsearchWarning)  # they are in the answer's header, too
                # On a line of its own, since the query may end with a comment.
                return self._client.esql.query(
                    query=f"{esql}\n| LIMIT {MAX_ROWS}", params=[_plain(p) for p in params], columnar=True
                )
        except ApiError as error:
            raise self._refusal(error, esql) from error
        except TransportError as error:
            raise explain(error, self.name) from error

    def _refusal(self, error: ApiError, esql: str) -> QueryError | ConfigError | SinkError:
        status, why = error.meta.status, reason(error.body)
        ours = error.meta.headers.get("x-elastic-product") == "Elasticsearch"
        if ours and status in {400, 405} and "[/_query" in why:
            return ConfigError(f"{self.name} has no ES|QL; vpcflow reads from Elasticsearch 8.11 or newer")
        if not ours or status != 400 or "compatible-with" in why:
            return explain(error, self.name)
        # "Found 1 problem line 2:9: Unknown column [x]": what comes before the place says nothing.
        why = re.sub(r"^Found \d+ problems? ", "", why)
        limit = esql.count("\n") + 2  # the line of our LIMIT, which the user doesn't know of
        if why.startswith(f"line {limit}:"):
            why = f"it ends too early ({why.partition(' expecting ')[2] or why} expected)"
        if "Unknown index" in why:
            return MissingIndexError(
                f"{self.name}: {why}; index something first, or take credentials that may read it"
            )
        return QueryError(f"{self.name} can't run the query: {why}")


def _failures(answer: ObjectApiResponse[Any]) -> list[str]:
    """Why parts of the data could not be read."""
    clusters = answer.get("_clusters", {}).get("details", {}).values()
    return [reason(failure["reason"]) for cluster in clusters for failure in cluster.get("failures", ())]


def _plain(value: Parameter) -> object:
    """A parameter as JSON has it."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _column(kind: str, values: list[Any]) -> list[Any]:
    convert = _CONVERSIONS.get(kind)
    if convert is None:
        return values
    return [
        None if value is None else [convert(v) for v in value] if isinstance(value, list) else convert(value)
        for value in values
    ]


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


#: Where JSON's own types say less than the column's.
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"date": _date, "date_nanos": _date, "double": float}
