"""Reads the dashboards of a folder and writes the file that Kibana imports."""

from __future__ import annotations

import json
from pathlib import Path

from vpcflow.dashboards import load
from vpcflow.kibana.build.saved import saved_objects

__all__ = ["ndjson"]


def ndjson(folder: Path) -> str:
    """One saved object a line, from ``dashboards/*.yml`` of a folder; the same for the same files.

    Raises:
        ConfigError: a dashboard means nothing; the message says where.
    """
    objects = saved_objects(load(path) for path in sorted((folder / "dashboards").glob("*.yml")))
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in objects)
