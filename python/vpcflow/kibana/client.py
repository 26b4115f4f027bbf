"""Talks to Kibana's HTTP interface, and says in one line what is wrong when that fails.

`requests` takes 0.2 s to import: everything here imports it inside functions. Kibana answers 400 to whatever
isn't a GET and has no ``kbn-xsrf`` header; calls into a space other than ``default`` go below ``/s/<space>``.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from vpcflow.elastic.client import Credentials, certificates, credentials, tls
from vpcflow.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from requests import Response, Session

__all__ = [
    "FLOOR",
    "NEWEST",
    "Answer",
    "ForbiddenError",
    "Kibana",
    "connect",
    "message",
    "public_url",
    "require",
]

#: The first version whose dashboards, rules and connectors are as the assets want them.
FLOOR = (8, 11)

#: The last major version whose contract is known. A newer one may take the same, and says where it doesn't.
NEWEST = 9

#: What a proxy or a busy Kibana answers, and what passes.
_PASSING = (429, 502, 503, 504)
_NOT_DONE = (429, 503)
_TRIES = 5

_SPACE = re.compile(r"[a-z0-9_-]+")


class ForbiddenError(ConfigError):
    """The credentials are good, but not for this."""


class Answer(NamedTuple):
    """A status and what the body says, parsed where it is JSON."""

    status: int
    body: Any


class Kibana:
    """One space of a Kibana that was asked once and answered. Made by `connect`.

    Attributes:
        url: without credentials, fit for messages.
        space: the space's id, ``default`` where there are no others.
        version: of the server, ``(8, 18, 1)``.
        login: what it is used with.
    """

    def __init__(
        self, url: str, *, space: str, login: Credentials, verify: str | bool, timeout: float
    ) -> None:
        self.url = url
        self.space = space
        self.login = login
        self.version: tuple[int, ...] = ()
        self._sessions = {repeat: _session(repeat=repeat) for repeat in (True, False)}
        self._verify = verify
        self._timeout = timeout

    def close(self) -> None:
        """Closes the connections."""
        for session in self._sessions.values():
            session.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, str | int] | None = None,
        upload: tuple[str, bytes] | None = None,
        expected: Collection[int] = (),
        everywhere: bool = False,
        repeat: bool = True,
    ) -> Answer:
        """Asks, again where the trouble passes by itself.

        Args:
            method: of HTTP.
            path: below the space, ``/api/…``.
            json: the body.
            query: parameters of the URL.
            upload: name and content of the form's field ``file``, instead of a body.
            expected: statuses from 400 up that the caller knows what to do with.
            everywhere: the path is not one of a space.
            repeat: whether a second time does no harm. Otherwise a call is sent again only when it was surely
                not done.

        Raises:
            ForbiddenError: these credentials may not do that.
            ConfigError: credentials are wrong, or this is no Kibana.
            SinkError: nobody answers, or the answer is a refusal.
        """
        import requests

        base = self.url if everywhere or self.space == "default" else f"{self.url}/s/{quote(self.space)}"
        try:
            response = self._sessions[repeat].request(
                method,
                base + path,
                json=json,
                params=query,
                # The part has no type of its own: Kibana's own client sends none.
                files={"file": upload} if upload else None,
                headers={} if method == "GET" else {"kbn-xsrf": "vpcflow"},
                auth=_sign(self.login),
                timeout=self._timeout,
                verify=self._verify,  # at the session REQUESTS_CA_BUNDLE would go before it
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise _unanswered(error, self.url) from error
        answer = Answer(response.status_code, _body(response))
        if (answer.status >= 300 and answer.status not in expected) or _foreign(response, answer):
            raise self._refused(method, path, answer, response)
        return answer

    def _refused(self, method: str, path: str, answer: Answer, response: Response) -> ConfigError | SinkError:
        status, why = answer.status, message(answer.body)
        what = f"{method} {path.partition('?')[0]}"
        if status == 401:
            return ConfigError(
                f"{self.url} wants valid credentials (401); set KIBANA_API_KEY, or KIBANA_USERNAME and "
                "KIBANA_PASSWORD"
            )
        if status == 403:
            return ForbiddenError(
                f"{self.url} does not let these credentials do {what} (403): {why}; grant it, or take others"
            )
        if 300 <= status < 400:
            place = re.sub(r"//[^/@]*@", "//", response.headers.get("location", "elsewhere"))
            return ConfigError(
                f"{self.url} sends on to {place}; give the URL of Kibana itself, with its path"
            )
        if status == 404 and path.startswith("/api/status"):
            return ConfigError(f"{self.url} is not a Kibana (404); check host, port and path")
        if _foreign(response, answer):
            return ConfigError(
                f"{self.url} is not a Kibana (it answers {what} with status {status}, not in JSON); check "
                "host, port and path"
            )
        return SinkError(f"{self.url} answered {what} with status {status}: {why}")


def require() -> None:
    """Asks for the packages that setting Kibana up takes.

    Raises:
        ConfigError: one is not installed.
    """
    try:
        import requests  # noqa: F401
        import sigma  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "setting Kibana up needs the packages pysigma and requests: pip install 'vpcflow[kibana]'"
        ) from error


def connect(
    url: str,
    *,
    space: str = "default",
    ca: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Kibana:
    """A Kibana that answered, is not too old, and has the space.

    Args:
        url: ``http[s]://[user:password@]host[:port][/base path]``.
        space: id of the space to work in.
        ca: file with the certificates to trust, PEM; by default the one that ``KIBANA_CA`` names, else the
            system's.
        environ: where the credentials come from when the URL has none: ``KIBANA_API_KEY``, or
            ``KIBANA_USERNAME`` and ``KIBANA_PASSWORD``, else the same of Elasticsearch; by default
            ``os.environ``.
        timeout: seconds that a request may take.

    Raises:
        ConfigError: URL, certificate, space or credentials are not usable, or this is no Kibana that is new
            enough.
        SinkError: nobody answers, or the server is not able to.
    """
    require()
    environ = os.environ if environ is None else environ
    where = public_url(url)
    if not _SPACE.fullmatch(space):
        raise ConfigError(
            f"{space!r} is no id of a space: it has a to z, 0 to 9, _ and - only, as in its URL"
        )
    login = credentials("KIBANA", environ, urlsplit(url))
    if login == Credentials():
        login = credentials("ELASTICSEARCH", environ)
    verify = _trusted(where, ca or environ.get("KIBANA_CA") or None)
    kibana = Kibana(where, space=space, login=login, verify=verify, timeout=timeout)
    try:
        kibana.version = _version(kibana)
        if space != "default":
            _find_space(kibana)
    except BaseException:
        kibana.close()
        raise
    return kibana


def public_url(url: str) -> str:
    """The URL without credentials and without a slash at its end: fit for messages, and to build on.

    Raises:
        ConfigError: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or port == 0
        or parts.query
        or parts.fragment
    ):
        # The URL is not repeated: its fault may be just what hides where its password ends.
        raise ConfigError(
            "the URL of Kibana is not one; it looks like https://host:5601, or https://host/base/path"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = re.sub(r"/(s/[^/]+|app)?/*$", "", parts.path)
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"


def message(body: Any) -> str:
    """What an answer says is wrong, in one line."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("error") or body
    return " ".join(str(body).split())[:1000]


def _session(*, repeat: bool) -> Session:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    session = requests.Session()
    tries = Retry(
        total=_TRIES,
        read=None if repeat else 0,  # a connection that was cut: the call may have been done
        connect=0,  # nobody listens, or TLS fails: that stays so
        other=0,
        allowed_methods=None,
        status_forcelist=_PASSING if repeat else _NOT_DONE,
        respect_retry_after_header=True,
        backoff_factor=0.2,
        backoff_max=10,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=tries))
    return session


def _sign(login: Credentials) -> Any:
    """What puts the credentials into a request; without any, none of ``.netrc`` either."""

    def sign(request: Any) -> Any:
        if login.api_key:
            request.headers["Authorization"] = f"ApiKey {login.api_key}"
        elif login.username:
            from requests.auth import HTTPBasicAuth

            HTTPBasicAuth(login.username.encode(), (login.password or "").encode())(request)
        return request

    return sign


def _trusted(where: str, ca: str | os.PathLike[str] | None) -> str | bool:
    if ca and where.startswith("http:"):
        raise ConfigError(
            f"{where} has no TLS, so there is no certificate to check; write https://, or leave out the CA"
        )
    return certificates(ca) if ca else True


def _version(kibana: Kibana) -> tuple[int, ...]:
    status = kibana.call("GET", "/api/status", everywhere=True).body
    number = status.get("version", {}).get("number") if isinstance(status, dict) else None
    if number is None:
        if isinstance(status, dict) and "status" in status:
            raise ConfigError(
                f"{kibana.url} tells its version only to those who log in; set KIBANA_API_KEY, or "
                "KIBANA_USERNAME and KIBANA_PASSWORD"
            )
        raise ConfigError(
            f"{kibana.url} is not a Kibana (its status has no version); check host, port and path"
        )
    version = tuple(int(part) for part in re.findall(r"\d+", number)[:3])
    if version < FLOOR:
        raise ConfigError(
            f"{kibana.url} is Kibana {number}; vpcflow needs {FLOOR[0]}.{FLOOR[1]} or later: upgrade it, or "
            "use vpcflow query, which needs no Kibana"
        )
    return version


def _find_space(kibana: Kibana) -> None:
    found = kibana.call("GET", f"/api/spaces/space/{quote(kibana.space)}", expected=(404,), everywhere=True)
    if found.status == 404:
        raise ConfigError(
            f"{kibana.url} has no space {kibana.space}; make it there (Stack Management, Spaces), or take "
            "another"
        )


def _body(response: Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return response.text


def _foreign(response: Response, answer: Answer) -> bool:
    """Whether somebody else than Kibana answered: a proxy's page, say. Exports are lines of JSON."""
    kind = response.headers.get("content-type", "")
    return bool(response.content) and "json" not in kind and answer.status not in _PASSING


def _unanswered(error: Exception, where: str) -> ConfigError | SinkError:
    import requests

    said = _innermost(error)
    if isinstance(error, requests.exceptions.SSLError):
        return ConfigError(f"{where} fails at TLS: {tls(said, '--ca, or KIBANA_CA')}")
    if isinstance(error, requests.exceptions.RetryError | requests.exceptions.Timeout):
        return SinkError(f"{where} does not answer in time; check that the server is well, then try again")
    if "Remote end closed connection" in said or "Connection reset" in said:
        return SinkError(f"{where} closed the connection without an answer; check whether it wants https://")
    if isinstance(error, requests.exceptions.ConnectionError):
        return SinkError(f"{where} can't be reached ({said}); check host and port, and that the server runs")
    return SinkError(f"{where} answers with something unreadable ({said}); check that it is a Kibana")


def _innermost(error: BaseException) -> str:
    """What the first cause says: requests wraps urllib3's error, which wraps the socket's."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or next(iter(error.args), None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return " ".join(str(error).rpartition(">: ")[2].split())
