"""Alerts told to a webhook, to Slack, to an index and on standard output: each to a real server."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import ssl
import threading
import uuid

import pytest
import trustme

from notices import SCAN, notice, tell
from vpcflow.alerts.notice import Row
from vpcflow.alerts.notify import channels
from vpcflow.errors import ConfigError, SinkError


class Receiver(http.server.ThreadingHTTPServer):
    """Takes what is sent; answers with `status` and `said`, or hangs up when there is no status."""

    def __init__(self, context=None, port=0):
        self.taken: list[tuple[str, dict[str, str], dict]] = []
        self.status: int | None = 200
        self.said = b"ok"
        super().__init__(("127.0.0.1", port), _Handler)
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request, client_address):
        """Clients that turn the certificate down are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status is None:
            self.connection.close()
            return
        self.server.taken.append((f"{self.command} {self.path}", dict(self.headers), body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url + "/elsewhere")
        self.send_header("Content-Length", str(len(self.server.said)))
        self.end_headers()
        self.wfile.write(self.server.said)

    do_PUT = do_POST  # noqa: N815 - the name that http.server looks for

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    with Receiver() as server:
        yield server


@pytest.fixture
def channel(tmp_path):
    """The one channel of a vpcflow.toml."""

    def make(*lines, environ=None, rest=""):
        path = tmp_path / "vpcflow.toml"
        path.write_text("\n".join(["[alerts.channels.hook]", *lines]) + "\n" + rest)
        (made,) = channels(path, environ or {})
        return made

    return make


@pytest.fixture
def hook(channel, receiver):
    def make(*lines, **options):
        return channel('type = "webhook"', f'url = "{receiver.url}/in?token=t0ken"', *lines, **options)

    return make


def test_a_webhook(hook, receiver):
    tell(hook())
    ((request, headers, body),) = receiver.taken
    assert request == "POST /in?token=t0ken"
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    text = body.pop("text")
    assert "It looks for what is open there." in text
    assert body == {
        "title": "Port scan of one host: 3 (Jane Roe)",
        "level": "medium",
        "key": "9ca63ced-scan-1",
        "state": "fired",
        "rule": "9ca63ced-d549-5820-9d01-e0c06825c20c",
        "owner": "Jane Roe",
        "count": 3,
        "rows": [
            {
                "source.ip": source,
                "destination.ip": destination,
                "different destination.port": number,
                "since (UTC)": since,
            }
            for source, destination, number, since in (
                ("203.0.113.9", "10.0.1.20", "1,060", "2026-11-23 10:30"),
                ("203.0.113.9", "10.0.1.21", "60", "2026-11-23 10:31"),
                ("198.51.100.7", "10.0.1.20", "51", "2026-11-23 10:34"),
            )
        ],
        "url": None,
    }


def test_a_webhook_with_a_method_headers_and_a_login(hook, receiver):
    environ = {"VPCFLOW_CHANNEL_HOOK_USER": "me", "VPCFLOW_CHANNEL_HOOK_PASSWORD": "s3cret"}
    tell(hook('method = "put"', 'headers = { X-Team = "network" }', environ=environ))
    ((request, headers, _),) = receiver.taken
    assert request == "PUT /in?token=t0ken"
    assert headers["X-Team"] == "network"
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"me:s3cret"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ConfigError),
        (413, ConfigError),
        (302, SinkError),
        (401, SinkError),
        (404, SinkError),
        (429, SinkError),
        (503, SinkError),
    ],
)
def test_what_a_webhook_does_not_take(hook, receiver, status, kind):
    """A message that is refused is not tried again; whatever is of the server or the set-up may be put right."""
    receiver.status, receiver.said = status, b"not\nnow"
    with pytest.raises(kind) as error:
        tell(hook())
    assert str(error.value) == f"{receiver.url} answered with status {status} not now"
    assert len(receiver.taken) == 1  # and nobody went where 302 leads


def test_a_webhook_that_is_down_and_comes_back(hook, receiver, channel):
    receiver.status = None
    made = hook()
    with pytest.raises(SinkError, match="closed the connection without an answer"):
        tell(made)
    receiver.status = 204
    tell(made)
    assert len(receiver.taken) == 1


def test_nobody_there(channel):
    with Receiver() as gone:
        made = channel('type = "webhook"', f'url = "{gone.url}/in?token=t0ken"')
    with pytest.raises(SinkError) as error:
        tell(made)
    assert str(error.value).startswith(
        f"{gone.url} can't be reached (Connection refused); check host and port"
    )
    assert "t0ken" not in str(error.value)


