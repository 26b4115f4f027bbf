"""A server that answers as Kibana does, over real HTTP, as far as Kibana's sources and recorded exchanges say how.

No Kibana can be installed here. Each rule names its source: a path below github.com/elastic/kibana and the
commit it was read at. `test_recordings.py` plays recorded exchanges of Kibana 8.10.1, 8.18.1 and 9.0.1 against
it, so that it can't drift from them. What to store and how to refuse is in `stub_objects` and `stub_alerting`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from stub_alerting import Alerting
from stub_objects import Objects
from stub_refusal import ERRORS, Call, RefusalError


@dataclass
class Fault:
    """What goes wrong with the next calls whose method and path begin so.

    `status` is what is answered instead; "cut" closes the connection before the call is done, "cut after" when
    it is.
    """

    call: str
    status: int | str
    times: int = 1
    body: dict | str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Kibana:
    """A server for the time of a test.

    Args:
        version: of Kibana.
        licence: ``basic``, or ``trial`` which has everything.
        base_path: before every path, as a proxy or ``server.basePath`` puts it.
        spaces: that exist beside ``default``.
        api_key: the encoded key that is wanted; with `user`, the user and password.
        forbidden: beginnings of paths that these credentials may not use.
    """

    def __init__(
        self,
        version="8.18.1",
        licence="basic",
        *,
        base_path="",
        spaces=(),
        api_key=None,
        user=None,
        forbidden=(),
        tls=None,
    ) -> None:
        self.version = version
        self.licence = licence
        self.base_path = base_path
        self.spaces = {"default", *spaces}
        self.api_key = api_key
        self.user = user
        self.forbidden = tuple(forbidden)
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.objects = Objects(self)
        self.alerting = Alerting(self)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"kibana": self}))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}{base_path}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    def changing(self) -> list[str]:
        """The calls that changed something: neither questions nor exports."""
        return [call for call in self.calls if not call.startswith("GET ") and "/_export" not in call]

    def answer(self, method, url, headers, body):
        """Status, body and headers for a call; a body of bytes goes out as it is."""
        parts = urlsplit(url)
        if not parts.path.startswith(self.base_path):
            raise RefusalError(404, "Not Found")
        path = unquote(parts.path[len(self.base_path) :])
        space = "default"
        if found := re.match(r"/s/([^/]+)(/.*)", path):
            space, path = found[1], found[2]
        # src/core/packages/http/server-internal/src/lifecycle_handlers.ts@08d79f4a
        if method != "GET" and "kbn-xsrf" not in headers:
            raise RefusalError(400, "Request must contain a kbn-xsrf header.")
        self._authenticate(path, headers)
        if space not in self.spaces:
            raise RefusalError(404, "Not Found")
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            self.calls.append(f"{method} {'' if space == 'default' else '/s/' + space}{path}")
            return self._route(Call(method, path, space, query, headers, body))

    def _authenticate(self, path, headers) -> None:
        given = headers.get("authorization", "")
        wanted = []
        if self.api_key:
            wanted.append(f"ApiKey {self.api_key}")
        if self.user:
            wanted.append("Basic " + base64.b64encode(":".join(self.user).encode()).decode())
        if wanted and given not in wanted:
            raise RefusalError(401, "[security_exception] unable to authenticate")
        if path.startswith(self.forbidden) and self.forbidden:
            raise RefusalError(
                403, f"API [{path}] is unauthorized for user, this action is granted by other privileges"
            )

    def _forget(self, space) -> None:
        """A space takes along all that is saved in it, rules and connectors too."""
        self.spaces.remove(space)
        self.objects.stored.pop(space, None)
        for kept in (self.alerting.rules, self.alerting.connectors):
            for name in [name for name, one in kept.items() if one["space"] == space]:
                del kept[name]

    def _route(self, call: Call):
        path = call.path
        if path == "/api/status" and call.method == "GET":
            return 200, _status(self)
        if (call.method, path) == ("POST", "/api/spaces/space"):
            self.spaces.add(json.loads(call.body)["id"])
            return 200, json.loads(call.body)
        if found := re.fullmatch(r"/api/spaces/space/([^/]+)", path):
            if found[1] not in self.spaces:
                raise RefusalError(404, "Not Found")
            if call.method == "DELETE":
                self._forget(found[1])
                return 204, None
            return 200, {"id": found[1], "name": found[1], "disabledFeatures": []}
        for part in (self.objects, self.alerting):
            if (answer := part.route(call)) is not None:
                return answer
        raise RefusalError(404, "Not Found")


def _status(kibana: Kibana) -> dict:
    """As recorded: GET /api/status of 8.10.1 and 9.0.1; build_flavor and build_date came between."""
    version = {
        "number": kibana.version,
        "build_hash": "0" * 40,
        "build_number": 83090,
        "build_snapshot": False,
    }
    if kibana.numbers >= (8, 18):
        version["build_flavor"] = "traditional"
    version["build_date"] = "2025-04-30T11:08:16.226Z"
    level = {"level": "available", "summary": "All services and plugins are available"}
    status = {"overall": level, "core": {}, "plugins": {}}
    return {"name": "kibana", "uuid": "5b2de169", "version": version, "status": status, "metrics": {}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer in one piece: in two, the second waits for the first one's receipt
    kibana: Kibana

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = urlsplit(self.path).path[len(self.kibana.base_path) :]
        fault = next(
            (one for one in self.kibana.faults if f"{self.command} {path}".startswith(one.call)), None
        )
        if fault is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.kibana.faults.remove(fault)
            self.kibana.calls.append(f"{fault.status} {self.command} {path}")
            if isinstance(fault.status, int):
                said = {
                    "statusCode": fault.status,
                    "error": ERRORS.get(fault.status, ""),
                    "message": "made to fail",
                }
                self._send(fault.status, said if fault.body is None else fault.body, fault.headers)
                return
        if fault is None or fault.status == "cut after":
            try:
                answer = self.kibana.answer(self.command, self.path, self.headers, body)
            except RefusalError as refusal:
                answer = refusal.status, refusal.body
        if fault is not None:
            self.close_connection = True
            return
        self._send(*answer)

    do_POST = do_GET  # noqa: N815 - http.server's names
    do_PUT = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def _send(self, status, body=None, headers=None) -> None:
        content, kind = b"", "application/json; charset=utf-8"
        if isinstance(body, bytes):
            content, kind = body, "application/ndjson"
        elif isinstance(body, str):
            content, kind = body.encode(), "text/html"
        elif body is not None:
            content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        if content:
            self.send_header("content-type", kind)
        self.send_header("kbn-name", "kibana")
        self.send_header("kbn-license-sig", "0" * 64)
        if self.kibana.numbers >= (8, 18):
            self.send_header("elastic-api-version", "2023-10-31")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        pass
