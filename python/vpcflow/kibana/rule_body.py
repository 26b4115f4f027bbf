"""What Kibana stores of an alert rule: query, schedule, and who is told what.

Facts: elastic/kibana, ``response-ops/rule_params/es_query/v1.ts`` (params), ``alerting/common/routes/rule``
(bodies), ``alerting/server/rules_client/lib/validate_actions.ts`` (each action has its own ``frequency``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vpcflow.alerts.document import document
from vpcflow.alerts.rules import LATE
from vpcflow.kibana.connectors import id_of
from vpcflow.kibana.links import dashboard

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.connectors import Connector
    from vpcflow.kibana.client import Kibana
    from vpcflow.owners import Owner

__all__ = ["body_of"]

#: ES|QL in rules.
_ESQL = (8, 13)

_TOP = 5


def body_of(
    alert: Rule, owner: Owner | None, connectors: Sequence[Connector], kibana: Kibana, *, rest: bool
) -> tuple[dict[str, Any] | None, str]:
    """The body to send, without ``enabled``; or None and why this Kibana can't have the rule."""
    name = owner.name if owner else None
    interval = _interval(alert)
    if kibana.version >= _ESQL:
        params = _esql_params(alert, name, interval, rest=rest)
    elif (query := alert.dsl(name, rest=rest)) is not None:
        params = _common(alert, interval) | {"searchType": "esQuery", "size": _TOP} | query
    else:
        return None, "it needs ES|QL in rules, which Kibana has from 8.13 on"
    whose = f" ({owner.name})" if owner else " (no owner)" if rest else ""
    actions = [_action(alert, owner, one, kibana, rest=rest) for one in connectors]
    body = {
        "name": f"{alert.title}{whose}",
        "tags": [f"severity:{alert.level}", *alert.tags, *([f"owner:{owner.name}"] if owner else [])],
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "schedule": {"interval": _span(interval)},
        "params": params,
        "actions": [one for one in actions if one is not None],
    }
    return body, ""


def _interval(alert: Rule) -> int:
    """Seconds between two runs. Kibana refuses a throttle below it."""
    return max(60, min(alert.timespan, 600))


def _esql_params(alert: Rule, owner: str | None, interval: int, *, rest: bool) -> dict[str, Any]:
    # Kibana's messages take no dots in names of columns: {{source.ip}} would look for ip in source.
    dotted = {name: _plain(name) for name in (*alert.groups, alert.value) if "." in name}
    query = alert.esql(owner, rest=rest)
    if dotted:
        query += " | RENAME " + ", ".join(f"`{name}` AS {plain}" for name, plain in dotted.items())
    return _common(alert, interval) | {
        "searchType": "esqlQuery",
        "esqlQuery": {"esql": f"{query} | LIMIT {_TOP}"},
        "size": 0,
        "threshold": [0],
        "thresholdComparator": ">",
    }


def _common(alert: Rule, interval: int) -> dict[str, Any]:
    """Each run looks back over the rule's time, the time since the last run, and how late records may be."""
    return {
        "timeField": "@timestamp",
        "timeWindowSize": -(-(alert.window + interval + LATE) // 60),
        "timeWindowUnit": "m",
        "aggType": "count",
        "groupBy": "all",
        # Rows of numbers have no ids to leave out; `throttle` keeps from telling twice.
        "excludeHitsFromPreviousRun": False,
    }


def _action(
    alert: Rule, owner: Owner | None, connector: Connector, kibana: Kibana, *, rest: bool
) -> dict[str, Any] | None:
    text = _message(alert, owner, kibana, rest=rest)
    subject = f"[{alert.level}] {{{{rule.name}}}}"
    if connector.type == "email":
        to = connector.addresses(owner)
        if not to:
            return None  # nobody to tell: the other connectors do
        params: dict[str, Any] = {"to": to, "subject": subject, "message": text}
    elif connector.type == "index":
        told = {"value": "{{context.value}}", "hits": "{{context.hits}}", "state": "fired"}
        params = {"documents": [document(alert, owner, time="{{date}}", name="{{rule.name}}", **told)]}
    elif connector.type == "server-log":
        rows = f"{{{{#context.hits}}}}{_row(alert, kibana)}; {{{{/context.hits}}}}"
        params = {"level": "warn", "message": f"{subject}: {rows}"}
    elif connector.type == "webhook":
        params = {"body": json.dumps({"title": "{{rule.name}}", "level": alert.level, "text": text})}
    else:
        params = {"message": f"{subject}\n{text}"}
    return {
        "id": id_of(connector, kibana.space),
        "group": "query matched",
        "params": params,
        "frequency": {
            "summary": False,
            "notify_when": "onThrottleInterval",
            "throttle": _span(max(alert.quiet, _interval(alert))),
        },
    }


def _message(alert: Rule, owner: Owner | None, kibana: Kibana, *, rest: bool) -> str:
    """What happened, how many, where, the top five, and where to look. Kibana fills the braces."""
    minutes = -(-(alert.timespan + LATE) // 60)
    times = (f"now-{minutes}m", "now")
    link = dashboard(alert, owner, kibana.space, times, rest=rest)
    lines = [
        alert.description,
        "",
        f"Seen until {{{{date}}}}, within {_span(alert.timespan)}. {_where(alert, kibana)}",
        f"{{{{#context.hits}}}}* {_row(alert, kibana)}",
        "{{/context.hits}}",
        *([f"It may also be: {'; '.join(alert.false_positives)}.", ""] if alert.false_positives else []),
        f"{{{{kibanaBaseUrl}}}}{link}",
    ]
    return "\n".join(lines)


def _where(alert: Rule, kibana: Kibana) -> str:
    """What the rows below are: a message is about all groups with ES|QL, about one with the DSL."""
    if kibana.version >= _ESQL:
        return f"The first {_TOP}, the largest first:"
    return f"{', '.join(alert.groups)} {{{{alert.id}}}}, {alert.value} {{{{context.value}}}}. Some of them:"


def _row(alert: Rule, kibana: Kibana) -> str:
    """A row of ES|QL with its number, or a document of the DSL."""
    if kibana.version >= _ESQL:
        return ", ".join(f"{name} {{{{_source.{_plain(name)}}}}}" for name in (*alert.groups, alert.value))
    return ", ".join(f"{name} {{{{_source.{name}}}}}" for name in ("@timestamp", *alert.groups))


def _plain(name: str) -> str:
    return name.replace(".", "_").replace("@", "").replace(" ", "_")


def _span(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
