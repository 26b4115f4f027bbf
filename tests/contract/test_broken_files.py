"""Rules and dashboards in which one value is of another kind: refused with file and line, or taken; never anything else."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from vpcflow.alerts.rules import load
from vpcflow.errors import ConfigError
from vpcflow.kibana.build.files import ndjson

KIBANA = Path(__file__).parents[2] / "kibana"
OTHERS = [None, 5, "", "x", [], ["x"], [["x"]], {"a": 1}, True]


def places(content, at=()):
    """The way to every value; of a list, to the first two."""
    yield at
    inner = content.items() if isinstance(content, dict) else enumerate(content[:2])
    for key, value in inner if isinstance(content, dict | list) else ():
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))
        else:
            yield *at, key


def broken(content):
    """Copies in which one value is another."""
    for at in places(content):
        for other in OTHERS:
            if not at:
                yield other
                continue
            changed = copy.deepcopy(content)
            level = changed
            for key in at[:-1]:
                level = level[key]
            level[at[-1]] = other
            yield changed


def refused(read, path) -> int:
    try:
        read()
    except ConfigError as error:
        assert str(error).startswith(f"{path}"), error
        assert ", line " in str(error) or "must have" in str(error) or "has two documents" in str(error), (
            error
        )
        return 1
    return 0


@pytest.mark.parametrize("name", ["port-scan", "new-country"])
@pytest.mark.parametrize("number", [0, 1])
def test_rules(tmp_path, name, number):
    documents = list(yaml.safe_load_all((KIBANA / "rules" / f"{name}.yml").read_text()))
    path = tmp_path / "mine.yml"
    found = 0
    for changed in broken(documents[number]):
        both = [*documents[:number], changed, *documents[number + 1 :]]
        path.write_text(yaml.safe_dump_all(both))
        found += refused(lambda: load(path), path)
    assert found > 50


def test_dashboards(tmp_path):
    board = yaml.safe_load((KIBANA / "dashboards" / "security-groups.yml").read_text())
    board["panels"] = [board["panels"][number] for number in (10, 12)]  # a table with groups, the search
    path = tmp_path / "dashboards" / "mine.yml"
    path.parent.mkdir()
    found = 0
    for changed in broken(board):
        path.write_text(yaml.safe_dump(changed))
        found += refused(lambda: ndjson(tmp_path), path)
    assert found > 100
