"""Saved objects of the stub: import, export, delete, data views.

Sources, below github.com/elastic/kibana, src/core/packages/saved-objects/: ``…/routes/import.ts@03527cbb``,
``import/import_saved_objects.ts@127c4f53``, ``lib/collect_saved_objects.ts@1d91b9aa``,
``lib/validate_references.ts@19e871bb``, ``lib/check_conflicts.ts@6ddcc0ab``,
``lib/create_saved_objects.ts@15b99338``, ``errors.ts@2c3968bb``.
"""

from __future__ import annotations

import copy
import email.parser
import itertools
import json
import re
import uuid

from stub_refusal import RefusalError

#: src/core/server/integration_tests: which types there are, and their latest version. A dashboard's as recorded:
#: 8.9.0 in Kibana 8.10.1, 10.2.0 in 8.18.1 and 9.0.1.
TYPES = {"dashboard": "8.9.0", "index-pattern": "8.0.0", "search": "8.0.0", "tag": "8.0.0", "lens": "8.9.0"}
ICONS = {
    "dashboard": "dashboardApp",
    "index-pattern": "indexPatternApp",
    "search": "discoverApp",
    "tag": "tag",
}


class Objects:
    def __init__(self, kibana) -> None:
        self.kibana = kibana
        self.stored: dict[str, dict[tuple[str, str], dict]] = {}
        self._ticks = itertools.count(1)

    def of(self, space: str = "default") -> dict[tuple[str, str], dict]:
        return self.stored.setdefault(space, {})

    def edit(self, kind: str, key: str, *, space: str = "default", **attributes) -> None:
        """What a person's save does."""
        self._put(space, {**self.of(space)[kind, key], "attributes": attributes}, merge=True)

    def route(self, call):
        method, path, space, query, headers, body = call
        if (method, path) == ("POST", "/api/saved_objects/_import"):
            return 200, self._import(space, query, headers, body)
        if (method, path) == ("POST", "/api/saved_objects/_export"):
            return 200, self._export(space, json.loads(body))
        if (method, path) == ("GET", "/api/kibana/dashboards/export") and self.kibana.numbers < (9,):
            found = [{**self.of(space)["dashboard", query["dashboard"]], "namespaces": [space]}]
            return 200, {"version": self.kibana.version, "objects": found}
        if found := re.fullmatch(r"/api/(?:saved_objects/([a-z-]+)|data_views/data_view)/([^/]+)", path):
            key = (found[1] or "index-pattern", found[2])
            if key not in self.of(space):
                raise RefusalError(404, f"Saved object [{key[0]}/{key[1]}] not found")
            if method == "DELETE":
                del self.of(space)[key]
                said = f'299 Kibana-{self.kibana.version} "This endpoint is deprecated"'
                return 200, {}, {"warning": said} if self.kibana.numbers >= (9,) else {}
            return 200, self.of(space)[key]
        return None

    def _import(self, space, query, headers, body) -> dict:
        if query.get("overwrite") == "true" and query.get("createNewCopies") == "true":
            raise RefusalError(400, "cannot use [overwrite] with [createNewCopies]")
        objects = self._read(headers, body)
        latest = {name: self._latest(name) for name in TYPES}
        keys = [f"{one['type']}:{one['id']}" for one in objects]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise RefusalError(400, f"Non-unique import objects detected: [{','.join(twice)}]")
        for one in objects:
            wants = one.get("typeMigrationVersion", "")
            if one["type"] in TYPES and _number(wants) > _number(latest[one["type"]]):
                raise RefusalError(
                    422,
                    f'Document "{one["id"]}" belongs to a more recent version of Kibana [{wants}] when the last '
                    f"known version is [{latest[one['type']]}].",
                )
        errors = self._errors(space, objects, query)
        failed = {(error["type"], error["id"]) for error in errors}
        good = [one for one in objects if (one["type"], one["id"]) not in failed]
        # Anything that a user could resolve, and nothing at all is stored; the rest is counted all the same.
        resolvable = {"conflict", "ambiguous_conflict", "missing_references"}
        if not any(error["error"]["type"] in resolvable for error in errors):
            ids = {(one["type"], one["id"]): self._id(space, one) for one in good}
            for one in good:
                self._put(space, self._linked(one, ids))
        results = [self._result(space, one, query) for one in good]
        answer = {"successCount": len(good), "success": not errors, "warnings": []}
        return (
            answer | ({"successResults": results} if results else {}) | ({"errors": errors} if errors else {})
        )

    def _read(self, headers, body) -> list[dict]:
        kind = headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            raise RefusalError(415, "Unsupported Media Type")
        mail = email.parser.BytesParser().parsebytes(f"content-type: {kind}\r\n\r\n".encode() + body)
        part = next(
            one for one in mail.get_payload() if one.get_param("name", header="content-disposition") == "file"
        )
        name = part.get_filename() or ""
        if not name.endswith(".ndjson"):
            raise RefusalError(400, f"Invalid file extension .{name.rpartition('.')[2]}")
        return [json.loads(line) for line in part.get_payload(decode=True).splitlines() if line.strip()]

    def _errors(self, space, objects, query) -> list[dict]:
        here = self.of(space)
        file = {(one["type"], one["id"]) for one in objects}
        errors = []
        for one in objects:
            # Only references to these two types are looked at.
            missing = [
                {"type": to["type"], "id": to["id"]}
                for to in one.get("references", [])
                if to["type"] in ("index-pattern", "search") and (to["type"], to["id"]) not in {*file, *here}
            ]
            error = None
            if one["type"] not in TYPES:
                error = {"type": "unsupported_type"}
            elif missing:
                error = {"type": "missing_references", "references": missing}
            elif (one["type"], one["id"]) in here and query.get("overwrite") != "true":
                error = {"type": "conflict"}
            if error:
                meta = {"title": one["attributes"].get("title"), "icon": ICONS.get(one["type"], "empty")}
                errors.append({"type": one["type"], "id": one["id"], "meta": meta, "error": error})
        return errors

    def _id(self, space, one) -> str:
        """Another space's id is not given twice: the object gets a new one, and its origin is kept."""
        key = (one["type"], one["id"])
        if key in self.of(space):
            return one["id"]
        for stored in self.of(space).values():
            if stored["type"] == one["type"] and stored.get("originId") == one["id"]:
                return stored["id"]
        taken = any(key in there for name, there in self.stored.items() if name != space)
        return str(uuid.uuid4()) if taken else one["id"]

    def _linked(self, one, ids) -> dict:
        """References follow the objects that got another id."""
        references = [
            to | {"id": ids.get((to["type"], to["id"]), to["id"])} for to in one.get("references", [])
        ]
        name = ids[one["type"], one["id"]]
        origin = {} if name == one["id"] else {"originId": one["id"]}
        return one | {"id": name, "references": references} | origin

    def _result(self, space, one, query) -> dict:
        meta = {
            "title": one["attributes"].get("title", one["attributes"].get("name")),
            "icon": ICONS[one["type"]],
        }
        result = {"type": one["type"], "id": one["id"], "meta": meta, "managed": one.get("managed", False)}
        stored = [there["id"] for there in self.of(space).values() if there.get("originId") == one["id"]]
        if stored:
            result["destinationId"] = stored[0]
        return result | ({"overwrite": True} if query.get("overwrite") == "true" else {})

    def _put(self, space, one, *, merge=False) -> None:
        key = (one["type"], one["id"])
        before = self.of(space).get(key)
        tick = next(self._ticks)
        now = f"2026-11-24T12:{tick // 60:02}:{tick % 60:02}.000Z"
        attributes = copy.deepcopy(one["attributes"])
        if merge:
            attributes = before["attributes"] | attributes
        if one["type"] == "dashboard":
            # As recorded: what a migration to the version's own form adds.
            attributes = {"panelsJSON": "[]"} | attributes
            if self.kibana.numbers >= (8, 18):
                attributes = {"timeRestore": False} | attributes
        self.of(space)[key] = {
            "attributes": attributes,
            "coreMigrationVersion": "8.8.0",
            "created_at": before["created_at"] if before else now,
            "id": one["id"],
            "managed": one.get("managed", False),
            "references": one.get("references", []),
            "type": one["type"],
            "typeMigrationVersion": self._latest(one["type"]),
            "updated_at": now,
            "version": f"WzQx{tick}LDFd",
        } | ({"originId": one["originId"]} if "originId" in one else {})

    def _export(self, space, body) -> bytes:
        wanted = [(one["type"], one["id"]) for one in body["objects"]]
        here = self.of(space)
        if absent := [key for key in wanted if key not in here]:
            said = {"statusCode": 404, "error": "Not Found", "message": "Saved object not found"}
            raise RefusalError(
                400,
                "Error fetching objects to export",
                attributes={"objects": [{"type": kind, "id": name, "error": said} for kind, name in absent]},
            )
        lines = [json.dumps(here[key]) for key in wanted]
        if not body.get("excludeExportDetails"):
            lines.append(
                json.dumps({"exportedCount": len(wanted), "missingRefCount": 0, "missingReferences": []})
            )
        return ("\n".join(lines) + "\n").encode()

    def _latest(self, kind) -> str:
        return "10.2.0" if kind == "dashboard" and self.kibana.numbers >= (8, 18) else TYPES[kind]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
