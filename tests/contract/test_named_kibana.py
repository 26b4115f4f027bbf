"""`KIBANA_URL=… pytest tests/contract`: the tests of set-up against a Kibana that somebody names.

The stub stands for it here, in a process of its own as a real one would be.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kibana_stub import Kibana
from setup_command import KEY

#: Not the whole folder: this file would run itself.
TESTS = Path(__file__).parent / "test_kibana_setup.py"


def contract_tests(**environ):
    """What pytest says of those tests that go to KIBANA_URL."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("KIBANA", "ELASTIC"))}
    command = [sys.executable, "-m", "pytest", str(TESTS), "-k", "KIBANA_URL", "-p", "no:cacheprovider"]
    return subprocess.run(
        command, env=own | environ, capture_output=True, text=True, timeout=100, check=False
    ).stdout


@pytest.mark.parametrize(
    ("credentials", "login"),
    [
        ({"api_key": KEY}, {"KIBANA_API_KEY": KEY}),
        ({"user": ("operator", "s3cret")}, {"KIBANA_USERNAME": "operator", "KIBANA_PASSWORD": "s3cret"}),
    ],
)
def test_they_go_to_it_and_leave_nothing_there(credentials, login):
    with Kibana("9.0.1", base_path="/kb", **credentials) as kibana:
        said = contract_tests(KIBANA_URL=kibana.url, **login)
        spaces = {found[1] for call in kibana.calls if (found := re.search(r"/s/(t\w+)/", call))}
    assert re.search(r"5 passed, \d+ deselected", said), said
    assert len(spaces) == 5
    assert kibana.spaces == {"default"}
    assert kibana.alerting.rules == kibana.alerting.connectors == {}
    assert kibana.objects.of("default") == {}


def test_without_it_they_are_reported_as_skipped():
    said = contract_tests()
    assert re.search(r"5 skipped, \d+ deselected", said), said
    assert "KIBANA_URL is not set" in said
