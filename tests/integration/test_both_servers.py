"""`vpcflow setup` with both servers, as a command of its own: a real Elasticsearch, and Kibana's stub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from kibana_stub import Kibana

KEY = "VnVhQ2ZHY0JDZGJrU4m2hUWVI6dGVzdA=="


def run(*args, code=0, **environ):
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("ELASTIC", "KIBANA"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "vpcflow", "setup", *args],
        env=mine | {"KIBANA_API_KEY": KEY} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    rows = (re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines())
    return {(row[0], row[1]): row[2] for row in rows if len(row) == 3 and row[0] != "object"}, done.stderr


@pytest.fixture
def servers(elasticsearch_url, namespace):
    with Kibana(api_key=KEY) as stub:
        yield {"ELASTICSEARCH_URL": elasticsearch_url, "KIBANA_URL": stub.url}, namespace, stub


def test_templates_dashboards_connectors_rules_in_that_order(servers):
    environ, namespace, stub = servers
    table, _ = run("--namespace", namespace, **environ)
    kinds = list(dict.fromkeys(kind for kind, _ in table))
    assert kinds[:4] == ["component template", "index template", "data view", "tag"]
    assert kinds.index("dashboard") < kinds.index("connector")
    assert table["index template", f"vpcflow-logs-{namespace}"] == "created"
    again, _ = run("--namespace", namespace, **environ)
    assert set(again.values()) == {"left as it is"}
    assert again.keys() == table.keys()
    assert stub.objects.of()


def test_what_one_server_has_done_is_said_when_the_other_fails(servers):
    environ, namespace, _ = servers
    table, errors = run("--namespace", namespace, code=1, **environ | {"KIBANA_URL": "http://127.0.0.1:9"})
    assert table["index template", f"vpcflow-logs-{namespace}"] == "created"
    assert "http://127.0.0.1:9 can't be reached" in errors


def test_filters_of_panels_are_read_by_a_real_server_as_they_are_meant(es, namespace):
    """Kibana's own parser for KQL lives in the browser; Elasticsearch has another of the same language."""
    from vpcflow.elastic import setup, template
    from vpcflow.kibana.assets import saved_objects

    setup.put_template(es, namespace)
    stream = template.data_stream(namespace)
    asked = 0
    for one in saved_objects():
        if one["type"] != "dashboard":
            continue
        for panel in json.loads(one["attributes"]["panelsJSON"]):
            if panel["type"] != "lens":
                continue
            query = panel["embeddableConfig"]["attributes"]["state"]["query"]
            if "esql" in query:
                continue  # test_kibana_panels asks these
            text = query["query"]
            if text:
                es.search(index=f"{stream}*", query={"kql": {"query": text}}, size=0, allow_no_indices=True)
                asked += 1
    assert asked > 20
