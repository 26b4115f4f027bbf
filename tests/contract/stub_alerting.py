"""Connectors and rules of the stub, and what Kibana refuses of them.

Sources, below github.com/elastic/kibana: rule params
``src/platform/packages/shared/response-ops/rule_params/es_query/v1.ts@0bb03096``; bodies
``…/alerting/common/routes/rule/apis/create/schemas/v1.ts@08d79f4a``; actions ``…/alerting/server/…/validate_actions``;
licence ``…/alerting_api_integration/basic/tests/actions/connector_types/email.ts@40e29196``; mail
``stack_connectors/server/connector_types/email/index.ts@00cb7c75``.
"""

from __future__ import annotations

import itertools
import json
import re

from stub_refusal import RefusalError

#: Type: least licence, fields of config (required ones without default), secrets.
CONNECTORS = {
    ".server-log": ("basic", {}, ()),
    ".index": ("basic", {"index": ..., "refresh": False, "executionTimeField": None}, ()),
    ".email": (
        "gold",
        {"from": ..., "service": "other", "host": None, "port": None, "secure": None, "hasAuth": True,
         "oauthTokenUrl": None, "clientId": None, "tenantId": None},
        ("user", "password", "clientSecret"),
    ),
    ".webhook": ("gold", {"url": ..., "method": "post", "headers": None, "hasAuth": True}, ("user", "password")),
    ".slack": ("gold", {}, ("webhookUrl",)),
}  # fmt: skip

