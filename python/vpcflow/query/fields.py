"""Which fields queries may name, and of what type each is: those of the index template."""

from __future__ import annotations

import difflib
import functools

from vpcflow.errors import ConfigError

__all__ = ["has_several", "kind"]

#: Objects whose fields nobody has listed: labels are the user's.
_OPEN = ("labels.",)

#: Fields of which a document can have several values. The languages differ most about these.
_SEVERAL = ("related.ip", "event.type", "event.category", "aws.vpcflow.tcp_flags_array", "tags")


def kind(name: str) -> str:
    """Elasticsearch's type of a field.

    Raises:
        ConfigError: no document has it.
    """
    if name.startswith(_OPEN):
        return "keyword"
    known = _kinds()
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        raise ConfigError(f"there is no field {name}" + (f"; did you mean {close[0]}?" if close else ""))
    return known[name]


def has_several(name: str) -> bool:
    """Whether a document can have several values of the field."""
    return name in _SEVERAL or name.endswith(".security_groups")


@functools.cache
def _kinds() -> dict[str, str]:
    from vpcflow.elastic.fields import fields

    return {name: str(mapping["type"]) for name, mapping in fields().items()}
