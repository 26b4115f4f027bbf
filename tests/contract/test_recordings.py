"""Exchanges with real Kibanas, played against the stub: what it answers is what they answered.

Recorded by elastic-package's own tests; `*` stands for what differs from one run to the next.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from kibana_stub import Kibana

RECORDINGS = json.loads((Path(__file__).parent / "recordings.json").read_text())


def same(recorded, answered):
    if recorded == "*":
        return isinstance(answered, str) and bool(answered)
    if isinstance(recorded, dict):
        return recorded.keys() == answered.keys() and all(
            same(recorded[key], answered[key]) for key in recorded
        )
    if isinstance(recorded, list):
        return len(recorded) == len(answered) and all(map(same, recorded, answered))
    return recorded == answered


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one["kibana"])
def test_the_stub_answers_as_recorded(recording):
    with Kibana(recording["kibana"]) as stub:
        for exchange in recording["exchanges"]:
            method, _, path = exchange["call"].partition(" ")
            upload = None
            if exchange.get("import"):
                dashboard = {"attributes": {"title": "Empty Dashboard"}, "id": "test-managed-saved-objects"}
                dashboard |= {"managed": exchange["managed"], "references": [], "type": "dashboard"}
                upload = {"file": ("file.ndjson", json.dumps(dashboard), "application/octet-stream")}
            answer = requests.request(
                method,
                stub.url + path,
                json=exchange.get("json"),
                files=upload,
                headers={"Kbn-Xsrf": recording["kibana"]},
                timeout=10,
            )
            assert answer.status_code == exchange["status"], exchange["call"]
            assert answer.headers["kbn-name"] == "kibana"
            wanted = exchange.get("headers", {})
            assert {name: answer.headers.get(name) for name in wanted} == wanted
            assert ("elastic-api-version" in answer.headers) == (stub.numbers >= (8, 18))
            if "keys" in exchange:
                assert list(answer.json()) == exchange["keys"]
                assert list(answer.json()["version"]) == exchange["version_keys"]
                assert answer.json()["version"]["number"] == recording["kibana"]
            if "answer" in exchange:
                assert same(exchange["answer"], answer.json()), answer.text
            if "line" in exchange:
                assert answer.headers["content-type"] == exchange["type"]
                assert same(exchange["line"], json.loads(answer.text)), answer.text


def test_what_kibana_refuses_the_stub_refuses():
    dashboard = {"type": "dashboard", "id": "one", "attributes": {"title": "One"}, "references": []}

    def post(*objects, name="file.ndjson", **query):
        lines = "".join(json.dumps(one) + "\n" for one in objects)
        files = {"file": (name, lines)}
        return requests.post(
            stub.url + "/api/saved_objects/_import",
            files=files,
            params=query,
            headers={"kbn-xsrf": "1"},
            timeout=10,
        )

    with Kibana("8.18.1") as stub:
        path = stub.url + "/api/saved_objects/_import"
        assert requests.post(path, timeout=10).status_code == 400  # no kbn-xsrf
        assert requests.post(path, json={}, headers={"kbn-xsrf": "1"}, timeout=10).status_code == 415
        assert post(dashboard, name="file.txt").status_code == 400
        assert post(dashboard, dashboard).status_code == 400
        assert post(dashboard, overwrite="true", createNewCopies="true").status_code == 400
        newer = post(dashboard | {"typeMigrationVersion": "10.3.0"})
        assert newer.status_code == 422
        unknown = post(dashboard | {"type": "nothing"}).json()
        assert (unknown["success"], unknown["errors"][0]["error"]["type"]) == (False, "unsupported_type")
        lacking = dashboard | {"references": [{"type": "index-pattern", "id": "x", "name": "y"}]}
        answer = post(lacking, dashboard | {"id": "two"}).json()
        assert answer["errors"][0]["error"]["type"] == "missing_references"
        assert answer["successCount"] == 1
        assert stub.objects.of() == {}  # counted, and not stored
        assert post(dashboard).json()["success"] is True
        conflict = post(dashboard).json()
        assert conflict["errors"][0]["error"]["type"] == "conflict"
