"""Connecting: what opens the door, and the one line that says why it stays shut."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import socketserver
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

import vpcflow
from unit.flowlogs import ACCEPT, HEADER, errors, write
from unit.flowlogs import vpcflow as vpcflow_command
from vpcflow import ConfigError, SinkError
from vpcflow.elastic.client import connect
from vpcflow.elastic.setup import put_template
from vpcflow.elastic.template import data_stream
from vpcflow.sinks.elasticsearch import ElasticsearchSink
from vpcflow.sources.base import Item

LINE = b"2 123456789010 eni-1235b8ca 10.0.1.5 10.0.0.2 39812 443 6 1 40 1418530010 1418530070 ACCEPT OK\n"

pytestmark = pytest.mark.usefixtures("no_credentials")


def send(sink):
    item = Item("flow.log", "flow.log", Path("flow.log"), None, vpcflow.Origin(path="flow.log"))
    writer = sink.open(item)
    early = writer.write(writer.encode(vpcflow.parse(LINE, origin=item.origin)))
    last = writer.commit().result(60)
    last.documents += early.documents
    return last


def login(server):
    return {"ELASTICSEARCH_USERNAME": server.username, "ELASTICSEARCH_PASSWORD": server.password}


@pytest.fixture
def web_server():
    """Answers, but is not an Elasticsearch; its handler's `answer` is (status, type, body)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        answer = (200, "text/html", b"<h1>It works!</h1>")

        def do_GET(self):
            status, kind, body = self.answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Front(socketserver.ThreadingTCPServer):
    """TLS with a certificate of one's choice, and behind it another server."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext, target: str) -> None:
        self.context = context
        host, _, port = target.removeprefix("http://").partition(":")
        self.target = (host, int(port))
        super().__init__(("127.0.0.1", 0), _Behind)


class _Behind(socketserver.BaseRequestHandler):
    def handle(self):
        with (
            contextlib.suppress(OSError),  # a client that turns the certificate down is gone
            self.server.context.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(self.server.target) as server,
        ):
            threading.Thread(target=self._pass, args=(server, client), daemon=True).start()
            self._pass(client, server)

    def _pass(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A company's own authority, and the file that users are given."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    authority.path = path
    return authority


@pytest.fixture
def tls_front(elasticsearch_url):
    """The real server behind TLS: `tls_front(certificate)` is its URL."""
    if elasticsearch_url.startswith("https://"):
        pytest.skip("this server has TLS")
    with contextlib.ExitStack() as stack:

        def serve(certificate):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            front = stack.enter_context(Front(context, elasticsearch_url))
            thread = threading.Thread(target=front.serve_forever, args=(0.05,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(front.shutdown)
            return f"https://127.0.0.1:{front.server_address[1]}"

        yield serve


@pytest.fixture
def api_key(secure_elasticsearch):
    """Makes API keys with the privileges given, on some indices."""
    client = connect(
        secure_elasticsearch.url, ca=secure_elasticsearch.ca, environ=login(secure_elasticsearch)
    )
    put_template(client)

    def make(names, *privileges):
        role = {"cluster": [], "indices": [{"names": names, "privileges": privileges}]}
        return client.security.create_api_key(name="test", role_descriptors={"writer": role})

    yield make
    client.close()


def test_user_and_password(secure_elasticsearch, monkeypatch):
    for name, value in login(secure_elasticsearch).items():
        monkeypatch.setenv(name, value)
    sink = ElasticsearchSink(secure_elasticsearch.url, "user", ca=secure_elasticsearch.ca)
    assert send(sink).documents == 1
    sink.close()


def test_credentials_in_the_url_are_used_and_never_shown(secure_elasticsearch, monkeypatch):
    monkeypatch.setenv("ELASTICSEARCH_CA", str(secure_elasticsearch.ca))
    user = f"{secure_elasticsearch.username}:{quote(secure_elasticsearch.password)}"
    sink = ElasticsearchSink(secure_elasticsearch.url.replace("//", f"//{user}@"), "url")
    assert send(sink).documents == 1
    assert sink.name == f"{secure_elasticsearch.url}/logs-aws.vpcflow-url"
    sink.close()


@pytest.mark.parametrize("form", ["encoded", "id:key", "file"])
def test_a_key_that_may_only_write_is_enough(secure_elasticsearch, api_key, monkeypatch, tmp_path, form):
    key = api_key(["logs-aws.vpcflow-*"], "auto_configure", "create_doc")
    if form == "file":
        (tmp_path / "key").write_text(f"{key['encoded']}\n")
        monkeypatch.setenv("ELASTICSEARCH_API_KEY_FILE", str(tmp_path / "key"))
    else:
        text = key["encoded"] if form == "encoded" else f"{key['id']}:{key['api_key']}"
        monkeypatch.setenv("ELASTICSEARCH_API_KEY", text)
    sink = ElasticsearchSink(secure_elasticsearch.url, "key", ca=secure_elasticsearch.ca)
    assert send(sink).documents == 1
    assert sink.notes == ["the credentials don't reach the index template: it is taken as set up"]
    sink.close()


def test_a_key_for_something_else_ends_the_run_instead_of_refusing_each_document(
    secure_elasticsearch, api_key, monkeypatch
):
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", api_key(["other-*"], "create_doc")["encoded"])
    sink = ElasticsearchSink(secure_elasticsearch.url, ca=secure_elasticsearch.ca)
    with pytest.raises(
        SinkError, match=r"logs-aws\.vpcflow-default takes no documents \(403\): .*unauthorized"
    ):
        send(sink)
    sink.close()


def test_a_wrong_password_is_said_without_it(secure_elasticsearch, monkeypatch):
    monkeypatch.setenv("ELASTICSEARCH_USERNAME", "elastic")
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "correct horse battery staple")
    with pytest.raises(
        ConfigError, match=r"wants valid credentials \(401\); set ELASTICSEARCH_API_KEY"
    ) as said:
        ElasticsearchSink(secure_elasticsearch.url, ca=secure_elasticsearch.ca)
    assert secure_elasticsearch.url in str(said.value)
    assert "horse" not in str(said.value)


def test_no_credentials_where_they_are_wanted(secure_elasticsearch):
    with pytest.raises(ConfigError, match=r"wants valid credentials \(401\)"):
        connect(secure_elasticsearch.url, ca=secure_elasticsearch.ca)


def test_a_certificate_of_an_unknown_authority(secure_elasticsearch):
    with pytest.raises(ConfigError, match=r"fails at TLS: its certificate is not trusted .*ELASTICSEARCH_CA"):
        connect(secure_elasticsearch.url, environ=login(secure_elasticsearch))


def test_a_certificate_of_the_companys_own_authority(tls_front, authority, es, namespace, tmp_path):
    write(tmp_path / "flow.log", HEADER, ACCEPT)
    url = tls_front(authority.issue_cert("127.0.0.1"))
    to = ("index", "flow.log", "--to", url, "--namespace", namespace)
    vpcflow_command(*to, "--ca", authority.path, cwd=tmp_path)
    vpcflow_command(*to, cwd=tmp_path, ELASTICSEARCH_CA=str(authority.path))
    es.indices.refresh(index=data_stream(namespace))
    assert es.count(index=data_stream(namespace))["count"] == 2


#: For whom a certificate is, from which day to which, and what is said of it.
WRONG = {
    "expired": (
        "127.0.0.1",
        (-30, -1),
        r"its certificate is out of date \(certificate has expired\); "
        "renew it on the server, or set this machine's clock right",
    ),
    "early": (
        "127.0.0.1",
        (1, 30),
        r"its certificate is not in force \(certificate is not yet valid\); "
        "set this machine's clock right, or wait",
    ),
    "another host": (
        "elastic.example",
        (-1, 30),
        r"its certificate is another host's \(hostname '127.0.0.1' doesn't match 'elastic.example'\); "
        "use a name that stands in it",
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_certificate_that_does_not_hold(tls_front, authority, tmp_path, wrong):
    host, days, said = wrong
    write(tmp_path / "flow.log", HEADER, ACCEPT)
    start, end = (datetime.now(UTC) + timedelta(days=day) for day in days)
    url = tls_front(authority.issue_cert(host, not_before=start, not_after=end))
    done = vpcflow_command("index", "flow.log", "--to", url, "--ca", authority.path, cwd=tmp_path, code=2)
    (line,) = errors(done)
    assert re.fullmatch(f"Error: {url} fails at TLS: {said}", line), line


def test_a_certificate_that_signed_itself(secure_elasticsearch, tmp_path):
    write(tmp_path / "flow.log", HEADER, ACCEPT)
    done = vpcflow_command("index", "flow.log", "--to", secure_elasticsearch.url, cwd=tmp_path, code=2)
    (line,) = errors(done)
    assert re.search(
        r"is not trusted \(self-signed certificate\); give its authority's file \(--ca, or", line
    )


def test_a_ca_where_nothing_is_checked(authority, tmp_path):
    write(tmp_path / "flow.log", HEADER, ACCEPT)
    for target, said in {"http://127.0.0.1:9": "has no TLS", "store": "a CA is for Elasticsearch"}.items():
        done = vpcflow_command(
            "index", "flow.log", "--to", target, "--ca", authority.path, cwd=tmp_path, code=2
        )
        (line,) = errors(done)
        assert said in line


def test_a_certificate_file_that_is_none(secure_elasticsearch, tmp_path):
    with pytest.raises(ConfigError, match="No such file or directory"):
        connect(secure_elasticsearch.url, ca=tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError, match="no PEM certificate in it"):
        connect(secure_elasticsearch.url, ca=tmp_path / "empty.pem")


def test_http_to_a_server_that_wants_https(secure_elasticsearch):
    with pytest.raises(
        SinkError, match="closed the connection without an answer; check whether it wants https://"
    ):
        connect(secure_elasticsearch.url.replace("https://", "http://"))


def test_https_to_a_server_without(elasticsearch_url):
    if elasticsearch_url.startswith("https://"):
        pytest.skip("this server has TLS")
    with pytest.raises(ConfigError, match="no TLS on this port; write http://"):
        connect(elasticsearch_url.replace("http://", "https://"))


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", b"<h1>It works!</h1>"),
        (200, "application/json", b'{"version": {"number": "8.19.0"}}'),
        (404, "text/html", b"no such page"),
        (302, "text/html", b""),
    ],
    ids=["page", "json", "404", "redirect"],
)
def test_a_server_that_is_not_an_elasticsearch(web_server, answer):
    web_server.RequestHandlerClass.answer = answer
    url = f"http://127.0.0.1:{web_server.server_port}"
    with pytest.raises(ConfigError, match=f"{url} is not an Elasticsearch .*; check host and port"):
        connect(url)


def test_a_proxy_without_its_server(web_server):
    web_server.RequestHandlerClass.answer = (503, "text/html", b"<p>no\nbackend</p>")
    with pytest.raises(SinkError, match="answered with status 503: <p>no backend</p>"):
        connect(f"http://127.0.0.1:{web_server.server_port}")


def test_nobody_there():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SinkError, match=f"{url} can't be reached .*refused.*; check host and port"):
            ElasticsearchSink(url)
