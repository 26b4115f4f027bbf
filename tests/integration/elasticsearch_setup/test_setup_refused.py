"""Where `vpcflow setup` doesn't work: wrong usage, and credentials that don't reach that far."""

from __future__ import annotations

import pytest
from set_up import results, vpcflow_setup

from vpcflow.elastic.client import connect


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((), "no server given; give --elasticsearch URL, or set ELASTICSEARCH_URL"),
        (("--elasticsearch", "http://127.0.0.1:9", "--retention", "2y"), "is no time to keep flows"),
        (("--elasticsearch", "http://127.0.0.1:9", "--namespace", "A"), "not lower-case"),
        (("--elasticsearch", "http://127.0.0.1:9", "--only", "roles"), "is none of templates"),
        (
            ("--elasticsearch", "http://127.0.0.1:9", "--remove", "--shards", "2"),
            "--remove takes no --shards",
        ),
        (("--elasticsearch", "https://127.0.0.1:9", "--ca", "/nowhere"), "/nowhere: No such file"),
    ],
)
def test_wrong_usage(args, why):
    lines, errors = vpcflow_setup(None, *args, code=2)
    assert lines == []
    assert why in errors[-1]


def test_credentials_that_do_not_reach_that_far(secure_elasticsearch, no_credentials, monkeypatch):
    server = secure_elasticsearch
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", server.username)
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", server.password)
    with connect(server.url, ca=server.ca) as es:
        key = es.security.create_api_key(
            name="nothing", role_descriptors={"nothing": {"cluster": ["monitor"]}}
        )
    lines, errors = vpcflow_setup(
        server.url, "--ca", str(server.ca), code=2, ELASTICSEARCH_API_KEY=key["encoded"]
    )
    (error,) = errors
    assert lines == []
    assert "does not let these credentials do it (403)" in error
    assert key["encoded"] not in error
    lines, _ = vpcflow_setup(
        server.url,
        "--ca",
        str(server.ca),
        ELASTICSEARCH_USERNAME=server.username,
        ELASTICSEARCH_PASSWORD=server.password,
    )
    assert results(lines)["vpcflow-logs"] in ("created", "left as it is")
