"""What the parts of the stub hand each other: calls, and refusals in the form of Kibana's errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ERRORS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class Call(NamedTuple):
    """A request, its path below the space."""

    method: str
    path: str
    space: str
    query: Mapping[str, str]
    headers: Any
    body: bytes


class RefusalError(Exception):
    """An answer of Kibana's that is none of 2xx."""

    def __init__(self, status: int, message: str, **more) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"statusCode": status, "error": ERRORS.get(status, "Error"), "message": message, **more}
