"""Reads alert rules: ``kibana/rules/*.yml``, a Sigma rule and a Sigma correlation each.

The rule says which flows, the correlation how many of what, within which time, by which fields:
``event_count`` counts flows, ``value_count`` different values of a field, ``value_sum`` adds one up.
Thresholds count within fixed pieces of time (one o'clock to two o'clock): a burst over the border of two
pieces is seen when one of its parts is enough.

Three things Sigma has no words for. A correlation with ``baseline: {look-back: 30d, change: new}`` is about
groups that were first seen within the last `timespan`; with ``change: gone`` about those that were last seen
before it. ``throttle: 1h`` is for how long the same is not told again.

https://sigmahq.io/sigma-specification/specification/sigma-correlation-rules-specification.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vpcflow.alerts.queries import to_query
from vpcflow.elastic.template import DATASET
from vpcflow.errors import ConfigError
from vpcflow.places import Place
from vpcflow.query import dsl, engine_esql, kql
from vpcflow.query.answer import Step
from vpcflow.query.fields import kind
from vpcflow.query.filters import Filter

__all__ = ["LATE", "Rule", "load", "load_all", "load_several", "require"]

#: Seconds after its end that a record can arrive: AWS delivers to S3 within 10 minutes, then it is read.
LATE = 900

_INDEX = f"logs-{DATASET}-*"
_TYPES = ("event_count", "value_count", "value_sum")
_COMPARE = {"GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_SPAN = re.compile(r"[1-9]\d*[smhd]")
_DASHBOARDS = ("overview", "security-groups", "traffic", "threats", "health")
_ES_AGG = {"event_count": "count", "value_sum": "sum"}
_TEXTS = ("title", "id", "name", "status", "level", "description", "dashboard")

#: Of which key pySigma speaks.
_SAID = {"identifier": "id", "Sigma tag": "tags", "Timespan": "timespan", "Rule reference": "rules"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is watched for.

    Attributes:
        id: Sigma's UUID, the same for good.
        level: ``informational``, ``low``, ``medium``, ``high``, ``critical``.
        description: what it is, and why that matters.
        false_positives: what else it may be.
        tags: of Sigma; ``attack.t1046`` names a technique of MITRE.
        filter: which flows.
        kind: ``event_count``, ``value_count`` or ``value_sum``.
        field: whose values count, for the latter two.
        threshold: how the number compares, ``(">=", 50)``.
        span: of a piece of time, as Sigma writes it: ``5m``.
        groups: fields that are counted by.
        change: ``new`` or ``gone``, of groups against what was there in `look_back`; else None.
        look_back: how far the rule looks back then, ``30d``.
        value: name of the number.
        dashboard: that shows it.
        name: Sigma's, of the flows: ``port_scan``.
        throttle: for how long the same is not told again, ``1h``.
    """

    id: str
    title: str
    level: str
    description: str
    false_positives: tuple[str, ...]
    tags: tuple[str, ...]
    filter: Filter
    kind: str
    field: str | None
    threshold: tuple[str, int]
    span: str
    groups: tuple[str, ...]
    value: str
    dashboard: str
    change: str | None = None
    look_back: str | None = None
    name: str = ""
    throttle: str = "1h"

    @property
    def timespan(self) -> int:
        """Seconds of a piece of time."""
        return _seconds(self.span)

    @property
    def window(self) -> int:
        """Seconds that the rule needs to see at once."""
        return _seconds(self.look_back or self.span)

    @property
    def quiet(self) -> int:
        """Seconds for which the same is not told again."""
        return _seconds(self.throttle)

    def esql(self, owner: str | None, *, rest: bool) -> str:
        """Rows of ES|QL: groups, the piece of time, the number; the largest first.

        About the time that whoever asks narrows it to; a change is as of the moment when it is asked.
        """
        now = datetime.now(UTC)
        query, _ = to_query(self, now)
        bucket = None if query.bucket is None else self.timespan
        step = Step(self._flows(owner, rest=rest), None, self.groups, bucket, query.metrics, query.having)
        names = {f"n{place}": metric.name for place, metric in enumerate(query.metrics)}
        renamed = names | ({"bucket": "period"} if bucket else {})
        return " | ".join(
            [
                engine_esql.compile_step(step, _INDEX, now=now),
                "RENAME " + ", ".join(f"{old} AS {new}" for old, new in renamed.items()),
                f"SORT {self.value} DESC",
            ]
        )

    def dsl(self, owner: str | None, *, rest: bool) -> dict[str, Any] | None:
        """Params of a rule on the query DSL: over the whole time that it looks back, in one piece."""
        if self.kind == "value_count" or self.change is not None:
            return None
        operator, count = self.threshold
        params: dict[str, Any] = {
            "index": [_INDEX],
            "esQuery": json.dumps({"query": dsl.compile_filter(self._flows(owner, rest=rest))}),
            "threshold": [count],
            "thresholdComparator": operator,
            "aggType": _ES_AGG[self.kind],
        }
        if self.field:
            params["aggField"] = self.field
        if self.groups:
            one = self.groups[0] if len(self.groups) == 1 else list(self.groups)
            params |= {"groupBy": "top", "termField": one, "termSize": 100}
        return params

    def kql(self, owner: str | None, *, rest: bool) -> str:
        """The filter alone, for a dashboard."""
        return kql.compile_filter(self._flows(owner, rest=rest))

    def _flows(self, owner: str | None, *, rest: bool) -> Filter:
        """The flows of one owner, or those that nobody owns; without either, all."""
        return self.filter.narrowed(["labels.owner"], [[owner]]) if owner or rest else self.filter