def test_a_server_that_says_nothing(channel, monkeypatch):
    monkeypatch.setattr("vpcflow.alerts.notify.post._TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        made = channel('type = "webhook"', f'url = "http://127.0.0.1:{silent.getsockname()[1]}"')
        with pytest.raises(SinkError, match="does not answer in time"):
            tell(made)


def test_certificates_are_checked(channel, tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Receiver(context) as server:
        with pytest.raises(SinkError, match=r"fails at TLS: its certificate is not trusted"):
            tell(channel('type = "webhook"', f'url = "{server.url}"'))
        tell(channel('type = "webhook"', f'url = "{server.url}"', f'ca = "{tmp_path / "ca.pem"}"'))
    assert len(server.taken) == 1


@pytest.fixture
def slack(channel, receiver):
    url = f"{receiver.url}/services/s3cret"
    return lambda rest="": channel(
        'type = "slack"', environ={"VPCFLOW_CHANNEL_HOOK_WEBHOOK_URL": url}, rest=rest
    )


def test_slack(slack, receiver):
    tell(slack('[kibana]\nurl = "https://me:pw@kibana.example.com:5601"\n'))
    ((request, _, body),) = receiver.taken
    assert request == "POST /services/s3cret"
    first, _, found, *rest = body["text"].splitlines()
    assert first == "*[medium] Port scan of one host: 3 (Jane Roe)*"
    assert found.startswith(
        "Found 3 in the flows of Jane Roe between 2026-11-23 10:30 and 2026-11-23 10:45 UTC."
    )
    assert rest[-1].startswith("<https://kibana.example.com:5601/app/dashboards#/view/vpcflow-threats?")
    assert rest[-1].endswith("|Open the dashboard>")


def test_slack_takes_values_for_text(slack, receiver):
    row = Row(("<!channel> & <https://evil.example|here>", "``` out"), 50.0, SCAN.start)
    tell(slack(), notice(rows=(row,), count=1))
    text = receiver.taken[0][2]["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;" in text
    assert text.count("```") == 2


def test_slack_that_refuses_shows_no_url(slack, receiver):
    receiver.status, receiver.said = 404, b"no_service"
    with pytest.raises(SinkError) as error:
        tell(slack())
    assert str(error.value) == "Slack answered with status 404 no_service"


# An index


@pytest.fixture
def index(es):
    name = f"vpcflow-alerts-{uuid.uuid4().hex[:12]}"
    yield name
    es.indices.delete(index=name, ignore_unavailable=True)


def test_an_index(channel, es, elasticsearch_url, index):
    made = channel(
        'type = "index"',
        f'index = "{index}"',
        "refresh = true",
        'executionTimeField = "told"',
        environ={"ELASTICSEARCH_URL": elasticsearch_url},
    )
    tell(made)
    tell(made)  # again: it is there once
    (hit,) = es.search(index=index).body["hits"]["hits"]
    assert hit["_id"] == "9ca63ced-scan-1"
    document = hit["_source"]
    assert document.pop("@timestamp") == document.pop("told")
    rows = json.loads(document.pop("vpcflow.hits"))
    assert rows[0]["source.ip"] == "203.0.113.9"
    assert document == {
        "event.kind": "alert",
        "event.start": "2026-11-23T10:30:00+00:00",
        "event.end": "2026-11-23T10:45:00+00:00",
        "message": "Port scan of one host (Jane Roe)",
        "rule.id": "9ca63ced-d549-5820-9d01-e0c06825c20c",
        "rule.name": "Port scan of one host",
        "vpcflow.level": "medium",
        "vpcflow.state": "fired",
        "vpcflow.value": "3",
        "labels.owner": "Jane Roe",
    }


def test_an_index_takes_what_kibana_writes_beside_it(channel, es, elasticsearch_url, index):
    """The same fields with the same types, in either order."""
    from vpcflow.alerts.document import document

    theirs = document(
        SCAN.rule,
        None,
        time="2026-11-23T10:45:00.000Z",
        name="Port scan",
        state="fired",
        value="1,5",
        hits="[{…}]",
    )
    made = channel('type = "index"', f'index = "{index}"', f'url = "{elasticsearch_url}"')
    tell(made)
    es.index(index=index, document=theirs)
    tell(made, notice(key="another"))
    es.indices.refresh(index=index)
    assert es.count(index=index)["count"] == 3


def test_the_index_is_where_the_flows_go(channel, es, elasticsearch_url, index):
    tell(channel('type = "index"', f'index = "{index}"', rest=f'[index]\nto = "{elasticsearch_url}"\n'))
    es.indices.refresh(index=index)
    assert es.count(index=index)["count"] == 1


def test_an_index_that_takes_no_such_document(channel, es, elasticsearch_url, index):
    es.indices.create(index=index, mappings={"properties": {"message": {"type": "date"}}})
    with pytest.raises(ConfigError, match=r"answered with status 400: .*message"):
        tell(channel('type = "index"', f'index = "{index}"', f'url = "{elasticsearch_url}"'))


def test_an_index_with_a_name_that_can_not_be(channel, es, elasticsearch_url):
    with pytest.raises(SinkError, match=r"answered with status 400: .*must be lowercase"):
        tell(channel('type = "index"', 'index = "Alerts"', f'url = "{elasticsearch_url}"'))


def test_an_elasticsearch_that_is_down(channel):
    with Receiver() as gone:
        made = channel('type = "index"', 'index = "alerts"', f'url = "{gone.url}"')
    with pytest.raises(SinkError, match=r"can't be reached .*; check host and port"):
        tell(made)


def test_a_wrong_key_waits_until_somebody_puts_it_right(channel, secure_elasticsearch, monkeypatch):
    monkeypatch.setenv("ELASTICSEARCH_API_KEY", "d3Jvbmc6a2V5")
    server = secure_elasticsearch
    made = channel('type = "index"', 'index = "alerts"', f'url = "{server.url}"', f'ca = "{server.ca}"')
    with pytest.raises(SinkError, match=r"wants valid credentials \(401\)"):
        tell(made)


# Standard output


def test_standard_output(capsys):
    (stdout,) = channels(None, {})
    tell(stdout)
    out = capsys.readouterr().out
    assert out.startswith("[medium] Port scan of one host: 3 (Jane Roe)\n\nOne address tried 50 ports")
    assert "203.0.113.9   10.0.1.21                               60  2026-11-23 10:31" in out


def test_standard_output_shows_no_control_characters(capsys):
    (stdout,) = channels(None, {})
    tell(
        stdout,
        notice(rows=(Row(("\x1b]0;owned\x07", "10.0.1.20\n[high] forged"), 50.0, SCAN.start),), count=1),
    )
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\n[high] forged" not in out
