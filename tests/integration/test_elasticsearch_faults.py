"""What goes wrong between vpcflow and a real Elasticsearch, and that nothing is lost or doubled by it.

A wrong password, certificates that won't do, and servers that are no Elasticsearch end a run before it starts:
they are in test_elasticsearch_connection.py.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import vpcflow
from vpcflow import SinkError
from vpcflow.elastic.client import connect
from vpcflow.elastic.template import data_stream
from waiting import wait_for

#: 200,000 records take half a minute where other things are done beside it.
pytestmark = [pytest.mark.usefixtures("no_credentials"), pytest.mark.timeout(300)]

RECORDS = 200_000


def write_log(path: Path, records: int) -> Path:
    """A log in which every record has another byte count, from 1 to `records`."""
    with path.open("w") as file:
        for n in range(1, records + 1):
            file.write(
                f"2 123456789010 eni-1235b8ca123456789 10.{n % 200}.{n // 200 % 250}.7 172.31.16.21 "
                f"{1024 + n % 60000} 443 6 3 {n} 1732449600 1732449660 {'ACCEPT' if n % 5 else 'REJECT'} OK\n"
            )
    return path


@pytest.fixture(scope="module")
def big_log(tmp_path_factory) -> Path:
    return write_log(tmp_path_factory.mktemp("logs") / "big.log", RECORDS)


@pytest.fixture
def small_log(tmp_path) -> Path:
    return write_log(tmp_path / "small.log", 10_000)


def in_the_index(es, namespace: str) -> tuple[int, int]:
    """How many documents there are, and the sum of their bytes."""
    stream = data_stream(namespace)
    es.indices.refresh(index=stream)
    found = es.search(
        index=stream,
        size=0,
        track_total_hits=True,
        aggs={"bytes": {"sum": {"field": "source.bytes"}}},
    )
    return found["hits"]["total"]["value"], int(found["aggregations"]["bytes"]["value"])


def all_of(records: int) -> tuple[int, int]:
    return records, records * (records + 1) // 2


def command(log: Path, url: str, namespace: str, *options: str, cwd: Path) -> subprocess.Popen[str]:
    arguments = ["index", str(log), "--to", url, "--namespace", namespace, "--ids", "digest", *options]
    return subprocess.Popen(
        [sys.executable, "-m", "vpcflow", *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def some_are_there(es, namespace: str) -> bool:
    """Whether the data stream has documents; without a refresh, which takes as long as the indexing."""
    from elasticsearch import ApiError, TransportError

    with contextlib.suppress(ApiError, TransportError, KeyError):
        stats = es.indices.stats(index=data_stream(namespace), metric="indexing")
        return stats["_all"]["primaries"]["indexing"]["index_total"] > 10_000
    return False


class Proxy:
    """An HTTP proxy before the real server, for faults that it can't be brought to on demand.

    Attributes:
        fault: called with the number of each bulk request, from 1 on: a status to answer with instead of the
            server; ``cut`` to close the connection after the server has stored the request, ``drop`` before.
        requests: bulk requests so far.
    """

    def __init__(self, upstream: str) -> None:
        proxy = self
        self.fault: Callable[[int], int | str | None] = lambda number: None
        self.requests = 0
        self._lock = threading.Lock()
        host, port = urlsplit(upstream).hostname, urlsplit(upstream).port

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                import http.client

                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = None
                if "_bulk" in self.path:
                    with proxy._lock:
                        proxy.requests += 1
                        number = proxy.requests
                    fault = proxy.fault(number)
                if fault == "drop":
                    self.hang_up()
                    return
                if isinstance(fault, int):
                    self.reply(fault, {"Content-Type": "application/json"}, b'{"error":"too busy"}')
                    return
                upstream = http.client.HTTPConnection(host, port, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                data = answer.read()
                upstream.close()
                if fault == "cut":
                    self.hang_up()
                    return
                kept = {"content-type", "x-elastic-product"}
                headers = {name: value for name, value in answer.getheaders() if name.lower() in kept}
                self.reply(answer.status, headers, data)

            do_GET = do_PUT = do_HEAD = do_POST  # noqa: N815

            def hang_up(self) -> None:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)

            def reply(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def proxy(elasticsearch_url) -> Iterator[Proxy]:
    proxy = Proxy(elasticsearch_url)
    yield proxy
    proxy.close()


def test_a_server_killed_and_restarted_in_the_middle(own_elasticsearch, big_log, tmp_path):
    server = own_elasticsearch()
    with connect(server.url) as es:
        run = command(big_log, server.url, "killed", cwd=tmp_path)
        wait_for(lambda: some_are_there(es, "killed"))
        server.pause(kill=True)
        assert run.poll() is None, "it was done too soon"
        server.resume()
        _, err = run.communicate(timeout=200)
        assert run.returncode == 0, err
        assert f"{RECORDS:,}" in err
        assert "takes nothing for now" in err
        assert "takes documents again" in err
        assert in_the_index(es, "killed") == all_of(RECORDS)


def test_a_client_killed_in_the_middle_and_run_again(elasticsearch_url, es, namespace, big_log, tmp_path):
    run = command(big_log, elasticsearch_url, namespace, cwd=tmp_path)
    wait_for(lambda: some_are_there(es, namespace))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    es.indices.refresh(index=data_stream(namespace))
    assert 0 < es.count(index=data_stream(namespace))["count"] < RECORDS
    again = command(big_log, elasticsearch_url, namespace, cwd=tmp_path)
    _, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    assert f"{RECORDS:,}" in err
    assert in_the_index(es, namespace) == all_of(RECORDS)


def test_a_server_gone_for_good_is_given_up_and_the_next_run_finishes(own_elasticsearch, small_log, tmp_path):
    server = own_elasticsearch()
    first = write_log(tmp_path / "first.log", 100)
    acknowledged = []

    class Source:
        """The small log, and then another one while the server is gone."""

        def items(self):
            from vpcflow.sources.base import Item

            for path in (first, small_log):
                if path is small_log:
                    wait_for(lambda: acknowledged == [str(first)])
                    server.pause(kill=True)
                name = str(path)
                yield Item(name, name, path, None, vpcflow.Origin(path=name))

        def acknowledge(self, item):
            acknowledged.append(item.name)

        def release(self, item, error):
            return False

        def stop(self):
            pass

        def close(self):
            pass

    with pytest.raises(SinkError, match=r"took nothing for 1 s \(.*can't be reached.*\); run again"):
        vpcflow.index(Source(), to=server.url, ids="digest", give_up_after=1)
    assert acknowledged == [str(first)]
    server.resume()
    assert vpcflow.index([first, small_log], to=server.url, ids="digest").documents == 10_100
    with connect(server.url) as es:
        assert in_the_index(es, "default")[0] == 10_100


@pytest.mark.parametrize("answer", [(429, 10), (503, 3)])
def test_a_server_that_is_too_busy_for_so_many_seconds(proxy, es, namespace, small_log, answer):
    begun, (status, seconds) = time.monotonic(), answer
    proxy.fault = lambda number: status if number > 1 and time.monotonic() < begun + seconds else None
    result = vpcflow.index(small_log, to=proxy.url, namespace=namespace)  # no ids: nothing may come twice
    assert (result.documents, result.refused) == (10_000, 0)
    assert in_the_index(es, namespace) == all_of(10_000)
    assert proxy.requests < 60, "it was pressed hard instead of being left alone"


@pytest.mark.parametrize("fault", ["cut", "drop"])
def test_a_proxy_that_cuts_every_third_connection(proxy, es, namespace, tmp_path, fault):
    proxy.fault = lambda number: fault if number % 3 == 0 else None
    log = write_log(tmp_path / "flow.log", 40_000)
    result = vpcflow.index(log, to=proxy.url, namespace=namespace, ids="digest")
    assert proxy.requests > 6
    assert result.documents == 40_000
    assert in_the_index(es, namespace) == all_of(40_000)


def test_a_full_disk_is_waited_for(elasticsearch_url, es, namespace, small_log, tmp_path):
    stream = data_stream(namespace)
    vpcflow.index(write_log(tmp_path / "first.log", 1), to=elasticsearch_url, namespace=namespace)
    block = "index.blocks.read_only_allow_delete"  # what Elasticsearch sets at the flood-stage watermark
    es.indices.put_settings(index=stream, settings={block: True})
    results = []
    run = threading.Thread(
        target=lambda: results.append(
            vpcflow.index(small_log, to=elasticsearch_url, namespace=namespace, give_up_after=60)
        )
    )
    run.start()
    time.sleep(1.5)
    assert not results
    es.indices.put_settings(index=stream, settings={block: None})
    run.join()
    assert [(result.documents, result.refused) for result in results] == [(10_000, 0)]
    assert in_the_index(es, namespace)[0] == 10_001


def test_a_disk_that_stays_full_is_said(elasticsearch_url, es, namespace, small_log, tmp_path):
    stream = data_stream(namespace)
    vpcflow.index(write_log(tmp_path / "first.log", 1), to=elasticsearch_url, namespace=namespace)
    es.indices.put_settings(index=stream, settings={"index.blocks.read_only_allow_delete": True})
    try:
        run = command(small_log, elasticsearch_url, namespace, "--give-up-after", "1s", cwd=tmp_path)
        _, err = run.communicate(timeout=60)
    finally:
        es.indices.put_settings(index=stream, settings={"index.blocks.read_only_allow_delete": None})
    assert run.returncode == 1
    assert "took nothing for 1 s (status 429" in err
    assert "disk usage exceeded flood-stage watermark" in err
    assert "Traceback" not in err


def test_unmappable_documents_go_to_the_dead_letter_file(
    elasticsearch_url, es, namespace, small_log, tmp_path
):
    stream = data_stream(namespace)
    lines = small_log.read_text().splitlines()
    lines = [line.replace(" 443 6 ", " 40000 6 ") if n % 100 == 0 else line for n, line in enumerate(lines)]
    small_log.write_text("\n".join(lines) + "\n")
    es.indices.put_index_template(
        name=stream,
        index_patterns=[stream],
        priority=900,
        data_stream={},
        template={"mappings": {"properties": {"destination": {"properties": {"port": {"type": "short"}}}}}},
    )
    try:
        run = command(small_log, elasticsearch_url, namespace, cwd=tmp_path)
        _, err = run.communicate(timeout=60)
    finally:
        es.indices.delete_index_template(name=stream)
    assert run.returncode == 1, err
    assert "100 refused documents" in err
    assert in_the_index(es, namespace)[0] == 9_900
    letters = [
        json.loads(line) for line in (tmp_path / "vpcflow-dead-letter.ndjson").read_text().splitlines()
    ]
    assert len(letters) == 100
    for letter in letters:
        assert letter["path"] == str(small_log)
        assert letter["document"]["destination"]["port"] == 40000
        assert "destination.port" in letter["reason"]
        assert "out of range" in letter["reason"]
    offsets = [letter["document"]["log"]["offset"] for letter in letters]
    assert len(set(offsets)) == 100


def test_a_read_only_alias_in_place_of_the_data_stream(elasticsearch_url, es, namespace, small_log, tmp_path):
    alias, index = data_stream(namespace), f"other-{namespace}"
    es.indices.create(index=index)
    es.indices.put_alias(index=index, name=alias, is_write_index=False)
    try:
        run = command(small_log, elasticsearch_url, namespace, cwd=tmp_path)
        _, err = run.communicate(timeout=60)
        assert es.count(index=index)["count"] == 0
    finally:
        es.indices.delete(index=index)
    assert run.returncode == 1
    assert f"{alias} takes no documents" in err
    assert "not a data stream" in err
    assert "Traceback" not in err


def test_many_small_files_share_requests(proxy, es, namespace, tmp_path):
    for n in range(100):
        write_log(tmp_path / f"{n}.log", 50)
    result = vpcflow.index(tmp_path, to=proxy.url, namespace=namespace)
    assert (result.files, result.documents) == (100, 5_000)
    assert proxy.requests < 50
    assert in_the_index(es, namespace)[0] == 5_000


def test_a_pipe_that_trickles_is_stored_while_it_is_open(elasticsearch_url, es, namespace, small_log):
    lines = small_log.read_text().splitlines(keepends=True)
    with subprocess.Popen(
        [sys.executable, "-m", "vpcflow", "index", "-", "--to", elasticsearch_url, "--namespace", namespace],
        stdin=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdin is not None

        def stored(count: int) -> bool:
            if not es.indices.exists(index=data_stream(namespace)):
                return False
            return in_the_index(es, namespace)[0] == count

        run.stdin.writelines(lines[:3])
        run.stdin.flush()
        wait_for(lambda: stored(3))
        run.stdin.writelines(lines[3:10])
        run.stdin.flush()
        wait_for(lambda: stored(10))
        run.stdin.close()
        assert run.wait(20) == 0
