"""The requests that `vpcflow setup --print-roles` prints: pasted as they are, they grant what is needed and no more."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from unit.flowlogs import ACCEPT, HEADER, REJECT, errors, vpcflow, write
from vpcflow import ConfigError
from vpcflow.elastic.client import connect
from vpcflow.elastic.reader import MissingIndexError, Reader

pytestmark = pytest.mark.usefixtures("no_credentials")

STREAM = "logs-aws.vpcflow-default"
DOCUMENT = {"@timestamp": "2026-11-24T12:00:00Z", "message": "by hand"}
TEMPLATE = {"index_patterns": ["other-*"], "priority": 1}


@pytest.fixture(scope="module")
def admin(secure_elasticsearch):
    server = secure_elasticsearch
    login = {"ELASTICSEARCH_USERNAME": server.username, "ELASTICSEARCH_PASSWORD": server.password}
    client = connect(server.url, ca=server.ca, environ=login)
    yield client
    client.close()


def printed(tmp_path, *options):
    """What one would copy from the terminal into Kibana's console: (method, path, body) of each request."""
    text = vpcflow("setup", "--print-roles", *options, cwd=tmp_path).stdout.decode()
    blocks = re.findall(r"^(PUT|POST) (/\S+)\n(\{.*?^\})", text, re.MULTILINE | re.DOTALL)
    return [(method, path, json.loads(body)) for method, path, body in blocks]


@pytest.fixture(scope="module")
def keys(admin, tmp_path_factory):
    """The API keys by name, made by exactly the requests that are printed."""
    made = {}
    for method, path, body in printed(tmp_path_factory.mktemp("roles")):
        headers = {"accept": "application/json", "content-type": "application/json"}
        answer = admin.perform_request(method, path, body=body, headers=headers)
        if path == "/_security/api_key":
            made[answer["name"]] = answer["encoded"]
    return made


@pytest.fixture
def run(secure_elasticsearch, keys, tmp_path):
    """Runs a command with one of the keys: `run("vpcflow-index", "index", "a.log")`."""

    def with_key(key, *args, code=0):
        server = secure_elasticsearch
        url = ("--to" if args[0] == "index" else "--elasticsearch", server.url)
        return vpcflow(
            *args, *url, "--ca", server.ca, cwd=tmp_path, code=code, ELASTICSEARCH_API_KEY=keys[key]
        )

    return with_key


@pytest.fixture
def client(secure_elasticsearch, keys):
    """A client with one of the keys."""
    opened = []

    def with_key(name):
        server = secure_elasticsearch
        opened.append(connect(server.url, ca=server.ca, environ={"ELASTICSEARCH_API_KEY": keys[name]}))
        return opened[-1]

    yield with_key
    for client in opened:
        client.close()


@pytest.fixture
def indexed(run, admin, tmp_path):
    """Set up with the set-up key and filled with the indexing key: two records, each there once."""
    write(tmp_path / "a.log", HEADER, ACCEPT, REJECT)
    run("vpcflow-setup", "setup", "--only", "templates")
    run("vpcflow-index", "index", "a.log", "--ids", "digest")
    admin.indices.refresh(index=STREAM)
    found = admin.search(
        index=STREAM, query={"exists": {"field": "source.ip"}}, size=100, seq_no_primary_term=True
    )
    return found["hits"]["hits"]


def overwrite(hit):
    """The arguments with which somebody who may write can replace a document of a data stream."""
    at = {"index": hit["_index"], "id": hit["_id"]}
    return {**at, "if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"], "document": DOCUMENT}


def refused(call, *args, **arguments):
    from elasticsearch import AuthorizationException

    with pytest.raises(AuthorizationException) as said:
        call(*args, **arguments)
    return said.value.meta.status == 403


def test_set_up_takes_away_what_it_made(run, admin):
    run("vpcflow-setup", "setup", "--namespace", "gone")
    run("vpcflow-setup", "setup", "--remove", "--namespace", "gone")
    assert not admin.indices.exists_index_template(name="vpcflow-logs-gone")
    assert not admin.cluster.exists_component_template(name="vpcflow-gone@settings")


