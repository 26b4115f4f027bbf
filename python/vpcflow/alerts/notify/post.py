"""Sends JSON over HTTP to whoever takes it: a webhook, Slack. Proxies are those of the environment."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from vpcflow.elastic.client import certificates, tls
from vpcflow.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Post"]

_TIMEOUT = 30

#: What is said of this message alone; another one may be taken. Others are of the server and the set-up.
_REFUSED = (400, 413, 415, 422)


class Post:
    """A place to send to.

    Args:
        url: where; it may be a secret.
        name: of it, for messages.
        ca: file with the authorities to trust; by default the system's.
    """

    def __init__(self, url: str, name: str, ca: str | None = None) -> None:
        self._url = url
        self._name = name
        context = ssl.create_default_context(cafile=certificates(ca) if ca else None)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Stay)

    def send(self, body: Mapping[str, Any], *, method: str = "POST", headers: Mapping[str, str]) -> None:
        """Sends it.

        Raises:
            SinkError: it was not taken: nobody answers, or the server or the set-up is at fault.
            ConfigError: this message is refused, and would be again.
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at when the file was read
            self._url,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "User-Agent": "vpcflow", **headers},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT):
                pass
        except urllib.error.HTTPError as error:
            with error:
                said = " ".join(f"{error.code} {error.read(300).decode(errors='replace')}".split())
            kind = ConfigError if error.code in _REFUSED else SinkError
            raise kind(f"{self._name} answered with status {said}") from None
        except (OSError, http.client.HTTPException) as error:
            raise SinkError(f"{self._name} {_why(error)}") from None  # the cause may show the URL


class _Stay(urllib.request.HTTPRedirectHandler):
    """Python would follow with a GET and lose the message."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _why(error: Exception) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, ssl.SSLError):
        return f"fails at TLS: {tls(str(inner), 'ca in the table of the channel')}"
    if isinstance(inner, TimeoutError):
        return "does not answer in time; check that the server is well"
    if isinstance(inner, http.client.HTTPException):
        return "closed the connection without an answer; check whether it wants https://"
    said = inner.strerror if isinstance(inner, OSError) else None
    return f"can't be reached ({said or inner}); check host and port, and that the server runs"