def load_all(folder: Path) -> list[Rule]:
    """The rules of a folder, in the order of their files' names.

    Raises:
        ConfigError: one of them can't be used; the message says file, line and why.
    """
    rules = [load(path) for path in sorted(folder.glob("*.yml"))]
    for place, rule in enumerate(rules):
        if rule.id in {other.id for other in rules[:place]}:
            raise ConfigError(f"{folder}: two rules have the id {rule.id}; give {rule.title} another one")
    return rules


def load_several(folders: Iterable[Path]) -> list[Rule]:
    """The rules of several folders. One of a later folder takes the place of an earlier one of the same id.

    Raises:
        ConfigError: a folder isn't there, or one of the rules can't be used.
    """
    rules: dict[str, Rule] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder}: is no folder; give one with rules, *.yml")
        rules |= {rule.id: rule for rule in load_all(folder)}
    return list(rules.values())


def require() -> None:
    """Asks for the package that reads rules.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import sigma  # noqa: F401
        import yaml  # noqa: F401
    except ImportError as error:
        raise ConfigError("alert rules need the package pysigma: pip install 'vpcflow[rules]'") from error


def load(path: Path) -> Rule:
    """A rule from its file.

    Raises:
        ConfigError: it can't be used; the message says file, line and why.
    """
    require()
    import yaml
    from sigma.exceptions import SigmaError

    try:
        content = path.read_text(encoding="utf-8")
        safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is
        documents = [one for one in yaml.load_all(content, Loader=safe) if one]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8: {error}") from error
    where = Place(path, content)
    if len(documents) != 2 or not all(isinstance(one, Mapping) for one in documents):
        raise where.error("a file has two documents, a Sigma rule and the correlation that counts it")
    flows, counted = documents
    try:
        return _rule(flows, counted, where)
    except SigmaError as error:
        raise where.error(str(error)) from error


def _seconds(span: str) -> int:
    return int(span[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[span[-1]]


def _rule(flows: Mapping[str, Any], counted: Mapping[str, Any], where: Place) -> Rule:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.rule import SigmaRule

    if "detection" not in flows or "correlation" not in counted:
        raise where.error("the first document has a detection, the second a correlation")
    above, where = where.documents()
    _sigma(SigmaRule, flows, above)
    correlation = _sigma(SigmaCorrelationRule, counted, where)
    told = counted["correlation"]
    if not _SPAN.fullmatch(correlation.timespan.spec):
        raise where.error(f"timespan {told['timespan']} is not in s, m, h or d", "timespan:")
    if told["type"] not in _TYPES:
        raise where.error(f"type {told['type']} is none of {', '.join(_TYPES)}", "type:")
    if not flows.get("name") or told.get("rules") != [flows["name"]]:
        raise where.error("rules must name the rule above", "rules:")
    for key in ("id", "level", "description", "dashboard"):
        if not counted.get(key):
            raise where.error(f"{key} is missing in the correlation", "correlation:")
    if counted["dashboard"] not in _DASHBOARDS:
        raise where.error(
            f"dashboard {counted['dashboard']} is none of {', '.join(_DASHBOARDS)}", "dashboard:"
        )
    for key in ("falsepositives", "tags"):
        if not all(isinstance(one, str) for one in counted.get(key) or ()):
            raise where.error(f"{key} must be a list of texts; one with a colon stands in quotes", f"{key}:")
    operator, count, field = _condition(told, where)
    groups = _groups(told.get("group-by"), where)
    for name in (*groups, *([field] if field else [])):
        _known(name, where)
    detection = dict(flows["detection"])
    condition = detection.pop("condition", "selection")
    try:
        filtered = Filter(detection | {"condition": condition})
    except ConfigError as error:
        raise above.error(str(error)) from error
    return Rule(
        id=str(counted["id"]),
        title=str(counted["title"]),
        level=str(counted["level"]),
        description=" ".join(str(counted["description"]).split()),
        false_positives=tuple(counted.get("falsepositives") or ()),
        tags=tuple(counted.get("tags") or ()),
        filter=filtered,
        kind=told["type"],
        field=field,
        threshold=(operator, count),
        span=correlation.timespan.spec,
        groups=groups,
        value={"event_count": "flows", "value_count": "different", "value_sum": "total"}[told["type"]],
        dashboard=counted["dashboard"],
        **_baseline(counted.get("baseline"), where),
        name=str(flows["name"]),
        throttle=_throttle(counted.get("throttle", "1h"), where),
    )


def _sigma(kind: Any, document: Mapping[str, Any], where: Place) -> Any:
    """What pySigma makes of a document. It doesn't look whether texts are texts."""
    from sigma.exceptions import SigmaError

    for key in _TEXTS:
        if key in document and not isinstance(document[key], str):
            raise where.error(f"{key} must be a text", f"{key}:")
    try:
        return kind.from_dict(dict(document))
    except SigmaError as error:
        hints = [f"{key}:" for word, key in _SAID.items() if word in str(error)]
        raise where.error(str(error), *hints) from error
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise where.error(f"is no rule of Sigma: a value is of the wrong type ({error})") from error


