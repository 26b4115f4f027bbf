"""Sets a space of Kibana up: dashboards, connectors, rules. What is there is looked at first, all of it.

Each part is on its own: what a role may not do, or a licence doesn't have, is said and keeps nobody from the
rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vpcflow.errors import SinkError
from vpcflow.kibana import connectors, objects, rules
from vpcflow.kibana.changes import Section
from vpcflow.kibana.client import NEWEST, ForbiddenError

if TYPE_CHECKING:
    from vpcflow.alerts.rules import Rule
    from vpcflow.connectors import Connector
    from vpcflow.kibana.client import Kibana
    from vpcflow.owners import Owner

__all__ = ["PARTS", "Wishes", "apply", "prepare"]

#: In the order in which they are made; taken away, it is the other way round.
PARTS = ("dashboards", "connectors", "rules")

_APPLY = {"dashboards": objects.apply, "connectors": connectors.apply, "rules": rules.apply}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be set up.

    Attributes:
        parts: of `PARTS`.
        connectors: all of them, whichever the licence has.
        alerts: what the rules watch for.
        owners: whose flows are whose, and who gets mail; None when no file says.
        keep_edits: leave alone what somebody has edited in Kibana.
        remove: take away instead.
    """

    parts: tuple[str, ...] = PARTS
    connectors: Sequence[Connector] = ()
    alerts: Sequence[Rule] = ()
    owners: Sequence[Owner] | None = None
    keep_edits: bool = False
    remove: bool = False


def prepare(kibana: Kibana, wishes: Wishes) -> dict[str, Section]:
    """Finds out what becomes of each part. Changes nothing.

    Raises:
        ConfigError, SinkError: as the client raises them.
    """
    if wishes.remove:
        removals: dict[str, Callable[[], Section]] = {
            "rules": lambda: rules.prepare_removal(kibana),
            "connectors": lambda: connectors.prepare_removal(kibana),
            "dashboards": lambda: objects.prepare_removal(kibana, keep_edits=wishes.keep_edits),
        }
        return {part: _section(look) for part, look in removals.items() if part in wishes.parts}
    sections = _prepare(kibana, wishes)
    if kibana.version[0] > NEWEST:
        number = ".".join(map(str, kibana.version))
        note = f"Kibana {number} is newer than what this vpcflow knows ({NEWEST}): look at what it made"
        next(iter(sections.values())).notes.append(note)
    return sections


def _prepare(kibana: Kibana, wishes: Wishes) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    usable: Iterable[Connector] = ()
    if "dashboards" in wishes.parts:
        sections["dashboards"] = _section(lambda: objects.prepare(kibana, keep_edits=wishes.keep_edits))
    if "connectors" in wishes.parts or "rules" in wishes.parts:
        try:
            section, usable = connectors.prepare(kibana, wishes.connectors)
        except ForbiddenError as error:
            section = Section(refused=[str(error)])
        if "connectors" in wishes.parts or section.refused:
            sections["connectors"] = section
    if "rules" in wishes.parts:
        wanted = list(usable)
        sections["rules"] = _section(
            lambda: rules.prepare(kibana, wishes.alerts, wishes.owners, wanted, keep_edits=wishes.keep_edits)
        )
    return sections


def apply(kibana: Kibana, sections: dict[str, Section]) -> None:
    """Does what `prepare` found; each change and each section says what came of it."""
    for part, section in sections.items():
        try:
            _APPLY[part](kibana, section)
        except (ForbiddenError, SinkError) as error:
            section.refused.append(str(error))
            for change in section.changes:
                if change.due and change.error is None:
                    change.error = ""  # said once, for all of them


def _section(look: Callable[[], Section]) -> Section:
    try:
        return look()
    except ForbiddenError as error:
        return Section(refused=[str(error)])
