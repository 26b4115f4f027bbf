"""Who answers a query: a Parquet store, or an Elasticsearch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vpcflow.errors import ConfigError
from vpcflow.query.answer import Engine, Step
from vpcflow.query.model import Period

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

__all__ = ["is_elasticsearch", "open_flows"]

#: So many rows ES|QL gives at once.
_MOST = 10_000

#: So many namespaces are named.
_NAMED = 10


def is_elasticsearch(target: str | os.PathLike[str]) -> bool:
    """Whether a target is an Elasticsearch; else it is the folder of a store."""
    return re.match(r"(?i:https?://)|cloud:", os.fspath(target)) is not None


@contextmanager
def open_flows(
    target: str | os.PathLike[str],
    *,
    namespace: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    period: Period | None = None,
) -> Iterator[Engine]:
    """An engine for `vpcflow.query.answer.answer`.

    Args:
        target: folder of a Parquet store; ``https://host:9200``, or ``cloud:`` and a Cloud ID, is
            Elasticsearch.
        namespace: of the data stream in Elasticsearch; None is all of them.
        ca: file with the certificates to trust for Elasticsearch; None is ``ELASTICSEARCH_CA``, else the
            system's.
        period: of a store, which files a step without a period of its own opens: those of its days. None is
            all of them. A step with one opens those of its own days in any case.

    Raises:
        ConfigError: there is no store, nothing is in it, there is no such namespace, or the URL, certificate
            or credentials won't do.
        SinkError: Elasticsearch can't be reached.
    """
    text = os.fspath(target)
    if not is_elasticsearch(text):
        from vpcflow.query import engine_sql
        from vpcflow.query.store import open_store

        with open_store(text) as connection:
            yield engine_sql.engine(connection, period)
        return
    with _elasticsearch(text, namespace, ca) as engine:
        yield engine


@contextmanager
def _elasticsearch(url: str, namespace: str | None, ca: str | os.PathLike[str] | None) -> Iterator[Engine]:
    """The first few groups come from ES|QL, which ranks them; all of them from the DSL, which pages."""
    from vpcflow.elastic.client import connect, public_url
    from vpcflow.elastic.reader import Reader
    from vpcflow.elastic.template import DATASET, data_stream
    from vpcflow.query import engine_dsl, engine_esql

    index = f"logs-{DATASET}-*" if namespace is None else data_stream(namespace)
    with Reader(url, ca=ca) as reader, connect(url, ca=ca) as client:
        if namespace is not None:
            _check(client, public_url(url), namespace, index)
        first = engine_esql.engine(reader, index)
        every = engine_dsl.engine(client, public_url(url), index)
        has_esql = _version(client.info()["version"]["number"]) >= (8, 11)

        def ask(step: Step) -> list[tuple[object, ...]]:
            few = step.limit is not None and step.limit < _MOST and not step.within
            return first(step) if few and has_esql else every(step)

        yield ask


def _check(client: Elasticsearch, where: str, namespace: str, index: str) -> None:
    """Says of a namespace that isn't there which ones are."""
    from elasticsearch import ApiError, NotFoundError, TransportError
    from vpcflow.elastic.client import explain
    from vpcflow.elastic.stored import namespaces

    try:
        try:
            client.field_caps(index=index, fields="@timestamp")  # of all requests of readers the cheapest
        except NotFoundError:
            there = namespaces(client)
        else:
            return
    except (ApiError, TransportError) as error:
        raise explain(error, where) from error
    named = ", ".join(there[:_NAMED])
    if len(there) > _NAMED:
        named += f" and {len(there) - _NAMED} more"
    fill = f"vpcflow index SOURCE --to {where} --namespace {namespace}"
    known = f"there are {named}" if there[1:] else f"there is {named}" if there else "there is none yet"
    raise ConfigError(
        f"{where} has no namespace {namespace}: there is no data stream {index}; {known}; to fill it: {fill}"
    )


def _version(number: str) -> tuple[int, int]:
    major, minor, *_ = number.split(".")
    return int(major), int(minor)