def _groups(told: Any, where: Place) -> tuple[str, ...]:
    groups = told or ()
    if not isinstance(groups, list | tuple) or not all(isinstance(one, str) for one in groups):
        raise where.error("group-by must be a list of fields", "group-by:")
    return tuple(groups)


def _baseline(told: Any, where: Place) -> dict[str, str]:
    if told is None:
        return {}
    if not isinstance(told, Mapping) or told.keys() != {"look-back", "change"}:
        raise where.error(
            "baseline has look-back and change, such as {look-back: 30d, change: new}", "baseline:"
        )
    if told["change"] not in ("new", "gone"):
        raise where.error(f"change {told['change']} is none of new, gone", "baseline:")
    if not _SPAN.fullmatch(str(told["look-back"])):
        raise where.error(f"look-back {told['look-back']} is no time such as 30d", "baseline:")
    return {"change": told["change"], "look_back": told["look-back"]}


def _throttle(told: Any, where: Place) -> str:
    if not _SPAN.fullmatch(str(told)):
        raise where.error(f"throttle {told} is no time such as 1h", "throttle:")
    return str(told)


def _condition(told: Mapping[str, Any], where: Place) -> tuple[str, int, str | None]:
    condition = dict(told.get("condition", {}))
    field = condition.pop("field", None)
    if len(condition) != 1:
        raise where.error("the condition must have one threshold, such as gte: 50", "condition:")
    ((operator, count),) = condition.items()
    if operator.upper() not in _COMPARE:
        raise where.error(f"{operator} is none of gt, gte, lt, lte", operator)
    if type(count) is not int:
        raise where.error(f"the threshold {count!r} is no whole number", f"{operator}:")
    if field is not None and not isinstance(field, str):
        raise where.error(f"field {field!r} is no name of a field", "condition:")
    if (field is None) != (told["type"] == "event_count"):
        raise where.error(f"{told['type']} {'takes no' if field else 'needs a'} field", "condition:")
    return _COMPARE[operator.upper()], count, field


def _known(name: str, where: Place) -> None:
    try:
        kind(name)
    except ConfigError as error:
        raise where.error(str(error), name) from error
