"""Connects to Elasticsearch, and says in one line what is wrong when that fails.

The `elasticsearch` package takes 0.4 s to import: everything here imports it inside functions.
"""

from __future__ import annotations

import base64
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from vpcflow.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch import ApiError, Elasticsearch

__all__ = [
    "CLOUD",
    "Credentials",
    "certificates",
    "connect",
    "credentials",
    "explain",
    "public_url",
    "reason",
    "secret",
    "tls",
]

#: Before a Cloud ID, wherever a URL can stand.
CLOUD = "cloud:"

NDJSON = "application/vnd.elasticsearch+x-ndjson"

_PORTS = {"http": 80, "https": 443}

_UNTRUSTED = ("is not trusted", "give its authority's file ({})")

#: What OpenSSL says of a certificate, what that means, and what to do.
_CERTIFICATES = (
    ("self-signed", *_UNTRUSTED),
    ("self signed", *_UNTRUSTED),
    ("issuer", *_UNTRUSTED),
    ("has expired", "is out of date", "renew it on the server, or set this machine's clock right"),
    ("not yet valid", "is not in force", "set this machine's clock right, or wait"),
    ("mismatch", "is another host's", "use a name that stands in it"),
    ("doesn't match", "is another host's", "use a name that stands in it"),  # urllib3's own check
)


class Credentials(NamedTuple):
    """An API key, or a user and a password, or neither."""

    api_key: str | None = None
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        kind = "API key" if self.api_key else f"user {self.username}" if self.username else "none"
        return f"<Credentials: {kind}>"


