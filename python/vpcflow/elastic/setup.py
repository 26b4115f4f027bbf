"""Stores the templates in a server: what it takes is asked first, what is there already is compared.

Two ways in: `prepare` and `apply` for the operator's ``vpcflow setup``, `put_template` for whoever is about
to write and only needs templates to be there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from vpcflow.elastic import stored
from vpcflow.elastic.client import reason
from vpcflow.elastic.template import (
    DATASET,
    NAME,
    STAND_INS,
    VERSION,
    Options,
    Part,
    Server,
    flat,
    parts,
    template_name,
)
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from elasticsearch import Elasticsearch

__all__ = ["Change", "Plan", "apply", "carry_out", "prepare", "put_template"]

#: How often a server may refuse something before it is taken to mean it: there is not that much to drop.
_TRIES = 20

#: What only saves space, or limits damage: a server that doesn't know it works without.
_DISPENSABLE = frozenset({"index.mapping.total_fields.ignore_dynamic_beyond_limit"})
_PARAMETERS = frozenset({"subobjects"})


@dataclass(slots=True)
class Change:
    """What becomes of one object.

    Attributes:
        differences: a line for each thing that an object that exists gets otherwise.
        error: why the server refused it.
    """

    part: Part
    what: Literal["created", "changed", "left", "newer", "removed"]
    differences: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def due(self) -> bool:
        return self.what in ("created", "changed", "removed")


@dataclass(slots=True)
class Plan:
    """What set-up is going to do.

    Attributes:
        notes: what the user should know, a line each.
        refused: what was asked for and can't be had, a line each.
    """

    changes: list[Change]
    notes: list[str]
    refused: list[str]


def prepare(client: Elasticsearch, options: Options) -> Plan:
    """Finds out what the server takes and what it has. Changes nothing.

    Raises:
        ConfigError: an object of that name is not vpcflow's, or the server lacks the index mode asked for.
        elasticsearch.ApiError, elasticsearch.TransportError: as the client raises them.
    """
    templates = stored.templates(client)
    name = template_name(options.namespace)
    chosen = templates.get(name, {}).get("_meta", {}).get("options", {})
    asked = options.chosen()
    options = options.over(chosen)
    server, lacks, source = _probe(client, options)
    wanted = parts(options, server, lacks)
    there = stored.components(client) | {("index template", name): one for name, one in templates.items()}
    if server.lifecycle == "ILM":
        there |= stored.policies(client, name)
    changes = [_compare(part, there.get((part.kind, part.name))) for part in wanted]
    plan = Plan(changes, [*lacks, _storage(options, server, source)], [])
    if changes[-1].what == "newer":
        for change in changes:
            change.what = "newer"
        plan.notes = [f"the index template {name} was written by a newer vpcflow: all is left as it is"]
        if asked:
            plan.refused.append("what was asked for was not done; use the newer vpcflow")
        return plan
    kept, done = _retention(options, server)
    (plan.notes if done else plan.refused).append(kept)
    if any(change.due for change in changes):
        plan.notes += _streams(client, options, server, changes, templates)
    return plan


def apply(client: Elasticsearch, plan: Plan) -> None:
    """Does what the plan says, until the server refuses something; each change says what came of it.

    Raises:
        elasticsearch.ApiError: the credentials don't reach that far.
        elasticsearch.TransportError: as the client raises it.
    """
    carry_out(plan, partial(_put, client))


def carry_out(plan: Plan, do: Callable[[Part], None]) -> None:
    """Has each change done that is due, as `apply` says; `do` asks the server for one."""
    from elasticsearch import ApiError, AuthenticationException, AuthorizationException

    for change in plan.changes:
        if not change.due:
            continue
        try:
            do(change.part)
        except (AuthenticationException, AuthorizationException):
            raise
        except ApiError as error:
            change.error = reason(error.body)
            break


def put_template(client: Elasticsearch, namespace: str = "default") -> list[str]:
    """Makes sure that a data stream has templates; returns what the user should know.

    What set-up has stored is left alone, whatever was chosen. Templates of an older vpcflow are replaced with
    the choices kept. They hold for data streams that are made, and backing indices that are rolled over to,
    from then on.

    Raises:
        elasticsearch.ApiError, elasticsearch.TransportError: as the client raises them.
    """
    templates = stored.templates(client)
    own = template_name(namespace)
    name, of = (own, namespace) if own in templates else (NAME, None)
    there = templates.get(name)
    if there is not None:
        if not stored.is_ours(there):
            return [f"the index template {name} is not vpcflow's: it is left as it is"]
        if there.get("version", 0) > VERSION:
            return [f"the index template {name} was written by a newer vpcflow: it is left as it is"]
        if there.get("version") == VERSION:
            notes: list[str] = there["_meta"].get("notes", [])
            return notes
    plan = prepare(client, Options(namespace=of))
    for change in plan.changes:
        if change.due:
            _put(client, change.part)
    remembered: list[str] = plan.changes[-1].part.body["_meta"]["notes"]
    return remembered


# What the server takes.


def _probe(client: Elasticsearch, options: Options) -> tuple[Server, list[str], str | None]:
    """What the server lacks, a line for each such thing, and how it would keep documents."""
    from elasticsearch import BadRequestError

    server, notes = Server(), []
    for _ in range(_TRIES):
        try:
            answer = client.indices.simulate_template(
                index_patterns=[
                    f"logs-{DATASET}.probe-*"
                ],  # nobody else's, so nobody's priority is in the way
                data_stream={},
                template=flat(options, server),
            )
        except BadRequestError as error:
            why = reason(error.body)
            if "lifecycle" in why and server.lifecycle == "data stream lifecycle":
                server.lifecycle = "ILM" if _has_ilm(client) else None
            elif note := _give_up(server, options, why):
                notes.append(note)
            else:
                raise
            continue
        index = answer["template"].get("settings", {}).get("index", {})
        return server, notes, index.get("mapping", {}).get("source", {}).get("mode")
    raise ConfigError(
        "the server refuses too much of the templates; vpcflow needs Elasticsearch 8.11 or later"
    )


def _give_up(server: Server, options: Options, why: str) -> str | None:
    """Takes out what the server refused and says so; None when it can't go without."""
    lacks = re.search(r"(?:mapper|handler for) type \[(\w+)\]", why)
    if lacks is not None and lacks[1] in STAND_INS.keys() - server.stand_ins:
        server.stand_ins[lacks[1]] = STAND_INS[lacks[1]]
        return f"the server has no field type {lacks[1]}: {STAND_INS[lacks[1]]} stands in"
    for name in (_DISPENSABLE | _PARAMETERS) - server.without:
        if f"[{name}" in why or f"{name} " in why:
            server.without.add(name)
            return f"the server doesn't know {name}: it does without"
    if re.search(r"index ?mode", why, re.IGNORECASE) and server.logsdb:
        if options.index_mode == "logsdb":
            raise ConfigError(f"the server has no index mode logsdb ({why}); take auto or standard")
        server.logsdb = False
        return "the server has no index mode logsdb: standard, which takes more space, stands in"
    return None