def test_what_is_printed(tmp_path):
    requests = printed(tmp_path)
    assert [(method, path) for method, path, _ in requests] == [
        ("PUT", "/_security/role/vpcflow-index"),
        ("POST", "/_security/api_key"),
        ("PUT", "/_security/role/vpcflow-setup"),
        ("POST", "/_security/api_key"),
        ("PUT", "/_security/role/vpcflow-read"),
        ("POST", "/_security/api_key"),
    ]
    assert requests[0][2] == {
        "cluster": [],
        "indices": [{"names": ["logs-aws.vpcflow-*"], "privileges": ["auto_configure", "create_doc"]}],
    }
    for (_, _, role), (_, _, key) in zip(requests[::2], requests[1::2], strict=True):
        assert key["role_descriptors"] == {key["name"]: role}, "the key has the role and nothing else"


def test_of_one_namespace(tmp_path):
    for _, _, body in printed(tmp_path, "--namespace", "prod"):
        (role,) = body.get("role_descriptors", {"": body}).values()
        assert [index["names"] for index in role["indices"]] == [["logs-aws.vpcflow-prod"]]
    done = vpcflow("setup", "--print-roles", "--namespace", "A B", cwd=tmp_path, code=2)
    assert errors(done)[0].startswith("Error: namespace 'A B' is not lower-case")


def test_nothing_is_sent(tmp_path):
    """The server is named but need not be there: whoever prints it takes it to somebody else."""
    here = vpcflow("setup", "--print-roles", "--elasticsearch", "http://127.0.0.1:9", cwd=tmp_path)
    assert b"PUT /_security/role/vpcflow-index" in here.stdout


def test_the_roles_are_there_for_users_too(admin, keys):
    found = admin.security.get_role(name="vpcflow-index,vpcflow-read,vpcflow-setup")
    assert sorted(found) == ["vpcflow-index", "vpcflow-read", "vpcflow-setup"]
    assert found["vpcflow-read"]["indices"][0]["privileges"] == ["read"]


def test_set_up_index_and_read_each_with_its_key(secure_elasticsearch, keys, run, indexed):
    run("vpcflow-index", "index", "a.log", "--ids", "digest")  # once more: nothing is added
    server = secure_elasticsearch
    environ = {"ELASTICSEARCH_API_KEY": keys["vpcflow-read"]}
    with Reader(server.url, ca=server.ca, environ=environ) as reader:
        table = reader.query(
            f"FROM {STREAM} | WHERE source.ip IS NOT NULL | STATS n = COUNT(*) BY event.action | SORT event.action"
        )
    assert table.columns == ["n", "event.action"]
    assert table.rows == [(1, "ACCEPT"), (1, "REJECT")]


def test_the_reading_key_is_told_which_namespaces_there_are(secure_elasticsearch, keys, indexed, tmp_path):
    server = secure_elasticsearch
    where = ("--from", server.url, "--ca", server.ca, "--namespace", "nope")
    key = {"ELASTICSEARCH_API_KEY": keys["vpcflow-read"]}
    done = vpcflow("query", "top-talkers", *where, cwd=tmp_path, code=2, **key)
    # Other tests may have filled others in the same server.
    told = r"there is no data stream logs-aws\.vpcflow-nope; there (is|are) .*\bdefault\b.*; to fill it: "
    assert re.search(told, errors(done)[-1])


def test_the_indexing_key_can_do_nothing_else(client, indexed):
    key = client("vpcflow-index")
    hit = indexed[0]
    at = {"index": hit["_index"], "id": hit["_id"]}
    assert refused(key.get, **at)
    assert refused(key.search, index=STREAM)
    assert refused(key.count, index=STREAM)
    assert refused(key.esql.query, query=f"FROM {STREAM}")
    assert refused(key.delete, **at)
    assert refused(key.index, **overwrite(hit))
    assert refused(key.indices.delete, index=hit["_index"])
    assert refused(key.indices.rollover, alias=STREAM)
    assert refused(key.indices.put_settings, index=STREAM, settings={"index.number_of_replicas": 0})
    assert refused(key.create, index="logs-aws.other-default", id="1", document=DOCUMENT)
    assert refused(key.indices.create, index="logs-aws.vpcflow-mine")
    assert refused(key.indices.put_index_template, name="mine", **TEMPLATE)
    assert refused(key.cluster.put_component_template, name="mine", template={})
    assert refused(key.cluster.health)
    assert refused(key.security.create_api_key, name="more")
    # Not even a document of another's making can be changed through _bulk, which it needs.
    bulk = key.bulk(index=STREAM, operations=[{"update": {"_id": hit["_id"]}}, {"doc": {"message": "x"}}])
    assert bulk["items"][0]["update"]["status"] in {400, 403}
    bulk = key.bulk(operations=[{"delete": {"_index": hit["_index"], "_id": hit["_id"]}}])
    assert bulk["items"][0]["delete"]["status"] == 403


