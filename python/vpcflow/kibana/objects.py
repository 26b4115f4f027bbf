"""Brings dashboards, saved search, data view and tag into Kibana, and takes them away.

How a second run knows what is as it was: the tag's description holds, for each object, a digest of what was
imported and when Kibana says it was last changed. Content can't be compared: Kibana rewrites what it imports
into the form of its own version.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vpcflow.errors import SinkError
from vpcflow.kibana.assets import saved_objects
from vpcflow.kibana.changes import Change, Section, contains, digest
from vpcflow.kibana.client import message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vpcflow.kibana.client import Kibana

__all__ = ["apply", "prepare", "prepare_removal"]

_KINDS = {"dashboard": "dashboard", "index-pattern": "data view", "search": "saved search", "tag": "tag"}
_NOTES = "Set-up by vpcflow keeps its notes here: "

#: Attributes that hold JSON as text, to which people and Kibana add.
_GROWING = ("fieldFormatMap", "runtimeFieldMap", "fieldAttrs")


def prepare(kibana: Kibana, *, keep_edits: bool = False) -> Section:
    """Finds out what is to be imported. Changes nothing.

    Args:
        kibana: where to.
        keep_edits: leave alone what somebody has edited in Kibana since.
    """
    wanted = saved_objects(kibana.space)
    stored = _export(kibana, wanted)
    marks = _marks(stored)
    section = Section()
    for one in wanted:
        there = stored.get(_key(one))
        change = Change(_KINDS[one["type"]], _title(one), one["id"], "left", body=one)
        if there is None:
            change.what = "created"
        elif one["type"] == "index-pattern":
            change.body = _merged(one, there)
            change.what = "left" if _same_view(one, there) else "changed"
        elif one["type"] == "tag":
            # The notes in it stay until there are new ones.
            notes = {"description": there["attributes"].get("description", "")}
            change.body = one | {"attributes": one["attributes"] | notes}
            change.what = "left" if contains(there["attributes"], change.body["attributes"]) else "changed"
        else:
            _compare(change, there, marks.get(one["id"]), keep_edits=keep_edits)
        section.changes.append(change)
    return section


def apply(kibana: Kibana, section: Section) -> None:
    """Does what `prepare` or `prepare_removal` found, all objects in one import.

    Raises:
        SinkError: the import, or a part of it, was refused; then Kibana has stored nothing.
    """
    for change in section.changes:
        if change.what == "removed":
            _delete(kibana, change)
    due = [change for change in section.changes if change.what in ("created", "changed")]
    if not due:
        return
    answer = _import(kibana, [change.body for change in due])
    for result in answer.get("successResults", []):
        if result.get("destinationId") not in (None, result.get("id")):
            section.notes.append(
                f"{result['type']} {result['id']} is another space's: here it became "
                f"{result['destinationId']}"
            )
    _mark(kibana, section)


def prepare_removal(kibana: Kibana, *, keep_edits: bool = False) -> Section:
    """Finds which of vpcflow's objects are there. Changes nothing."""
    wanted = saved_objects(kibana.space)
    stored = _export(kibana, wanted)
    marks = _marks(stored)
    section = Section()
    for one in reversed(wanted):
        if (there := stored.get(_key(one))) is None:
            continue
        change = Change(
            _KINDS[one["type"]], there["attributes"].get("title") or _title(one), one["id"], "removed"
        )
        change.body = one
        mark = marks.get(one["id"])
        if one["type"] in ("dashboard", "search") and (mark is None or mark[1] != there.get("updated_at")):
            change.why, change.edited = "edited in Kibana since", True
            if keep_edits:
                change.what = "kept"
        section.changes.append(change)
    if any(change.what == "kept" for change in section.changes):
        for change in section.changes:
            if change.kind in ("data view", "tag"):
                change.what, change.why = "kept", "dashboards that are kept need it"
    return section


def _compare(
    change: Change, there: dict[str, Any], mark: tuple[str, str] | None, *, keep_edits: bool
) -> None:
    edited = mark is None or mark[1] != there.get("updated_at")
    if not edited:
        change.what = "left" if mark and mark[0] == _digest(change.body) else "changed"
        return
    change.edited = True
    change.why = "edited in Kibana since" if mark else "there before, not by set-up"
    change.what = "kept" if keep_edits else "changed"