def _has_ilm(client: Elasticsearch) -> bool:
    from elasticsearch import ApiError

    try:
        client.ilm.get_lifecycle()
    except ApiError as error:
        if error.meta.status in (401, 403):
            raise
        return False
    return True


def _storage(options: Options, server: Server, source: str | None) -> str:
    if options.index_mode == "standard" or not server.logsdb:
        return "index mode standard: documents are kept as they came"
    if source == "stored":
        return "index mode logsdb; documents are kept as they came: the licence has no synthetic source"
    return "index mode logsdb with synthetic source: documents are put together from their fields when read"


def _retention(options: Options, server: Server) -> tuple[str, bool]:
    """What becomes of old flows, and whether that is what was asked for."""
    by = f"by the ILM policy {template_name(options.namespace)}"
    by = by if server.lifecycle == "ILM" else "by data stream lifecycle"
    if server.lifecycle is None:
        line = (
            "nothing rolls indices over or deletes them: the server has neither data stream lifecycle nor ILM"
        )
        return line, options.keep is None
    if options.keep is None:
        return (
            f"indices are rolled over {by}; flows are kept for ever: --retention 30d would delete them",
            True,
        )
    return f"flows are deleted when they are older than {options.keep}, {by}", True


def _streams(
    client: Elasticsearch,
    options: Options,
    server: Server,
    changes: list[Change],
    templates: Mapping[str, Any],
) -> list[str]:
    """What data streams that exist get of it, and when."""
    from elasticsearch import ApiError

    try:
        found = stored.streams(client, options.namespace)
    except ApiError as error:
        return [f"whether data streams exist already can't be seen: {reason(error.body)}"]
    notes = []
    lifecycle = server.lifecycle == "data stream lifecycle" and any(
        change.what == "created" or any(line.startswith("retention") for line in change.differences)
        for change in changes
        if change.part.name.endswith("@settings")
    )
    for stream in found:
        namespace = stream.removeprefix(f"logs-{DATASET}-")
        if options.namespace is None and template_name(namespace) in templates:
            continue  # it has a template of its own
        notes.append(
            f"{stream} exists: it changes with its next rollover; POST /{stream}/_rollover does that at once"
        )
        if lifecycle:
            body = json.dumps({"data_retention": options.keep} if options.keep else {})
            notes.append(
                f"{stream} keeps its retention; PUT /_data_stream/{stream}/_lifecycle {body} changes it"
            )
    return notes


