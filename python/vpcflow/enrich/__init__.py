"""What records don't say themselves: the protocol of enrichers.

An enricher is asked once about each address, or each interface, not once a line. Ten lines make one:
docs/enrichment.md has an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, cast

from vpcflow._core import AwsRanges, Enrichment, Geo, ThreatLists
from vpcflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AnyEnricher", "Enricher", "Interface", "enrichment", "installed"]

#: The entry points by which packages offer enrichers: each is called without arguments and gives one.
GROUP = "vpcflow.enrichers"


class Interface(NamedTuple):
    """What a record says of the interface that logged it.

    None: its format hasn't the field, or it is ``-``.
    """

    account_id: str | None
    vpc_id: str | None
    subnet_id: str | None
    interface_id: str | None
    instance_id: str | None


class Enricher(Protocol):
    """Something that knows more than the log.

    It may also have a `name` for messages, and a `generation`: when that is another than before, what it
    said is forgotten and it is asked again; `notes`, lines for the summary of a run; and `addresses`, those
    that interfaces are known to have, by interface id, which settle directions. It is asked from several
    threads, one at a time.
    """

    @property
    def key(self) -> Literal["address", "interface"]:
        """What it is asked about."""

    @property
    def fields(self) -> Mapping[str, str]:
        """All fields that it may say: ECS names, and their types in Elasticsearch.

        Types: ``keyword``, ``ip``, ``long``, ``double``, ``boolean``, ``date`` (ISO 8601), and ``keyword[]``
        and ``ip[]`` for several values. Names that start with ``side.`` are of an address, and go below
        ``source`` and ``destination``; all others are of the record. ``tags`` adds to the document's tags.
        """

    def look_up(self, value: Any, /) -> Mapping[str, object] | None:
        """What it says of a value: of some of its fields, by name. None if it knows nothing.

        An exception, or a value of another type, costs that answer, and is told once at the end.

        Args:
            value: an address as text (IPv4 also where it is mapped into IPv6), or an `Interface`.
        """


#: One of vpcflow's own, which look things up in the core, or anybody's.
AnyEnricher: TypeAlias = Geo | AwsRanges | ThreatLists | Enricher


def enrichment(enrichers: Iterable[AnyEnricher]) -> Enrichment | None:
    """The enrichers as the core takes them; None for none.

    Raises:
        ConfigError: one has not what an enricher has, or two don't agree on a field's type.
    """
    found = list(enrichers)
    return Enrichment(found) if found else None


def installed(names: Sequence[str]) -> list[Enricher]:
    """Enrichers that installed packages offer, by the names of their entry points in ``vpcflow.enrichers``.

    Raises:
        ConfigError: there is none of a name, or it can't be made.
    """
    from importlib.metadata import entry_points

    found = []
    for name in names:
        points = entry_points(group=GROUP, name=name)
        if not points:
            there = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
            raise ConfigError(f"no installed package has an enricher {name}; there are: {there}")
        point = next(iter(points))
        try:
            found.append(cast("Enricher", point.load()()))
        except Exception as error:
            raise ConfigError(
                f"the enricher {name} ({point.value}): {type(error).__name__}: {error}"
            ) from error
    return found