def test_the_set_up_key_sees_and_writes_no_document(client, run, indexed):
    key = client("vpcflow-setup")
    hit = indexed[0]
    at = {"index": hit["_index"], "id": hit["_id"]}
    assert refused(key.get, **at)
    assert refused(key.search, index=STREAM)
    assert refused(key.create, index=STREAM, id="1", document=DOCUMENT)
    assert refused(key.delete, **at)
    assert refused(key.indices.delete, index=hit["_index"])
    assert refused(key.indices.put_settings, index=STREAM, settings={"index.number_of_replicas": 0})
    assert refused(key.security.create_api_key, name="more")
    done = run("vpcflow-setup", "index", "a.log", code=2)
    assert "does not let these credentials do it (403)" in errors(done)[-1]


def test_the_reading_key_writes_nothing(client, run, indexed):
    key = client("vpcflow-read")
    hit = indexed[0]
    at = {"index": hit["_index"], "id": hit["_id"]}
    assert key.get(**at)["_source"] == hit["_source"]
    assert refused(key.create, index=STREAM, id="1", document=DOCUMENT)
    assert refused(key.index, **overwrite(hit))
    assert refused(key.delete, **at)
    assert refused(key.indices.delete, index=hit["_index"])
    assert refused(key.indices.put_mapping, index=STREAM, properties={"x": {"type": "keyword"}})
    assert refused(key.indices.put_index_template, name="mine", **TEMPLATE)
    assert refused(key.security.create_api_key, name="more")
    done = run("vpcflow-read", "index", "a.log", code=2)
    assert "does not let these credentials do it (403)" in errors(done)[-1]
    done = run("vpcflow-read", "setup", "--only", "templates", code=2)
    assert "does not let these credentials do it (403)" in errors(done)[-1]


def test_a_key_that_may_not_read_is_told_so(secure_elasticsearch, admin, keys, indexed):
    server = secure_elasticsearch
    environ = {"ELASTICSEARCH_API_KEY": keys["vpcflow-index"]}
    with (
        Reader(server.url, ca=server.ca, environ=environ) as reader,
        pytest.raises(ConfigError, match=r"does not let these credentials do it \(403\)"),
    ):
        reader.query("FROM logs-aws.vpcflow-*")
    # Whoever may read something is not told of what else there is.
    environ = {"ELASTICSEARCH_API_KEY": keys["vpcflow-read"]}
    admin.index(index="secret", document=DOCUMENT, refresh=True)
    with (
        Reader(server.url, ca=server.ca, environ=environ) as reader,
        pytest.raises(MissingIndexError, match="take credentials that may read it"),
    ):
        reader.query("FROM secret*")


def test_the_requests_as_curl_commands(secure_elasticsearch, admin, tmp_path):
    admin.security.delete_role(name="vpcflow-read")
    server = secure_elasticsearch
    script = vpcflow("setup", "--print-roles", "curl", cwd=tmp_path).stdout.decode()
    (tmp_path / "curlrc").write_text(
        f'user = "{server.username}:{server.password}"\nfail-with-body\nsilent\n'
    )
    (tmp_path / "curlrc").rename(tmp_path / ".curlrc")
    script = script.replace(" --user elastic", "")  # it would ask for the password
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ELASTICSEARCH_URL": server.url,
             "CURL_CA_BUNDLE": str(server.ca)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "vpcflow-read" in admin.security.get_role(name="vpcflow-read")