def _import(kibana: Kibana, objects: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Imports, and believes only `success`: successCount counts what was not stored too.

    https://github.com/elastic/kibana, src/core/packages/saved-objects/…/import_saved_objects.ts
    """
    content = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects).encode()
    path, query = "/api/saved_objects/_import", {"overwrite": "true"}
    answer: Any = kibana.call("POST", path, query=query, upload=("vpcflow.ndjson", content)).body
    if isinstance(answer, dict) and answer.get("success") is True:
        return answer
    errors = answer.get("errors", []) if isinstance(answer, dict) else []
    said = "; ".join(map(_import_error, errors)) or message(answer)
    raise SinkError(f"{kibana.url} did not import the dashboards, and stored none of them: {said}")


def _import_error(entry: dict[str, Any]) -> str:
    error = entry.get("error", {})
    what = f"{entry.get('type')} {entry.get('id')}: {error.get('type', 'unknown')}"
    if references := error.get("references"):
        what += " of " + ", ".join(f"{one.get('type')} {one.get('id')}" for one in references)
    said = error.get("message") or error.get("reason")
    return f"{what} ({said})" if said else what


def _export(kibana: Kibana, wanted: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Those of the objects that are there. An export of several is refused when one of them isn't."""
    keys = [_key(one) for one in wanted]
    while keys:
        body = {
            "objects": [{"type": kind, "id": name} for kind, name in keys],
            "excludeExportDetails": True,
            "includeReferencesDeep": False,
        }
        answer = kibana.call("POST", "/api/saved_objects/_export", json=body, expected=(400,))
        if answer.status < 300:
            lines = answer.body.splitlines() if isinstance(answer.body, str) else []
            found = [json.loads(line) for line in lines if line.strip()]
            found += [answer.body] if isinstance(answer.body, dict) else []
            return {_key(one): one for one in found}
        attributes = answer.body.get("attributes") if isinstance(answer.body, dict) else None
        absent = {
            _key(one)
            for one in (attributes or {}).get("objects", [])
            if one.get("error", {}).get("statusCode") == 404
        }
        if not absent & set(keys):
            raise SinkError(f"{kibana.url} does not show what it has: {message(answer.body)}")
        keys = [key for key in keys if key not in absent]
    return {}


def _delete(kibana: Kibana, change: Change) -> None:
    kind = change.body["type"]
    path = "/api/data_views/data_view/" if kind == "index-pattern" else f"/api/saved_objects/{kind}/"
    kibana.call("DELETE", path + quote(change.id), expected=(404,))


def _marks(stored: dict[tuple[str, str], dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Digest and time of the last change, by id, as set-up left them."""
    for (kind, _), one in stored.items():
        if kind == "tag":
            _, found, notes = one["attributes"].get("description", "").partition(_NOTES)
            try:
                return {name: (mark[0], mark[1]) for name, mark in json.loads(notes).items()} if found else {}
            except (ValueError, AttributeError, IndexError, KeyError, TypeError):
                return {}  # somebody wrote into it: then nothing is known
    return {}


def _mark(kibana: Kibana, section: Section) -> None:
    """Notes in the tag what was imported and when Kibana says that was."""
    objects = [change.body for change in section.changes]
    stored = _export(kibana, objects)
    marks = _marks(stored)
    for change in section.changes:
        there = stored.get(_key(change.body))
        if change.what in ("created", "changed") and there and change.body["type"] in ("dashboard", "search"):
            marks[change.id] = (_digest(change.body), there.get("updated_at", ""))
    tag = next(one for one in saved_objects(kibana.space) if one["type"] == "tag")
    notes = json.dumps(marks, separators=(",", ":"), sort_keys=True)
    attributes = tag["attributes"] | {"description": f"{tag['attributes']['description']} {_NOTES}{notes}"}
    _import(kibana, [tag | {"attributes": attributes}])


def _same_view(ours: dict[str, Any], there: dict[str, Any]) -> bool:
    return contains(_opened(there), _opened(ours))


def _merged(ours: dict[str, Any], there: dict[str, Any]) -> dict[str, Any]:
    """Our data view with what people have added to theirs: runtime fields, formats of fields."""
    mine, theirs = _opened(ours), _opened(there)
    attributes = theirs | mine | {name: theirs.get(name, {}) | mine.get(name, {}) for name in _GROWING}
    text = {name: json.dumps(attributes[name], separators=(",", ":")) for name in _GROWING}
    return ours | {"attributes": attributes | text}


def _opened(view: dict[str, Any]) -> dict[str, Any]:
    attributes: dict[str, Any] = view["attributes"]
    return attributes | {name: json.loads(attributes[name]) for name in _GROWING if attributes.get(name)}


def _digest(one: dict[str, Any]) -> str:
    return digest([one["attributes"], one["references"]])


def _key(one: dict[str, Any]) -> tuple[str, str]:
    return one["type"], one["id"]


def _title(one: dict[str, Any]) -> str:
    attributes = one["attributes"]
    return str(attributes.get("title" if one["type"] != "tag" else "name", one["id"]))