def _compare(part: Part, there: dict[str, Any] | None) -> Change:
    if there is None:
        return Change(part, "created")
    if not stored.is_ours(there):
        raise ConfigError(f"{part.kind} {part.name} of the server is not vpcflow's; rename or delete it")
    if there.get("version", 0) > VERSION:
        return Change(part, "newer")
    before, after = _told(there), _told(part.body)
    differences = []
    for what in sorted(before.keys() | after.keys()):
        old, new = before.get(what), after.get(what)
        if old != new:
            word = f"{old} → {new}" if old and new else f"added, {new}" if new else f"removed, was {old}"
            differences.append(f"{what}: {word}")
    return Change(part, "changed" if differences else "left", differences)


def _told(body: Mapping[str, Any]) -> dict[str, str]:
    """An object's content as a person reads it: what, and how it is."""
    told = {}
    template = body.get("template", {})
    mappings = template.get("mappings", {})
    for name, value in template.get("settings", {}).items():
        told[f"setting {name}"] = _text(value)
    for name, value in mappings.items():
        if name == "properties":
            told |= {f"field {field}": text for field, text in _fields(value)}
        elif name == "dynamic_templates":
            told |= {
                f"dynamic template {name}": _text(rule) for entry in value for name, rule in entry.items()
            }
        else:
            told[f"mapping {name}"] = _text(value)
    if "lifecycle" in template:
        told["retention"] = template["lifecycle"].get("data_retention") or "for ever"
    if "policy" in body:
        told["phases"] = _text(body["policy"]["phases"])
    for key in ("version", "index_patterns", "priority", "composed_of"):
        if key in body:
            told[key.replace("_", " ")] = _text(body[key])
    for name, value in body.get("_meta", {}).get("options", {}).items():
        told[f"option {name.replace('_', '-')}"] = _text(value)
    for note in body.get("_meta", {}).get("notes", []):
        told["stand-ins"] = "; ".join(filter(None, [told.get("stand-ins"), note]))
    return told


def _fields(properties: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    found = []
    for name, mapping in properties.items():
        own = {key: value for key, value in mapping.items() if key not in ("properties", "type")}
        kind = mapping.get("type", "object")
        if kind != "object" or own:
            found.append(
                (f"{above}{name}", ", ".join([kind, *(f"{k} {_text(v)}" for k, v in sorted(own.items()))]))
            )
        found += _fields(mapping.get("properties", {}), f"{above}{name}.")
    return found


def _text(value: Any) -> str:
    """The same for what was sent and what the server gives back: it makes texts of numbers in settings."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _put(client: Elasticsearch, part: Part) -> None:
    arguments = {key.removeprefix("_"): value for key, value in part.body.items()}
    if part.kind == "component template":
        client.cluster.put_component_template(name=part.name, **arguments)
    elif part.kind == "index template":
        client.indices.put_index_template(name=part.name, **arguments)
    else:
        client.ilm.put_lifecycle(name=part.name, **arguments)
