"""The countries of addresses that the extra ``vpcflow[geo]`` brings."""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

__all__ = ["Countries", "find"]

_PACKAGE, _MODULE, _FILE = "python-geoacumen", "geoacumen", "db/Geoacumen-Country.mmdb"


class Countries(NamedTuple):
    """A database that was found.

    Attributes:
        path: of the mmdb file.
        day: it is of. The package's version is one.
    """

    path: Path
    day: date

    def notice(self, today: date) -> str:
        """Whose data they are, how old, and what to do about that."""
        months = (today.year - self.day.year) * 12 + today.month - self.day.month
        return (
            f"countries of addresses are Geoacumen's (Kevin Chung, Apache 2.0), of {self.day}, {months} "
            "months ago; --geo FILE takes others (docs/enrichment.md says which)"
        )


def find() -> Countries | None:
    """The database, if the extra is installed."""
    spec = find_spec(_MODULE)
    if spec is None or spec.origin is None:
        return None
    # Takes longer to import than all else that is done here, and most have no such package.
    from importlib.metadata import PackageNotFoundError, version

    try:
        year, month, day, *_ = (int(part) for part in version(_PACKAGE).split("."))
    except (PackageNotFoundError, ValueError):
        return None
    path = Path(spec.origin).parent / _FILE
    return Countries(path, date(year, month, day)) if path.is_file() else None
