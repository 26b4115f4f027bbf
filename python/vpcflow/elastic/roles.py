"""The least privileges with which each part of vpcflow works, as requests for whoever may grant them.

vpcflow prints them and never sends them: the one who runs it need not be the one who may make keys.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from typing import Any, NamedTuple
from urllib.parse import quote

from vpcflow.elastic.template import DATASET, data_stream

__all__ = ["FORMS", "Request", "as_console", "as_curl", "requests"]


#: A list of words, as json spreads it over lines.
_LIST = re.compile(r"\[[^\[\]{}]*\]")


class Request(NamedTuple):
    """One request to Elasticsearch, and what it is for, in words."""

    purpose: str
    method: str
    path: str
    body: dict[str, Any]


def requests(namespace: str | None = None) -> list[Request]:
    """A role, and an API key that has just that role, for indexing, for set-up and for reading.

    Roles are for users, who get them by name; a key carries its own. One of the two is enough.

    Args:
        namespace: of the data stream; None grants it for all of them, ``logs-aws.vpcflow-*``.

    Raises:
        ConfigError: there can't be a data stream of that namespace.
    """
    stream = f"logs-{DATASET}-*" if namespace is None else data_stream(namespace)
    made = []
    for what, purpose, role in _roles(stream):
        name = f"vpcflow-{what}" if namespace is None else f"vpcflow-{what}-{namespace}"
        made.append(Request(f"{purpose} As a role:", "PUT", f"/_security/role/{quote(name)}", role))
        key = {"name": name, "role_descriptors": {name: role}}
        made.append(Request("The same as an API key:", "POST", "/_security/api_key", key))
    return made


def as_console(requests: list[Request]) -> str:
    """The requests as Kibana's Dev Tools console takes them."""
    return "\n\n".join(
        f"{_comment(purpose)}\n{method} {path}\n{_LIST.sub(_one_line, json.dumps(body, indent=2))}"
        for purpose, method, path, body in requests
    )


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, 100))


def _one_line(found: re.Match[str]) -> str:
    return json.dumps(json.loads(found[0]))


def as_curl(requests: list[Request]) -> str:
    """The requests as shell commands that need ELASTICSEARCH_URL; curl asks for the password."""
    return "\n\n".join(
        f'{_comment(purpose)}\ncurl --user elastic -X {method} "$ELASTICSEARCH_URL"{shlex.quote(path)} \\\n'
        f"  -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"
        for purpose, method, path, body in requests
    )


#: The forms in which the requests can be printed, by name.
FORMS = {"console": as_console, "curl": as_curl}


def _roles(stream: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, purpose and descriptor of each role.

    https://www.elastic.co/docs/reference/elasticsearch/security-privileges
    """
    return [
        (
            "index",
            f"vpcflow index: adds documents to {stream}, and can neither read, change nor delete any.",
            # auto_configure: the first document makes the data stream, and new fields enter its mapping.
            _role(stream, ["auto_configure", "create_doc"]),
        ),
        (
            "setup",
            f"vpcflow setup: stores templates, sets how long {stream} is kept, and sees no document. "
            'A server without data stream lifecycle (before 8.11) needs "manage_ilm" beside '
            '"manage_index_templates" instead of "manage_data_stream_lifecycle".',
            # Templates belong to the cluster: there is no privilege for some of them.
            _role(
                stream,
                ["manage_data_stream_lifecycle", "view_index_metadata"],
                cluster=["manage_index_templates"],
            ),
        ),
        (
            "read",
            f"vpcflow report, alerts, query, diagnose: reads {stream}, and can write nothing.",
            _role(stream, ["read"]),
        ),
    ]


def _role(stream: str, privileges: list[str], cluster: list[str] | None = None) -> dict[str, Any]:
    return {"cluster": cluster or [], "indices": [{"names": [stream], "privileges": privileges}]}
