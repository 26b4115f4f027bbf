"""Real servers for the tests. A test that asks for one carries the marker `elasticsearch` by itself."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from aws import CREDENTIALS, Moto, Proxy, moto_server

from vpcflow.elastic.client import connect
from vpcflow.elastic.template import data_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from elasticsearch import Elasticsearch

SERVERS = {"elasticsearch_url", "secure_elasticsearch", "own_elasticsearch"}


def _kit():
    """tests/elasticsearch/server.py, by its path: its folder must not hide the client's package."""
    name = "vpcflow_test_elasticsearch"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "elasticsearch" / "server.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.elasticsearch)


def pytest_collection_finish(session):
    """Downloads before the first test: on a slow line that takes longer than a test may."""
    wanted = any(item.get_closest_marker("elasticsearch") for item in session.items)
    if wanted and not session.config.option.collectonly and not _kit().missing():
        with contextlib.suppress(_kit().ServerError):  # the fixture says it
            _kit().assemble()


def _need_kit():
    if lacks := _kit().missing():
        pytest.skip(f"no Elasticsearch to test against: {' and '.join(lacks)} missing here")
    return _kit()


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """URL of a server without security, unless ELASTICSEARCH_URL names another one."""
    if url := os.environ.get("ELASTICSEARCH_URL"):
        yield url
        return
    with _need_kit().Server() as server:
        yield server.url


@pytest.fixture(scope="session")
def es(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    """A client of that server."""
    client = connect(elasticsearch_url)
    yield client
    client.close()


@pytest.fixture
def namespace(es: Elasticsearch) -> Iterator[str]:
    """A namespace that no other test writes to; its data stream is removed afterwards."""
    from elasticsearch import ApiError

    name = f"t{uuid.uuid4().hex[:12]}"
    yield name
    # The test kit's server can't delete data streams (405), and most tests of a shared one leave none (404).
    with contextlib.suppress(ApiError):
        es.indices.delete_data_stream(name=data_stream(name))


class Secured(NamedTuple):
    """A server with TLS, and its superuser."""

    url: str
    username: str
    password: str
    ca: Path


@pytest.fixture(scope="session")
def secure_elasticsearch() -> Iterator[Secured]:
    """A server that wants TLS and credentials; its certificate is signed by nobody else."""
    with _need_kit().Server(secure=True) as server:
        yield Secured(server.url, server.username, server.password, server.ca)


@pytest.fixture
def own_elasticsearch() -> Iterator[Callable]:
    """Boots servers for one test alone, which may stop them: `own_elasticsearch(settings={...})`."""
    kit = _need_kit()
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(kit.Server(**options))


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the developer's own credentials out of the environment."""
    for name in ("API_KEY", "USERNAME", "PASSWORD", "API_KEY_FILE", "USERNAME_FILE", "PASSWORD_FILE", "CA"):
        monkeypatch.delenv(f"ELASTICSEARCH_{name}", raising=False)


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """One moto server for all tests. Most want `aws`, which is empty when a test begins."""
    with moto_server() as server:
        yield server


@pytest.fixture
def aws(moto: Moto, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Moto]:
    """An empty AWS, to which boto3 and `vpcflow` in this environment go. Checkpoints go to a folder of the test."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield moto
    moto.reset()


@pytest.fixture
def proxy(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The same AWS behind a proxy that counts requests and makes faults."""
    with Proxy(aws.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
