"""Steps in Elasticsearch's query DSL: composite aggregations, page by page, so that no group is estimated.

https://www.elastic.co/docs/reference/aggregations/search-aggregations-bucket-composite-aggregation
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vpcflow.query.answer import PRECISION, Engine, Step
from vpcflow.query.dsl import compile_filter
from vpcflow.query.fields import kind
from vpcflow.query.model import Having, Metric

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

__all__ = ["compile_step", "engine"]

#: Groups a request. A server refuses over 65,536 buckets in one answer; those of shares count too.
_PAGE = 5_000
_OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def engine(client: Elasticsearch, where: str, index: str = "logs-aws.vpcflow-*") -> Engine:
    """Asks an Elasticsearch in the query DSL.

    Args:
        client: of the server.
        where: its name, for messages.
        index: data stream, or a pattern.
    """

    def ask(step: Step) -> list[tuple[Any, ...]]:
        from elasticsearch import ApiError, TransportError
        from vpcflow.elastic.client import explain

        try:
            return [row for row in _rows(step, client, index) if _has(step, row)]
        except (ApiError, TransportError) as error:
            raise explain(error, where) from error

    return ask


def compile_step(step: Step, after: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body of a search.

    Args:
        step: what is asked.
        after: ``after_key`` of the page before.
    """
    query = compile_filter(step.filter)
    if step.period is not None:
        start, end = (int(moment.timestamp() * 1000) for moment in step.period)
        period = {"range": {"@timestamp": {"gte": start, "lt": end, "format": "epoch_millis"}}}
        query = {"bool": {"filter": [query, period]}}
    numbers = {f"n{at}": one for at, metric in enumerate(step.metrics) if (one := _number(metric))}
    keys: list[dict[str, Any]] = []
    if step.bucket:
        interval = {"field": "@timestamp", "fixed_interval": f"{step.bucket}s"}
        keys.append({"bucket": {"date_histogram": interval}})
    for at, field in enumerate(step.fields):
        missing = {"missing_bucket": True} if field in step.absent else {}
        keys.append({f"k{at}": {"terms": {"field": field, **missing}}})
    body: dict[str, Any] = {"size": 0, "track_total_hits": True, "query": query}
    if not keys:
        return body | ({"aggs": numbers} if numbers else {})
    composite = {"size": _PAGE, "sources": keys} | ({"after": after} if after else {})
    return body | {"aggs": {"groups": {"composite": composite, **({"aggs": numbers} if numbers else {})}}}


def _number(metric: Metric) -> dict[str, Any] | None:
    field = metric.field or "@timestamp"
    match metric.kind:
        case "count":
            return None
        case "sum":
            return {"sum": {"field": field}}
        case "distinct":
            return {"cardinality": {"field": field, "precision_threshold": PRECISION}}
        case "share":
            return {"filter": {"match_all": {}} if metric.filter is None else compile_filter(metric.filter)}
        case "first":
            return {"min": {"field": field}}
        case "last":
            return {"max": {"field": field}}


def _rows(step: Step, client: Elasticsearch, index: str) -> Iterator[tuple[Any, ...]]:
    after = None
    while True:
        answer = client.search(index=index, **compile_step(step, after))
        found = answer.get("aggregations", {})
        if not step.fields and not step.bucket:
            yield _values(step, found, answer["hits"]["total"]["value"])
            return
        if "groups" not in found:  # no index has such a name yet
            return
        for group in found["groups"]["buckets"]:
            key = group["key"]
            time = (_date(key["bucket"]),) if step.bucket else ()
            fields = (_key(field, key[f"k{at}"]) for at, field in enumerate(step.fields))
            yield (*time, *fields, *_values(step, group, group["doc_count"]))
        after = found["groups"].get("after_key")
        if after is None:
            return


def _values(step: Step, found: dict[str, Any], count: int) -> tuple[Any, ...]:
    return tuple(_value(metric, found.get(f"n{at}", {}), count) for at, metric in enumerate(step.metrics))


def _value(metric: Metric, found: dict[str, Any], count: int) -> Any:
    match metric.kind:
        case "count":
            return count
        case "share":
            return found["doc_count"] / count if count else None
        case "first" | "last":
            moment = found.get("value")  # where there is no index at all, there is no number either
            return None if moment is None else _date(moment)
        case "sum" if kind(metric.field or "") == "double":
            return found.get("value", 0.0)
    return int(found.get("value", 0))


def _key(field: str, value: Any) -> Any:
    return _date(value) if kind(field) == "date" and value is not None else value


def _date(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _has(step: Step, row: tuple[Any, ...]) -> bool:
    numbers = dict(
        zip((metric.name for metric in step.metrics), row[len(row) - len(step.metrics) :], strict=True)
    )
    return all(_holds(one, numbers[one.name]) for one in step.having)


def _holds(having: Having, number: Any) -> bool:
    return number is not None and bool(_OPERATORS[having.operator](number, having.value))
