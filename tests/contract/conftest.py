"""Kibanas for the tests: the stub in versions and licences, and a real one where KIBANA_URL names it."""

from __future__ import annotations

import os
import uuid
from typing import NamedTuple

import pytest

from kibana_stub import Kibana
from setup_command import KEY, Run, setup
from vpcflow.kibana.client import connect


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    """Takes the developer's servers and credentials out of the environment."""
    for name in os.environ:
        if name.startswith(("ELASTICSEARCH", "KIBANA", "SMTP")):
            monkeypatch.delenv(name)


@pytest.fixture
def kibana():
    """A stub, Kibana 8.18 with a basic licence, of which nothing is asked but its key."""
    with Kibana(api_key=KEY) as stub:
        yield stub


class Target(NamedTuple):
    """Where to set up, and how to look at it."""

    url: str
    args: tuple[str, ...]
    environ: dict[str, str]
    space: str

    def setup(self, *args, code=0) -> Run:
        return setup(self.url, *self.args, *args, code=code, **self.environ)

    def look(self):
        return connect(self.url, space=self.space, environ={"KIBANA_API_KEY": KEY} | self.environ)


REAL = {name: value for name, value in os.environ.items() if name.startswith("KIBANA")}


@pytest.fixture(
    params=[
        "8.11.0 basic",
        "8.18.1 basic",
        "8.18.1 trial",
        "9.0.1 basic",
        "9.0.1 trial in a space",
        "KIBANA_URL",
    ]
)
def target(request):
    """Every Kibana there is to be had; a real one gets a space for the time of the test."""
    if request.param == "KIBANA_URL":
        if "KIBANA_URL" not in REAL:
            pytest.skip("no Kibana to test against: KIBANA_URL is not set")
        yield from _real()
        return
    version, licence, *space = request.param.split()
    name = "network" if space else "default"
    with Kibana(version, licence, api_key=KEY, spaces=("network",), base_path="/kb") as stub:
        yield Target(stub.url, ("--space", name) if space else (), {}, name)


def _real():
    url, space = REAL["KIBANA_URL"], f"t{uuid.uuid4().hex[:8]}"
    client = connect(url, environ=REAL)
    client.call("POST", "/api/spaces/space", json={"id": space, "name": space}, everywhere=True)
    try:
        yield Target(
            url,
            ("--space", space),
            REAL | ({"KIBANA_API_KEY": ""} if "KIBANA_API_KEY" not in REAL else {}),
            space,
        )
    finally:
        client.call("DELETE", f"/api/spaces/space/{space}", everywhere=True)
        client.close()