COMPARATORS = (">", "<", ">=", "<=", "between", "notBetween")
GROUPS = {".es-query": ("query matched", "recovered"), ".index-threshold": ("threshold met", "recovered")}
CONSUMERS = ("alerts", "stackAlerts", "logs", "infrastructure")
_DURATION = re.compile(r"^[1-9]\d*[smhd]$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Alerting:
    def __init__(self, kibana) -> None:
        self.kibana = kibana
        self.connectors: dict[str, dict] = {}
        self.rules: dict[str, dict] = {}
        self.secrets: dict[str, dict] = {}
        self._ticks = itertools.count(1)

    def route(self, call):
        path, space = call.path, call.space
        if path == "/api/actions/connector_types":
            return 200, [self._type(name) for name in CONNECTORS]
        if path == "/api/actions/connectors":
            return 200, [self._shown(one) for one in self.connectors.values() if one["space"] == space]
        if path == "/api/alerting/rules/_find":
            return 200, self._find(space, call.query)
        return self._one(call.method, path, space, json.loads(call.body) if call.body else {})

    def _one(self, method, path, space, content):
        if found := re.fullmatch(r"/api/actions/connector/([^/]+)", path):
            return self._connector(method, found[1], space, content)
        if found := re.fullmatch(r"/api/alerting/rule/([^/]+)/_(enable|disable)", path):
            self._here(self.rules, found[1], space, "alert")["enabled"] = found[2] == "enable"
            return 204, None
        if found := re.fullmatch(r"/api/alerting/rule/([^/]+)", path):
            return self._rule(method, found[1], space, content)
        return None

    def _type(self, name) -> dict:
        least = CONNECTORS[name][0]
        allowed = least == "basic" or self.kibana.licence != "basic"
        return {
            "id": name,
            "name": name.strip(".").title(),
            "enabled": allowed,
            "enabled_in_config": True,
            "enabled_in_license": allowed,
            "minimum_license_required": least,
            "supported_feature_ids": ["alerting"],
            "is_system_action_type": False,
        }

    def _here(self, store, name, space, kind) -> dict:
        if name not in store or store[name]["space"] != space:
            raise RefusalError(404, f"Saved object [{kind}/{name}] not found")
        return store[name]

    # Connectors.

    def _connector(self, method, name, space, body):
        if method == "GET":
            return 200, self._shown(self._here(self.connectors, name, space, "action"))
        if method == "DELETE":
            self._here(self.connectors, name, space, "action")
            del self.connectors[name]
            return 204, None
        if method == "POST":
            if name in self.connectors:  # in any space
                raise RefusalError(409, f"Saved object [action/{name}] conflict")
            kind = body.pop("connector_type_id", None)
        else:
            if "connector_type_id" in body:
                raise RefusalError(
                    400, "[request body.connector_type_id]: definition for this key is missing"
                )
            kind = self._here(self.connectors, name, space, "action")["connector_type_id"]
        self._known(body, {"name", "config", "secrets"})
        if not isinstance(body.get("name"), str):
            raise RefusalError(
                400, "[request body.name]: expected value of type [string] but got [undefined]"
            )
        self.connectors[name] = {
            "id": name,
            "name": body["name"],
            "connector_type_id": kind,
            "config": self._config(kind, body.get("config", {}), body.get("secrets", {})),
            "is_preconfigured": False,
            "is_deprecated": False,
            "is_system_action": False,
            "is_missing_secrets": False,
            "space": space,
        }
        self.secrets[name] = body.get("secrets", {})
        return 200, self._shown(self.connectors[name])

    def _config(self, kind, config, secrets) -> dict:
        if kind not in CONNECTORS:
            raise RefusalError(400, f'Action type "{kind}" is not registered.')
        least, fields, takes = CONNECTORS[kind]
        if least != "basic" and self.kibana.licence == "basic":
            raise RefusalError(
                403,
                f"Action type {kind} is disabled because your basic license does not support it. Please upgrade "
                "your license.",
            )
        wrong = "error validating connector type config: "
        for key in config:
            if key not in fields:
                raise RefusalError(400, f"{wrong}[{key}]: definition for this key is missing")
        full = fields | config
        for key, value in full.items():
            if value is ...:
                raise RefusalError(
                    400, f"{wrong}[{key}]: expected value of type [string] but got [undefined]"
                )
        for key in secrets:
            if key not in takes:
                raise RefusalError(
                    400,
                    f"error validating connector type secrets: [{key}]: definition for this key is missing",
                )
        if kind == ".email" and full["service"] == "other" and not (full["host"] and full["port"]):
            raise RefusalError(400, f"{wrong}[host]/[port] is required")
        if full.get("hasAuth") and not (secrets.get("user") and secrets.get("password")):
            raise RefusalError(
                400, "error validating connector type secrets: [user] and [password] are required"
            )
        if kind == ".slack" and not secrets.get("webhookUrl"):
            raise RefusalError(
                400, "error validating connector type secrets: [webhookUrl]: expected value of type [string]"
            )
        return full

    def _shown(self, one) -> dict:
        return {key: value for key, value in one.items() if key != "space"}

    # Rules.

    def _rule(self, method, name, space, body):
        if method == "GET":
            return 200, self._shown(self._here(self.rules, name, space, "alert"))
        if method == "DELETE":
            self._here(self.rules, name, space, "alert")
            del self.rules[name]
            return 204, None
        before = None
        known = {
            "name",
            "schedule",
            "params",
            "actions",
            "tags",
            "throttle",
            "notify_when",
            "alert_delay",
            "flapping",
        }
        if method == "POST":
            if name in self.rules:
                raise RefusalError(409, f"Saved object [alert/{name}] conflict")
            self._known(body, known | {"rule_type_id", "consumer", "enabled"})
            kind = body.get("rule_type_id")
            if body.get("consumer") not in CONSUMERS:
                raise RefusalError(403, f'Unauthorized by "{body.get("consumer")}" to create "{kind}" rule')
        else:
            before = self._here(self.rules, name, space, "alert")
            self._known(body, known)
            kind = before["rule_type_id"]
        self._check_body(kind, body, space)
        tick = next(self._ticks)
        now = f"2026-11-24T13:{tick // 60:02}:{tick % 60:02}.000Z"
        self.rules[name] = {
            "enabled": body.get("enabled", True) if before is None else before["enabled"],
            "consumer": body.get("consumer") if before is None else before["consumer"],
            "id": name,
            "rule_type_id": kind,
            "name": body["name"],
            "tags": body.get("tags", []),
            "schedule": body["schedule"],
            "params": _defaults(body["params"]),
            "actions": [self._action(one, index) for index, one in enumerate(body.get("actions", []))],
            "created_at": before["created_at"] if before else now,
            "updated_at": now,
            "execution_status": {"status": "pending"},
            "space": space,
        } | {key: body[key] for key in ("alert_delay", "flapping") if key in body}
        return 200, self._shown(self.rules[name])

    def _action(self, one, index) -> dict:
        kind = self.connectors[one["id"]]["connector_type_id"]
        return one | {
            "connector_type_id": kind,
            "uuid": one.get("uuid", f"00000000-0000-4000-8000-{index:012}"),
        }

    def _find(self, space, query) -> dict:
        found = [one for one in self.rules.values() if one["space"] == space]
        if "search" in query:
            found = [one for one in found if query["search"].strip('"') in one["tags"]]
        page, size = int(query.get("page", 1)), int(query.get("per_page", 10))
        some = found[(page - 1) * size : page * size]
        return {
            "page": page,
            "per_page": size,
            "total": len(found),
            "data": [self._shown(one) for one in some],
        }

    def _known(self, body, known) -> None:
        for key in body:
            if key not in known:
                raise RefusalError(400, f"[request body.{key}]: definition for this key is missing")

    def _check_body(self, kind, body, space) -> None:
        for key in ("name", "schedule", "params"):
            if key not in body:
                raise RefusalError(400, f"[request body.{key}]: expected value but got [undefined]")
        interval = body["schedule"].get("interval", "")
        if not _DURATION.match(interval):
            raise RefusalError(
                400, f"[request body.schedule.interval]: string is not a valid duration: {interval}"
            )
        if "alert_delay" in body and self.kibana.numbers < (8, 13):
            raise RefusalError(400, "[request body.alert_delay]: definition for this key is missing")
        if "flapping" in body and self.kibana.numbers < (8, 16):
            raise RefusalError(400, "[request body.flapping]: definition for this key is missing")
        if kind not in GROUPS:
            raise RefusalError(400, f'Rule type "{kind}" is not registered.')
        if kind == ".es-query":
            _check_query(body["params"], self.kibana.numbers)
        self._check_actions(kind, body, interval, space)

    def _check_actions(self, kind, body, interval, space) -> None:
        actions = body.get("actions", [])
        by_rule = "notify_when" in body or "throttle" in body
        for action in actions:
            self._known(action, {"id", "group", "params", "frequency", "uuid", "alerts_filter"})
            if action["id"] not in self.connectors or self.connectors[action["id"]]["space"] != space:
                raise RefusalError(400, f"Failed to load action {action['id']} (404): Saved object not found")
            if action.get("group") not in GROUPS[kind]:
                raise RefusalError(400, f"Invalid action groups: {action.get('group')}")
            if by_rule == ("frequency" in action):
                raise RefusalError(
                    400, "Failed to validate actions due to the following error: frequency parameters"
                )
            frequency = action.get("frequency", {})
            if frequency and not {"summary", "notify_when", "throttle"} <= frequency.keys():
                raise RefusalError(
                    400, "[request body.actions.0.frequency]: expected value but got [undefined]"
                )
            throttle = frequency.get("throttle")
            if throttle and _seconds(throttle) < _seconds(interval):
                raise RefusalError(
                    400,
                    "Failed to validate actions due to the following error: throttle shorter than interval",
                )
            _check_action(self.connectors[action["id"]]["connector_type_id"], action["params"])


def _check_action(kind, params) -> None:
    wants = {".email": ("to", "subject", "message"), ".index": ("documents",), ".slack": ("message",),
             ".webhook": ("body",), ".server-log": ("message",)}[kind]  # fmt: skip
    for key in wants:
        if not params.get(key):
            raise RefusalError(
                400, f"error validating action params: [{key}]: expected value but got [undefined]"
            )


def _check_query(params, version) -> None:
    def wrong(what):
        return RefusalError(400, f"params invalid: {what}")

    kind = params.get("searchType", "esQuery")
    own = {
        "esQuery": {"timeField", "index", "esQuery"},
        "searchSource": {"searchConfiguration", "timeField"},
        "esqlQuery": {"esqlQuery", "timeField"},
    }
    if kind not in own:
        raise wrong(f"[searchType]: {kind}")
    if kind == "esqlQuery" and version < (8, 13):
        raise wrong("[searchType]: no ES|QL before 8.13")
    common = {
        "searchType", "size", "timeWindowSize", "timeWindowUnit", "threshold", "thresholdComparator", "aggType",
        "aggField", "groupBy", "termField", "termSize", "excludeHitsFromPreviousRun", "sourceFields",
    }  # fmt: skip
    for key in params:
        if key not in common | own[kind]:
            raise wrong(f"[{key}]: a value wasn't expected to be present")
    for key in own[kind] - ({"timeField"} if kind == "searchSource" else set()):
        if key not in params:
            raise wrong(f"[{key}]: expected value but got [undefined]")
    _check_threshold(params, kind, wrong)
    if kind == "esQuery":
        _check_dsl(params["esQuery"], wrong)


def _check_threshold(params, kind, wrong) -> None:
    size, window, threshold = params.get("size"), params.get("timeWindowSize"), params.get("threshold")
    if type(size) is not int or not 0 <= size <= 10_000:
        raise wrong("[size]")
    if type(window) is not int or window < 1 or params.get("timeWindowUnit") not in ("s", "m", "h", "d"):
        raise wrong("[timeWindowSize]")
    comparator = params.get("thresholdComparator")
    if comparator not in COMPARATORS:
        raise wrong("[thresholdComparator]")
    if not isinstance(threshold, list) or not all(type(one) in (int, float) for one in threshold):
        raise wrong("[threshold]")
    if len(threshold) != (2 if "etween" in comparator else 1):
        raise wrong("[threshold]: must have one or two elements")
    if params.get("aggType", "count") != "count" and not params.get("aggField"):
        raise wrong("[aggField]: must have a value when [aggType] is not count")
    if params.get("groupBy", "all") == "top" and not (
        params.get("termField") and 1 <= params.get("termSize", 0) <= 1000
    ):
        raise wrong("[termField]: termField required when [groupBy] is top")
    if params.get("groupBy") == "row" and kind != "esqlQuery":
        raise wrong("[groupBy]: row is for esql")
    if kind == "esqlQuery" and (comparator != ">" or threshold != [0] or not params["esqlQuery"].get("esql")):
        raise wrong("[threshold]: is required to be [0] with comparator >")


def _check_dsl(text, wrong) -> None:
    try:
        parsed = json.loads(text)
    except ValueError:
        raise wrong("[esQuery]: must be valid JSON") from None
    if "query" not in parsed:
        raise wrong('[esQuery]: must contain "query"')


def _defaults(params) -> dict:
    defaults = {
        "aggType": "count",
        "groupBy": "all",
        "excludeHitsFromPreviousRun": True,
        "searchType": "esQuery",
    }
    return defaults | params


def _seconds(text) -> int:
    return int(text[:-1]) * _SECONDS[text[-1]]
