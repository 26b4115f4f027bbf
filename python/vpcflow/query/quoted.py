"""Names and texts as SQL has them."""

from __future__ import annotations

__all__ = ["identifier", "literal"]


def identifier(name: str) -> str:
    """The name of a column in double quotes: ECS's have dots."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A text in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"
