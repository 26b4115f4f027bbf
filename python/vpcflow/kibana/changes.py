"""What becomes of each object in Kibana: the same word for dashboards, connectors and rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Change", "Section", "contains", "differences", "digest"]

What = Literal["created", "changed", "left", "kept", "removed"]


@dataclass(slots=True)
class Change:
    """What becomes of one object.

    Attributes:
        kind: ``dashboard``, ``data view``, ``connector``, ``rule`` …
        name: as people see it in Kibana.
        id: as Kibana has it.
        what: ``kept`` is an object that vpcflow would change, had nobody edited it who wants to keep that.
        why: a word on it, where there is one.
        body: what is to be stored.
        error: why Kibana refused it.
        edited: whether somebody has worked on it in Kibana.
    """

    kind: str
    name: str
    id: str
    what: What
    why: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    edited: bool = False

    @property
    def due(self) -> bool:
        return self.what in ("created", "changed", "removed")


@dataclass(slots=True)
class Section:
    """What becomes of dashboards, or connectors, or rules.

    Attributes:
        notes: what the user should know, a line each.
        refused: what was asked for and can't be had, a line each.
    """

    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def contains(stored: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; Kibana adds defaults of its own."""
    if isinstance(wanted, Mapping):
        return isinstance(stored, Mapping) and all(
            key in stored and contains(stored[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(stored, list) and len(stored) == len(wanted) and all(map(contains, stored, wanted))
    return bool(stored == wanted)


def differences(stored: Any, wanted: Mapping[str, Any], above: str = "") -> list[str]:
    """The names of what is wanted otherwise, dotted: ``params.threshold``."""
    found = []
    for key, value in wanted.items():
        there = stored.get(key) if isinstance(stored, Mapping) else None
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            found += differences(there, value, f"{above}{key}.")
        elif not contains(there, value):
            found.append(f"{above}{key}")
    return found


def digest(content: object) -> str:
    """Eight hexadecimal digits that stand for some content."""
    import hashlib

    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