def connect(
    url: str,
    *,
    ca: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Elasticsearch:
    """A client for a server that was asked once and answered: Elasticsearch 8 or 9.

    Args:
        url: ``http[s]://[user:password@]host[:port][/prefix]``, or ``cloud:`` and a deployment's Cloud ID.
        ca: file with the certificates to trust, PEM; by default the one that ``ELASTICSEARCH_CA`` names, else
            the system's.
        environ: where the credentials come from when the URL has none (see `credentials`); by default
            ``os.environ``.
        timeout: seconds that a request may take.

    Raises:
        ConfigError: URL, certificate or credentials are not usable, or this is no Elasticsearch 8 or 9.
        SinkError: nobody answers, or the server is not able to.
    """
    import elastic_transport
    from elasticsearch.serializer import CompatibilityModeJsonSerializer

    from elasticsearch import ApiError, Elasticsearch

    class RawNdjson(elastic_transport.NdjsonSerializer):
        """Sends bytes as they are: the core wrote them, and gzip must not get a newline at its end."""

        mimetype = NDJSON

        def dumps(self, data: object) -> bytes:
            return data if isinstance(data, bytes) else super().dumps(data)

    class ShortAnswers(CompatibilityModeJsonSerializer):
        """Of a bulk request that went well only the number of items: a list of them takes time to make."""

        def loads(self, data: bytes) -> Any:
            if data.startswith(b'{"errors":false,"items":['):
                return {"errors": False, "items": data.count(b'{"status":20')}
            return super().loads(data)

    environ = os.environ if environ is None else environ
    parts = _split(url)
    where = public_url(url)
    options: dict[str, Any] = {}
    login = credentials("ELASTICSEARCH", environ, parts)
    if login.api_key:
        options["api_key"] = login.api_key
    elif login.username:
        options["basic_auth"] = (login.username, login.password)
    if ca and parts.scheme == "http":
        raise ConfigError(
            f"{where} has no TLS, so there is no certificate to check; write https://, or leave out the CA"
        )
    ca = ca or environ.get("ELASTICSEARCH_CA") or None
    if ca and parts.scheme == "https":
        options["ca_certs"] = certificates(ca)
    serializers = {kind.mimetype: kind() for kind in (RawNdjson, ShortAnswers)}
    client = Elasticsearch(where, serializers=serializers, request_timeout=timeout, **options)
    try:
        version = client.options(max_retries=0, request_timeout=min(timeout, 30)).info()["version"]["number"]
    except ApiError as error:
        # A key that may only write can't ask who answers: the product header says that it is Elasticsearch.
        if error.meta.status == 403 and error.meta.headers.get("x-elastic-product") == "Elasticsearch":
            return client
        client.close()
        raise explain(error, where) from error
    except BaseException as error:
        client.close()
        if isinstance(error, Exception):
            raise explain(error, where) from error
        raise
    if int(version.split(".")[0]) < 8:
        client.close()
        raise ConfigError(f"{where} is Elasticsearch {version}; vpcflow needs version 8 or 9")
    return client


def public_url(url: str) -> str:
    """The URL with its port and without its credentials: fit for messages."""
    parts = _split(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"


def credentials(prefix: str, environ: Mapping[str, str], url: SplitResult | None = None) -> Credentials:
    """What to log in with: the URL's user, else ``<prefix>_API_KEY``, else ``_USERNAME`` and ``_PASSWORD``.

    Each variable can be given as ``<NAME>_FILE`` instead: the path of a file that holds the value. An API key
    is the encoded form or ``id:key``.

    Raises:
        ConfigError: half of the pair is missing, a value is given twice, or a file can't be read.
    """
    if url is not None and url.username:
        if not url.password:
            raise ConfigError(f"the URL names the user {unquote(url.username)} but no password")
        return Credentials(username=unquote(url.username), password=unquote(url.password))
    if key := secret(f"{prefix}_API_KEY", environ):
        return Credentials(base64.b64encode(key.encode()).decode() if ":" in key else key)
    username, password = secret(f"{prefix}_USERNAME", environ), secret(f"{prefix}_PASSWORD", environ)
    if bool(username) != bool(password):
        there, absent = ("USERNAME", "PASSWORD") if username else ("PASSWORD", "USERNAME")
        raise ConfigError(f"{prefix}_{there} is set without {prefix}_{absent}; set both, or {prefix}_API_KEY")
    return Credentials(username=username, password=password)


def explain(error: Exception, where: str) -> ConfigError | SinkError:
    """What one of the client's exceptions means: ConfigError when set-up is at fault, else SinkError."""
    from elasticsearch import ApiError

    kind, what = _answered(error) if isinstance(error, ApiError) else _unanswered(error)
    return kind(f"{where} {what}")


def _unanswered(error: Exception) -> tuple[type[ConfigError | SinkError], str]:
    from elasticsearch import ConnectionError as Unreachable
    from elasticsearch import ConnectionTimeout, SSLError

    said = _innermost(error)
    if isinstance(error, SSLError):
        return ConfigError, f"fails at TLS: {tls(said)}"
    if isinstance(error, ConnectionTimeout):
        return SinkError, "does not answer in time; check that the server is well, then try again"
    if isinstance(error, Unreachable) and "Remote end closed connection" in said:
        return SinkError, "closed the connection without an answer; check whether it wants https://"
    if isinstance(error, Unreachable):
        return SinkError, f"can't be reached ({said}); check host and port, and that the server runs"
    return SinkError, f"answers with something unreadable ({said}); check that it is an Elasticsearch"


def _answered(error: ApiError) -> tuple[type[ConfigError | SinkError], str]:
    status, why = error.meta.status, reason(error.body)
    # A proxy before the server may say these itself; any other answer without the header is somebody else's.
    by_proxy = {401, 403, 413, 429, 502, 503, 504}
    if error.meta.headers.get("x-elastic-product") != "Elasticsearch" and status not in by_proxy:
        return ConfigError, f"is not an Elasticsearch (it answers with status {status}); check host and port"
    if status == 401:
        what = "set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD"
        return ConfigError, f"wants valid credentials (401); {what}"
    if status == 403:
        return ConfigError, f"does not let these credentials do it (403): {why}; grant it, or take others"
    if status in {400, 406} and "compatible-with" in why:
        return ConfigError, "does not understand clients of Elasticsearch 8; vpcflow needs version 8 or 9"
    return SinkError, f"answered with status {status}: {why}"


def reason(body: object) -> str:
    """The error in an answer, or in an item of ``_bulk``, down to its last cause, in one line."""
    error = body.get("error", body) if isinstance(body, dict) else body
    words: list[str] = []
    while isinstance(error, dict):
        # A parser repeats the document in a line of its own, and its wrapper says what it says.
        word = str(error.get("reason") or ("" if words else error.get("type")) or "").partition("\n at [")[0]
        if word and not any(said.endswith(word) for said in words):
            words.append(word)
        error = error.get("caused_by")
    if not words:
        words = [str(error if error is not None else body)]
    return " ".join(": ".join(words).split())[:1000]


def _split(url: str) -> SplitResult:
    if url.startswith(CLOUD):
        return _cloud(url.removeprefix(CLOUD))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.query or parts.fragment:
        # The URL is not repeated: its fault may be just what hides where its password ends.
        raise ConfigError("the URL of Elasticsearch is not one; it looks like https://host:9200")
    return parts


def _cloud(cloud_id: str) -> SplitResult:
    """Where a deployment's Elasticsearch is.

    A Cloud ID is ``name:base64(domain[:port]$elasticsearch$kibana)``.
    """
    from elastic_transport.client_utils import parse_cloud_id

    try:
        address = parse_cloud_id(cloud_id).es_address
    except ValueError:
        address = None
    if address is None:
        raise ConfigError(
            f"{CLOUD}{cloud_id}: is no Cloud ID; the deployment's page shows it, it looks like name:dXMtZWFz…"
        )
    return urlsplit(f"https://{address[0]}:{address[1]}")


def certificates(ca: str | os.PathLike[str]) -> str:
    """The path, after a look into the file: the client would look only when it connects."""
    path = os.fspath(ca)
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ConfigError(f"{path}: no PEM certificate in it; give the server's authority's file") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the server's authority's file") from error
    return path


def secret(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of a variable, or of the file that ``<name>_FILE`` names."""
    value, path = environ.get(name), environ.get(f"{name}_FILE")
    if value and path:
        raise ConfigError(f"{name} and {name}_FILE are both set; keep one")
    if not path:
        return value or None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{name}_FILE: {path}: {what}; give the path of a file with the value") from error


def _innermost(error: BaseException) -> str:
    """What the last cause says: the client wraps each failure into one or two of its own."""
    while True:
        inner: BaseException | None = next(iter(getattr(error, "errors", ())), None) or error.__cause__
        if inner is None:
            break
        error = inner
    said = str(getattr(error, "reason", None) or getattr(error, "message", None) or error)
    # urllib3 puts the connection's address in memory before the words.
    return " ".join(said.rpartition(">: ")[2].split())


def tls(said: str, option: str = "--ca, or ELASTICSEARCH_CA") -> str:
    """What OpenSSL's words mean, and what to do; `option` is what takes the authority's file."""
    if "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER_FAILURE" in said:
        return "there is no TLS on this port; write http://, or give the right port"
    before, failed, after = said.partition("certificate verify failed: ")
    why = (after if failed else before).partition(" (_ssl")[0]
    return next(
        (
            f"its certificate {what} ({why.rstrip('.')}); {advice.format(option)}"
            for mark, what, advice in _CERTIFICATES
            if mark in why
        ),
        f"its certificate is refused ({why}); the server needs another one" if failed else said,
    )
