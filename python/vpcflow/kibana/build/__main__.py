"""``make kibana``: writes ``kibana/saved_objects/vpcflow.ndjson``. A test compares."""

from __future__ import annotations

import sys

from vpcflow.errors import ConfigError
from vpcflow.kibana.assets import SAVED_OBJECTS, folder
from vpcflow.kibana.build.files import ndjson


def main() -> None:
    try:
        content = ndjson(folder())
    except ConfigError as error:
        sys.exit(f"Error: {error}")
    target = folder() / SAVED_OBJECTS
    target.parent.mkdir(exist_ok=True)
    target.write_text(content, encoding="utf-8")
    sys.stdout.write(f"{target}\n")


main()
