"""A session of somebody else's client, in a process of its own: its name and its dependencies are in our way.

Takes the URL and the key, reads what `vpcflow setup` made, and makes some of it anew; says in JSON what it saw.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(url: str, key: str, assets: str) -> None:
    from kibana import Kibana

    client = Kibana(url, api_key=key)
    seen = {
        "version": client.status.get_status().body["version"]["number"],
        "types": {one["id"]: one["enabled_in_license"] for one in client.connectors.list_types().body},
        "connectors": sorted(one["id"] for one in client.connectors.get_all().body),
        "rules": client.alerting.rule.find(per_page=100).body["total"],
    }
    objects = [{"type": "dashboard", "id": "vpcflow-overview"}]
    exported = client.saved_objects.export(objects=objects, exclude_export_details=True).body
    exported = (
        [json.loads(line) for line in exported.splitlines()] if isinstance(exported, str) else list(exported)
    )
    seen["title"] = exported[0]["attributes"]["title"]
    again = client.saved_objects.import_objects(file=Path(assets).read_text("utf-8"), overwrite=True).body
    seen["import"] = [again["success"], again["successCount"]]
    made = client.connectors.create(name="mine", connector_type_id=".server-log", id="mine").body
    client.connectors.update(id=made["id"], name="mine still")
    seen["renamed"] = client.connectors.get(id="mine").body["name"]
    client.connectors.delete(id="mine")
    json.dump(seen, sys.stdout)
    client.close()


main(*sys.argv[1:])
