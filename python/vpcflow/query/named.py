"""Questions by name: what people ask of flow logs again and again, as queries of `named.yml`."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.query.answer import Answer, Engine, answer
from vpcflow.query.filters import Filter
from vpcflow.query.model import Metric, Period, Query

__all__ = ["Named", "Way", "ask", "dollars", "names", "question"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to ask a question.

    Attributes:
        query: what is asked.
        about: what its rows are, where a question has several ways.
    """

    query: Query
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A question.

    Attributes:
        name: as people type it.
        title: what it asks, in a line.
        ways: to ask it; the first that has an answer counts.
        needs: holds for some flow wherever the question makes sense; None for a question that always does.
        lacks: what to do where it holds for none.
        dollars_a_gb: what 10^9 bytes cost by AWS's list price in us-east-1; adds the column ``dollars``.
    """

    name: str
    title: str
    ways: tuple[Way, ...]
    needs: Filter | None = None
    lacks: str = ""
    dollars_a_gb: float | None = None

    def limited(self, limit: int) -> Named:
        """The question with as many rows at most.

        Raises:
            ConfigError: its rows have no rank.
        """
        if any(way.query.bucket for way in self.ways):
            raise ConfigError(f"{self.name} goes over time: all its rows belong to it; leave --limit out")
        return replace(
            self, ways=tuple(replace(way, query=replace(way.query, limit=limit)) for way in self.ways)
        )


def names() -> dict[str, str]:
    """The titles of all questions by their names.

    Raises:
        ConfigError: PyYAML, which comes with pySigma, is not installed.
    """
    return {name: str(content["title"]) for name, content in _contents().items()}


def question(name: str) -> Named:
    """A question by its name.

    Raises:
        ConfigError: there is none of that name, or pySigma is not installed.
    """
    contents = _contents()
    if name not in contents:
        close = difflib.get_close_matches(name, contents, 1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(f"there is no question {name}; {meant}vpcflow query --list has them all")
    content = contents[name]
    ways = tuple(Way(Query.parse(way["query"]), way.get("about")) for way in content.get("ways", [content]))
    needs = Filter(content["needs"]) if "needs" in content else None
    return Named(name, content["title"], ways, needs, content.get("lacks", ""), content.get("dollars_a_gb"))


def ask(named: Named, engine: Engine, period: Period | None) -> tuple[Answer, Way]:
    """The answer to a question, and the way that gave it.

    Args:
        named: what is asked.
        engine: who is asked; of `vpcflow.query.flows.open_flows`.
        period: of the flows, by ``@timestamp``; all of them when None.

    Raises:
        ConfigError: there are flows, but none that says what the question is about.
        QueryError, SinkError: from the engine.
    """
    for way in named.ways:
        found = answer(way.query, engine, period)
        if found.rows:
            return _priced(found, named.dollars_a_gb), way
    if named.needs is not None and _count(None, engine, period) and not _count(named.needs, engine, period):
        raise ConfigError(f"{named.name}: {named.lacks}")
    return _priced(found, named.dollars_a_gb), named.ways[0]


def dollars(named: Named, way: Way, engine: Engine, period: Period | None) -> float:
    """What all rows of a way cost together, those beyond its limit too."""
    whole = replace(way.query, group_by=(), limit=None, order_by=None)
    found = answer(whole, engine, period)
    return float(_priced(found, named.dollars_a_gb).rows[0][-1])


def _count(condition: Filter | None, engine: Engine, period: Period | None) -> int:
    query = Query(condition or Filter(), metrics=(Metric("count", "flows"),))
    return int(answer(query, engine, period).rows[0][0])


def _priced(found: Answer, dollars_a_gb: float | None) -> Answer:
    if dollars_a_gb is None:
        return found
    at = found.columns.index("bytes")
    rows = [(*row, round(row[at] / 1e9 * dollars_a_gb, 4)) for row in found.rows]
    return Answer([*found.columns, "dollars"], rows)


@functools.cache
def _contents() -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise ConfigError(
            "questions by name need the package pysigma: pip install 'vpcflow[rules]'"
        ) from error
    text = files("vpcflow.query").joinpath("named.yml").read_text(encoding="utf-8")
    # LibYAML, where it is, is eight times as fast; the other takes longer than the question.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    contents: Mapping[str, Any] = yaml.load(text, loader)["questions"]  # noqa: S506 - a safe one
    return contents
