"""Formats by name: what ``format=`` and ``--format`` take besides a Format."""

from __future__ import annotations

from vpcflow._core import Format

__all__ = ["to_format"]

_VERSIONS = (2, 3, 4, 5, 7, 8, 9, 10, 11)


def to_format(spec: Format | str | None) -> Format | None:
    """The format that a user means.

    Args:
        spec: a Format; ``default``; ``v2`` to ``v11`` (every VPC field up to that version, in AWS's order;
            ``v6`` is the transit gateway's); ``transit-gateway``; or AWS's log-format string.
            None stays None.

    Raises:
        FormatError: the string is none of these.
    """
    if spec is None or isinstance(spec, Format):
        return spec
    name = spec.strip().lower()
    if name == "default":
        return Format.default()
    if name in {"transit-gateway", "v6"}:
        return Format.transit_gateway()
    for version in _VERSIONS:
        if name == f"v{version}":
            return Format.full(version)
    return Format(spec)
