"""A real moto server in a process of its own, and a proxy before it that makes what moto can't: faults.

AWS's services answer over HTTP as they do in AWS; nothing is patched, and the network is never used.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

REGION = "eu-west-1"
ACCOUNT = "123456789012"

#: What boto3 reads: made-up keys, and none of the developer's own settings.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


class Moto:
    """A moto server that is running.

    Attributes:
        url: for ``AWS_ENDPOINT_URL``.
        pid: of its process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid
        self._open: list[Any] = []

    def client(self, service: str, region: str = REGION) -> Any:
        """A plain boto3 client, for a test's own preparations. `reset` closes it."""
        import boto3

        client = boto3.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=region,
        ).client(service, endpoint_url=self.url)
        self._open.append(client)
        return client

    def bucket(self, name: str, objects: dict[str, bytes] | None = None) -> Any:
        """Makes a bucket with these objects; returns the S3 client."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, body in (objects or {}).items():
            s3.put_object(Bucket=name, Key=key, Body=body)
        return s3

    def reset(self) -> None:
        """Forgets everything."""
        while self._open:
            self._open.pop().close()
        direct = build_opener(ProxyHandler({}))  # whatever a test has set in the environment
        with direct.open(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=30):
            pass


@contextlib.contextmanager
def moto_server() -> Iterator[Moto]:
    """A server on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            raise RuntimeError(f"moto did not start: {''.join(said)}")
        # It logs each request: a pipe that nobody reads would fill up.
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield Moto(found[1], process.pid)
        process.terminate()
        drain.join(10)
    finally:
        process.kill()
        process.wait(10)
        process.stderr.close()


@dataclass(frozen=True)
class Seen:
    """A request as the proxy got it. `path` has the query string."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """An answer of the proxy's own. With `cut`, moto answers, but only so many bytes of its body come."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


def denied(operation_body: str = "Access Denied") -> Answer:
    """What S3 says to those who lack a permission."""
    return Answer(
        403,
        f"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>{operation_body}</Message></Error>".encode(),
        {"Content-Type": "application/xml"},
    )


class Proxy:
    """Stands before a server, notes each request, and answers in its place where the rule says so.

    Attributes:
        url: for ``AWS_ENDPOINT_URL``.
        seen: the requests, in the order in which they came.
        rule: asked for each request; None lets it through.
        ahead: seconds by which its clock is ahead of this machine's.
        page: so many keys are in a page of a bucket's listing, where S3 has a thousand.
    """

    def __init__(self, to: str) -> None:
        self.seen: list[Seen] = []
        self.rule: Callable[[Seen], Answer | None] = lambda seen: None
        self.page: int | None = None
        self.ahead = 0.0
        self._to = to.removeprefix("http://")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                proxy._handle(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(time.time() + proxy.ahead if timestamp is None else timestamp)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def count(self, part: str, method: str = "GET") -> int:
        """How many requests had this in their path or query."""
        return sum(seen.method == method and part in seen.path for seen in self.seen)

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        seen = Seen(request.command, request.path, dict(request.headers), body)
        self.seen.append(seen)
        answer = self.rule(seen)
        if answer is not None and answer.cut is None:
            self._answer(request, answer.status, answer.headers, answer.body, None)
            return
        upstream = http.client.HTTPConnection(self._to, timeout=60)
        try:
            # A client that takes it for its HTTP proxy names the server too.
            target = re.sub(r"^http://[^/]+", "", seen.path)
            paged = self.page is not None and "list-type=2" in seen.path
            path = f"{target}&max-keys={self.page}" if paged else target
            upstream.request(seen.method, path, body, seen.headers)
            got = upstream.getresponse()
            headers = {
                name: value
                for name, value in got.getheaders()
                if name.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}
            }
            length = got.getheader("Content-Length")
            data = got.read()
            if seen.method == "HEAD" and length:
                headers["Content-Length"] = length
            self._answer(request, got.status, headers, data, answer.cut if answer else None)
        finally:
            upstream.close()

    @staticmethod
    def _answer(
        request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, cut: int | None
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if "Content-Length" not in headers:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        with contextlib.suppress(ConnectionError):
            if request.command != "HEAD":
                request.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            request.close_connection = True
